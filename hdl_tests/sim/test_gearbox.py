"""Words of one size become words of another, rows kept apart."""

import random

import pytest

from hdl_tests.harness.pysim import run_stream
from vitaccel.hw.streams.gearbox import Gearbox

SIZES = [(1, 1), (1, 3), (3, 1), (2, 3), (3, 2), (8, 3), (3, 8)]
WIDTH = 8


def rows_in(n_rows: int, inputs: int, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [
        [rng.randrange(1, 256) for _ in range(rng.randint(1, 5 * inputs))] for _ in range(n_rows)
    ]


def words_of(row: list[int], size: int) -> list[list[int]]:
    row = row + [0] * (-len(row) % size)
    return [row[n : n + size] for n in range(0, len(row), size)]


def run(dut: Gearbox, sent: list[dict], count: int, pause: float, seed: int) -> list[list[int]]:
    got = run_stream(dut, sent, count, i=dut.i, o=dut.o, pause=pause, seed=seed)
    return [list(word) for word in got]


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
def test_rows_end_inside_input_words(inputs: int, outputs: int, seed: int, pause: float) -> None:
    """As in LOAD: rows of whole output words, the rest of their last input word is dropped."""
    rows = [
        row[: max(1, len(row) // outputs) * outputs] + [7] * (outputs - len(row))
        for row in rows_in(12, inputs, seed)
    ]
    sent = []
    for row in rows:
        words = words_of(row, inputs)
        counts = [inputs] * (len(words) - 1) + [len(row) - inputs * (len(words) - 1)]
        sent += [{"data": w, "count": c} for w, c in zip(words, counts, strict=True)]
    want = [word for row in rows for word in words_of(row, outputs)]
    dut = Gearbox(WIDTH, inputs, outputs, most=inputs)
    assert run(dut, sent, len(want), pause, seed) == want


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
def test_rows_are_padded_to_output_words(
    inputs: int, outputs: int, seed: int, pause: float
) -> None:
    """As in STORE: rows of whole input words, zeros up to the end of the last output word."""
    rows = [sum(words_of(row, inputs), []) for row in rows_in(12, inputs, seed)]
    sent = []
    for row in rows:
        words = words_of(row, inputs)
        counts = [inputs] * (len(words) - 1) + [inputs + -len(row) % outputs]
        sent += [{"data": w, "count": c} for w, c in zip(words, counts, strict=True)]
    want = [word for row in rows for word in words_of(row, outputs)]
    dut = Gearbox(WIDTH, inputs, outputs, most=inputs + outputs - 1)
    assert run(dut, sent, len(want), pause, seed) == want


@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
def test_limiting_side_never_waits(inputs: int, outputs: int) -> None:
    n = 12 * outputs  # input words
    sent = [{"data": [1] * inputs, "count": inputs}] * n
    count = n * inputs // outputs
    dut = Gearbox(WIDTH, inputs, outputs, most=inputs)
    cycles = max(n, count) + dut.LATENCY + 2 * max(inputs, outputs) // min(inputs, outputs)
    got = run_stream(dut, sent, count, i=dut.i, o=dut.o, max_cycles=cycles + 2)
    assert len(got) == count
