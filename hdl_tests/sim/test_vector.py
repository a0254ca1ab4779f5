"""`hw.vector.vector`: commands over a memory, against the golden operators."""

import random
from typing import Any

import pytest

from hdl_tests.harness.payload import packed
from hdl_tests.harness.unit_bench import UnitBench
from hdl_tests.harness.vector_rows import (
    Case,
    NormCase,
    SoftmaxCase,
    corner_rows,
    random_rows,
    write_all,
)
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout
from vitaccel.hw.vector.vector import Vector
from vitaccel.isa import Op, Status

CONFIG = AcceleratorConfig(
    rows=3, columns=6, pot_columns=3, log2_attention=True, row_words=8, vector_words=16
)
PARTS = {
    "two": CONFIG.replace(
        rows=4, columns=8, pot_columns=4, vector_cycles=2, vector_products="mixed"
    ),
    "three": CONFIG.replace(
        rows=6, columns=12, pot_columns=6, vector_cycles=3, vector_products="luts"
    ),
}
LINEAR = AcceleratorConfig(rows=3, columns=3, row_words=8, vector_words=16)
TALL = AcceleratorConfig(rows=5, columns=5, row_words=512, vector_words=512)
DEPTH = 4096


class Place:
    """A command: where the rows of a case lie and where their results go."""

    def __init__(self, case: Case, src: int, dst: int, src_stride: int, dst_stride: int) -> None:
        self.case = case
        self.src, self.dst, self.src_stride, self.dst_stride = src, dst, src_stride, dst_stride

    def command(self, **changes: int) -> dict[str, int]:
        norm = isinstance(self.case, NormCase)
        fields = self.case.fields() | {
            "src": self.src, "src_stride": self.src_stride,
            "dst": self.dst, "dst_stride": self.dst_stride,
            "n_rows": len(self.case.rows), "n_words": self.case.n_words,
        }  # fmt: skip
        layout = command_layout(Op.NORM if norm else Op.SOFTMAX)
        return {"norm": norm, "fields": packed(layout, fields | changes)}

    def fill(self, memory: list[list[int]], rng: random.Random) -> None:
        for n, word in enumerate(self.case.data(rng)):
            row, w = divmod(n, self.case.n_words)
            memory[self.src + row * self.src_stride + w] = word

    def expect(self, memory: list[list[int]]) -> None:
        for n, word in enumerate(self.case.results()):
            row, w = divmod(n, self.case.n_words)
            memory[self.dst + row * self.dst_stride + w] = word


def run(
    config: AcceleratorConfig,
    memory: list[list[int]],
    parameters: dict[str, list[tuple[int, list[int]]]],
    commands: list[dict[str, int]],
    *,
    pause: float = 0.0,
    seed: int = 0,
    max_cycles: int = 20000,
) -> UnitBench:
    """Run ``commands`` on ``memory`` until all are done, or for a while after a fault."""
    dut = Vector(config)
    bench = UnitBench(dut, memory, pause)

    async def command(ctx: Any) -> None:
        rng = random.Random("command")
        for name, writes in parameters.items():
            await write_all(ctx, getattr(dut, name), writes)
        for command in commands:
            await bench.offer(ctx, rng, command)

    bench.run(command, len(commands), seed=seed, max_cycles=max_cycles)
    return bench


