"""`hw.vector.softmax` against `golden.ops.softmax`."""

import random

import pytest

from hdl_tests.harness.vector_rows import (
    SoftmaxCase,
    check,
    corner_rows,
    random_rows,
    run_operator,
)
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.vector.row_total import RowTotal
from vitaccel.hw.vector.softmax import Softmax

SMALL = AcceleratorConfig(
    rows=3, columns=6, pot_columns=3, log2_attention=True, row_words=8, table_slots=3
)
LONG = AcceleratorConfig(columns=16, pot_columns=8, log2_attention=True, row_words=256)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_matches_golden(seed: int, pause: float) -> None:
    cases = []
    rng = random.Random(seed)
    for bits in (0, 8, 1 + rng.randrange(7)):
        length = rng.choice([1, 2, 3, 4, 13, 23, 24])
        rows = corner_rows(length) + random_rows(rng, length, 5)
        rng.shuffle(rows)
        scale = rng.choice([0.004, 0.02, 0.1, 0.5, 3.0])
        case = SoftmaxCase(config=SMALL, length=length, rows=rows, scale=scale, bits=bits)
        case.param = rng.randrange(SMALL.table_slots)
        cases.append(case)
    check(cases, run_operator(Softmax(SMALL), cases, pause=pause, seed=seed).words)


def test_matches_golden_on_longest_rows() -> None:
    rows = [corner_rows(2048)[n] for n in (1, 4, 10)]
    cases = [
        SoftmaxCase(config=LONG, length=2048, rows=rows, bits=bits, scale=0.01) for bits in (0, 8)
    ]
    check(cases, run_operator(Softmax(LONG), cases).words)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_tables_are_loaded_while_others_are_used(pause: float) -> None:
    rng = random.Random(pause)
    cases = [
        SoftmaxCase(config=SMALL, length=24, rows=random_rows(rng, 24, 80), scale=s, param=n % 2)
        for n, s in enumerate((0.02, 0.1, 0.5))
    ]
    check(cases, run_operator(Softmax(SMALL), cases, pause=pause, ahead=True).words)


def test_log2_rounds_ties_as_golden() -> None:
    # One element of 32768 and k of T[i]: ratios from far above to far below every threshold.
    scales = [0.0866434, 0.3465736, 0.6931472]  # powers of two and their roots
    cases = [
        SoftmaxCase(
            config=SMALL, length=24, bits=0, scale=scale,
            rows=[[0] * (24 - k) + [-step] * k for k in range(24) for step in (1, 4, 8)],
        )
        for scale in scales
    ]  # fmt: skip
    check(cases, run_operator(Softmax(SMALL), cases).words)


@pytest.mark.parametrize("products", ["blocks", "mixed", "luts"])
def test_latency(products: str) -> None:
    config = SMALL.replace(vector_products=products)
    for length in (1, 24):
        dut = Softmax(config)
        case = SoftmaxCase(config=config, length=length, rows=corner_rows(length)[:1])
        run = run_operator(dut, [case])
        n_words = case.n_words
        check([case], run.words)
        assert run.given[0] - run.taken[-1] == dut.latency + n_words - 1


@pytest.mark.parametrize("n_words", [1, 3, 4, 8])
@pytest.mark.parametrize("bits", [0, 8], ids=["log2", "linear"])
def test_throughput(n_words: int, bits: int) -> None:
    length = n_words * SMALL.rows
    rows = random_rows(random.Random(n_words), length, 36)
    run = run_operator(
        Softmax(SMALL), [SoftmaxCase(config=SMALL, length=length, rows=rows, bits=bits)]
    )
    interval = max(n_words, RowTotal.INTERVAL)
    starts = run.given[::n_words]
    assert {b - a for a, b in zip(starts[20:], starts[21:], strict=False)} == {interval}
