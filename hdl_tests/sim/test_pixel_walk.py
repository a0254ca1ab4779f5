"""`hw.mxu.pixel_walk` against its loops, written down."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from hdl_tests.harness.pysim import assert_same, run_stream
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.pixel_walk import PixelWalk

CONFIG = AcceleratorConfig(rows=4, columns=4, hybrid=True)


def convolution(rng: random.Random) -> dict[str, int]:
    """A command whose results begin anywhere in a row of pixels."""
    kernel, step, words = rng.choice([1, 2, 3, 5, 7]), rng.randrange(2), rng.choice([1, 1, 2])
    row_pixels = rng.randrange(1, 7)
    return {
        "stream": rng.choice([5, 65530, rng.randrange(65536)]),
        "stream_stride": rng.choice([words, 3, 40]) << step,
        "n_rows": rng.randrange(1, 2 * row_pixels + 2),
        "k_tiles": kernel**2 * words,
        "n_tiles": rng.choice([1, 2]),
        "kernel": kernel,
        "tap_words": words,
        "image_stride": rng.choice([6, 7, 300]),
        "row_pixels": row_pixels,
        "first_row": rng.choice([-3, -1, 0, 4, 505]),
        "first_column": rng.choice([-3, -1, 0, 2]),
        "height": rng.choice([1, 5, 511]),
        "width": rng.choice([1, 6, 511]),
        "step": step,
        "pad": rng.randrange(60000),
        "unsigned": rng.randrange(2),
        "relu_stream": rng.randrange(2),
    }


def rows(rng: random.Random) -> dict[str, int]:
    """A command without taps."""
    counts = {name: rng.randrange(1, 4) for name in ("n_rows", "k_tiles", "n_tiles")}
    return counts | {"stream": rng.randrange(60000), "stream_stride": rng.randrange(900)}


def steps(f: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Address and ``last`` of every word."""
    for n in range(f["n_tiles"]):
        for k in range(f["k_tiles"]):
            for m in range(f["n_rows"]):
                ends = (n == f["n_tiles"] - 1, k == f["k_tiles"] - 1, m == f["n_rows"] - 1)
                last = all(ends) | all(ends[1:]) << 1 | ends[2] << 2
                yield address(f, k, m), last


def address(f: dict[str, int], k: int, m: int) -> int:
    if not f.get("kernel"):
        return f["stream"] + m * f["stream_stride"] + k
    tap, word = divmod(k, f["tap_words"])
    i, j = divmod(tap, f["kernel"])
    y, x = divmod(m, f["row_pixels"])
    s = f["step"] + 1
    if not (
        0 <= f["first_row"] + y * s + i < f["height"]
        and 0 <= f["first_column"] + x * s + j < f["width"]
    ):
        return f["pad"] + word
    down, right = (y * s + i) * f["image_stride"], x * f["stream_stride"]
    return (f["stream"] + down + right + j * f["stream_stride"] // s + word) % (1 << 16)


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
def test_every_word_of_every_command(seed: int, pause: float) -> None:
    rng = random.Random(seed)
    commands = [rng.choice([convolution, convolution, rows])(rng) for _ in range(12)]
    dut = PixelWalk(CONFIG)
    want: list[Any] = [
        (at, last, command.get("unsigned", 0), command.get("relu_stream", 0))
        for command in commands
        for at, last in steps(command)
    ]
    found = run_stream(dut, commands, len(want), i=dut.command, o=dut.o, pause=pause, seed=seed)
    got = [(p.address, p.tag.last, p.tag.unsigned, p.tag.relu) for p in found]
    assert_same(got, want, want)