def places(rng: random.Random, config: AcceleratorConfig) -> list[Place]:
    """Commands of both kinds in any order, with parameters side by side, some of them in place."""
    cases: list[Case] = []
    for n, length in enumerate((11, 24)):
        rows = random_rows(rng, length, 3) + rng.sample(corner_rows(length), 3)
        cases.append(NormCase(config=config, length=length, rows=rows, param=8 * n, seed=length))
    for slot, length, bits in ((0, 1, 8), (0, 4, 8), (1, 13, 0), (1, 24, 0)):
        rows = random_rows(rng, length, 3) + rng.sample(corner_rows(length), 3)
        cases.append(SoftmaxCase(
            config=config, length=length, rows=rows, param=slot, bits=bits, scale=0.1 - 0.05 * slot
        ))  # fmt: skip
    rng.shuffle(cases)
    found = []
    for n, case in enumerate(cases):
        strides = [case.n_words + rng.randrange(3) for _ in range(2)]
        src = 256 * n + rng.randrange(64)
        dst = src if n % 2 else src + 128
        found.append(Place(case, src, dst, strides[0], strides[0] if n % 2 else strides[1]))
    return found


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize(
    ("config", "seed"),
    [*((CONFIG, seed) for seed in range(3)), *((config, 0) for config in PARTS.values())],
    ids=["0", "1", "2", *PARTS],
)
def test_commands_match_golden(config: AcceleratorConfig, seed: int, pause: float) -> None:
    rng = random.Random(seed)
    memory = [[rng.randrange(256) for _ in range(config.rows)] for _ in range(DEPTH)]
    commands = places(rng, config)
    for place in commands:
        place.fill(memory, rng)
    want = [list(word) for word in memory]
    parameters: dict[str, list] = {"param": [], "exp": []}
    for place in commands:
        place.expect(want)
        parameters["param" if isinstance(place.case, NormCase) else "exp"] += place.case.writes()
    run(config, memory, parameters, [p.command() for p in commands], pause=pause, seed=seed)
    for address, (got, word) in enumerate(zip(memory, want, strict=True)):
        assert got == word, f"word {address}"


def test_first_request_comes_early() -> None:
    case = SoftmaxCase(config=CONFIG, length=4, rows=corner_rows(4))
    place = Place(case, 0, 512, 2, 2)
    bench = run(CONFIG, [[0] * 3] * DEPTH, {}, [place.command()])
    assert bench.requests[0] - bench.taken[0] == Vector.START


@pytest.mark.parametrize("make", [NormCase, SoftmaxCase])
@pytest.mark.parametrize("config", PARTS.values(), ids=PARTS)
def test_cycles_per_word(config: AcceleratorConfig, make: type[Case]) -> None:
    rows = random_rows(random.Random(0), 8 * config.rows, 30)
    place = Place(make(config=config, length=8 * config.rows, rows=rows), 0, 512, 8, 8)
    writes = place.case.writes()
    name = "param" if make is NormCase else "exp"
    memory = [[0] * config.rows] * DEPTH
    place.fill(memory, random.Random(0))
    bench = run(config, memory, {name: writes}, [place.command()])
    assert bench.writes[-1] - bench.writes[8 * 10] == (8 * 20 - 1) * config.vector_cycles


@pytest.mark.parametrize(
    ("config", "kind", "changes", "status"),
    [
        (CONFIG, "norm", {"length": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"n_rows": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"n_words": 9}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"length": 25, "n_words": 8}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"n_words": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"post_shift": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"post_shift": 33}, Status.ILLEGAL_FIELD),
        (CONFIG, "norm", {"param": 15}, Status.LOCAL_ADDRESS),
        (CONFIG, "norm", {"param": 0xFFFF}, Status.LOCAL_ADDRESS),
        (TALL, "norm", {"n_words": 410, "length": 2049}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"length": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"n_rows": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"n_words": 9}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"length": 7}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"param": 2}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"bits": 0}, Status.ILLEGAL_FIELD),
        (CONFIG, "softmax", {"bits": 9}, Status.ILLEGAL_FIELD),
        (LINEAR, "softmax", {"log2": 1}, Status.ILLEGAL_FIELD),
    ],
)
def test_refuses(
    config: AcceleratorConfig, kind: str, changes: dict[str, int], status: Status
) -> None:
    """A refused command touches nothing and is not done; later ones are not taken."""
    make = NormCase if kind == "norm" else SoftmaxCase
    place = Place(make(config=config, length=6, rows=corner_rows(6)), 0, 512, 2, 2)
    bench = run(
        config, [[0] * config.rows] * DEPTH, {}, [place.command(**changes), place.command()]
    )
    assert bench.fault == status
    assert len(bench.taken) == 1
    assert not bench.requests
    assert not bench.writes
