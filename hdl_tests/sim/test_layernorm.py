"""`hw.vector.layernorm` against `golden.ops.layernorm`."""

import random

import pytest

from hdl_tests.harness.vector_rows import NormCase, check, corner_rows, random_rows, run_operator
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.hw.vector.row_scale import RowScale

SMALL = AcceleratorConfig(rows=3, columns=3, row_words=8, vector_words=16)
LONG = AcceleratorConfig(row_words=256, vector_words=256)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_matches_golden(seed: int, pause: float) -> None:
    cases = []
    rng = random.Random(seed)
    for length in (2, 3, 4, 13, 23, 24):
        rows = corner_rows(length) + random_rows(rng, length, 5)
        rng.shuffle(rows)
        param = rng.randrange(SMALL.vector_words - -(-length // SMALL.rows) + 1)
        cases.append(NormCase(config=SMALL, length=length, rows=rows, param=param, seed=seed))
    check(cases, run_operator(LayerNorm(SMALL), cases, pause=pause, seed=seed).words)


def test_matches_golden_on_longest_rows() -> None:
    rows = [corner_rows(2048)[n] for n in (0, 4, 7, 9)]
    cases = [
        NormCase(config=LONG, length=length, rows=[row[:length] for row in rows], seed=length)
        for length in (2048, 1030)
    ]
    for case in cases:
        case.shifts = [3] * case.length
    check(cases, run_operator(LayerNorm(LONG), cases).words)


@pytest.mark.parametrize("products", ["blocks", "mixed", "luts"])
def test_latency(products: str) -> None:
    config = SMALL.replace(vector_products=products)
    for length in (3, 24):
        dut = LayerNorm(config)
        case = NormCase(config=config, length=length, rows=corner_rows(length)[:1])
        run = run_operator(dut, [case])
        check([case], run.words)
        assert run.given[0] - run.taken[-1] == dut.latency


@pytest.mark.parametrize("n_words", [1, 3, 8])
def test_throughput(n_words: int) -> None:
    length = n_words * SMALL.rows
    case = NormCase(
        config=SMALL, length=length, rows=random_rows(random.Random(n_words), length, 24)
    )
    run = run_operator(LayerNorm(SMALL), [case])
    interval = max(n_words, RowScale.INTERVAL)
    starts = run.given[::n_words]
    assert {b - a for a, b in zip(starts[12:], starts[13:], strict=False)} == {interval}
