"""Rows that are moved as one."""

import random
from collections.abc import Mapping

import pytest

from hdl_tests.harness.hybrids import random_hybrid
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.join_rows import joined_rows
from vitaccel.config import AcceleratorConfig

CONFIG = AcceleratorConfig(rows=12, columns=12, axi_bytes=8)


def moved(fields: Mapping[str, int], config: AcceleratorConfig) -> list[tuple[int, int]]:
    """Byte address in external memory and word on chip of every word, as the units take them."""
    return [
        (row * fields["external_stride"] + word * config.rows, row * fields["local_stride"] + word)
        for row in range(fields["n_rows"])
        for word in range(fields["n_words"])
    ]


@pytest.mark.parametrize("op", [isa.Op.LOAD, isa.Op.STORE])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_words_move(op: isa.Op, seed: int) -> None:
    rng, longer = random.Random(seed), 0
    for _ in range(100):
        n_words = rng.randint(1, 4)
        row = -(-n_words * CONFIG.rows // CONFIG.axi_bytes) * CONFIG.axi_bytes
        fields = {
            "external_stride": row, "local_stride": n_words + rng.randrange(2),
            "n_rows": rng.randint(1, 5), "n_words": n_words,
        }  # fmt: skip
        joined = joined_rows(op, fields, CONFIG)
        assert moved(joined, CONFIG) == moved(fields, CONFIG)
        longer += joined["n_rows"] < fields["n_rows"]
    assert longer > 10


@pytest.mark.parametrize(
    ("local_stride", "n_rows", "n_words", "want"),
    [
        (2, 100, 2, (1, 200)), (3, 100, 2, (100, 2)), (3, 100, 3, (100, 3)),
        (2, 40000, 2, (40000, 2)),
    ],
    ids=["no gap", "gap on chip", "gap outside", "too long for the field"],
)  # fmt: skip
def test_rows_with_gaps_stay(
    local_stride: int, n_rows: int, n_words: int, want: tuple[int, int]
) -> None:
    fields = {"local_stride": local_stride, "n_rows": n_rows, "n_words": n_words}
    joined = joined_rows(isa.Op.LOAD, fields, CONFIG)
    assert (joined["n_rows"], joined["n_words"]) == want


def test_an_image_comes_in_long_rows() -> None:
    config = AcceleratorConfig(
        rows=16, columns=16, hybrid=True, accumulator_rows=32, activation_words=2048,
        table_slots=8, post_words=512, vector_words=64, row_words=32, weight_words=4096,
    )  # fmt: skip
    program = compile_network(random_hybrid(side=12, width=32, heads=2), config)
    region = program.input
    loads = [
        step.fields
        for step in program.main_steps()
        if step.op == isa.Op.LOAD
        and region.address <= step.fields["external"] < region.address + region.n_rows * 32
    ]
    assert {fields["n_rows"] for fields in loads} == {1}
    assert sum(fields["n_words"] for fields in loads) == 2 * region.n_rows
