"""`hw.depthwise`: order of pixels and of steps, for every small image."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.padded_walk import PaddedWalk
from vitaccel.hw.depthwise.window_walk import WindowWalk
from vitaccel.windows import KERNELS, STRIDES, column_order, column_steps, steps, walk_cycles


def simulate(dut: Any, bench: Any) -> None:
    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(bench)
    sim.run()


def padded(above: int, below: int, side: int, height: int, width: int) -> list[int]:
    """Addresses of two channel words of an image at 100 with padding at 50, pixels 3 apart."""
    found = []
    for w in range(2):
        for row in range(-above, height + below):
            for column in range(-side, width + side):
                inside = 0 <= row < height and 0 <= column < width
                found.append(100 + w + 3 * (row * width + column) if inside else 50 + w)
    return found


def test_every_pixel_and_its_padding() -> None:
    dut = PaddedWalk()

    async def bench(ctx: TestbenchContext) -> None:
        rng = random.Random(0)
        for shape in itertools.product((0, 1, 2), (0, 2), (0, 1, 2), (1, 3), (1, 2)):
            above, below, side, height, width = shape
            image = {
                "src": 100, "src_stride": 3, "pad": 50, "above": above, "side": side, "n_words": 2,
                "end_row": above + height, "end_column": side + width,
                "height": above + height + below, "width": width + 2 * side,
            }  # fmt: skip
            ctx.set(dut.image, image)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            got = []
            while ctx.get(dut.o.valid):
                willing = rng.random() < 0.8
                ctx.set(dut.o.ready, willing)
                if willing:
                    got.append(ctx.get(dut.o.payload))
                await ctx.tick()
            assert got == padded(*shape), shape

    simulate(dut, bench)


class Seen(NamedTuple):
    """What matters of a step."""

    column: int
    fresh: int
    works: int
    group: int
    weight: int
    first: int
    last: int
    restart: int
    param: int


def expected(config: AcceleratorConfig, f: dict[str, int]) -> Iterator[Seen]:
    """Steps of an image, from the description of `WindowWalk`."""
    kernel, stride, width = f["kernel"], f["stride"], f["width"]
    for w in range(f["n_words"]):
        param, restart = 1 + w, 1
        for row in range(f["height"]):
            ends = row >= kernel - 1 and (row - kernel + 1) % stride == 0
            filled = kernel - stride if ends else width
            for column in range(filled):
                yield Seen(column, 1, 0, 0, 0, 0, 0, 0, 0)
            for x in range((width - kernel) // stride + 1 if ends else 0):
                weight = 2 + w * steps(config, kernel)
                for n, column in enumerate(column_order(kernel, stride)):
                    for group in range(column_steps(config, kernel)):
                        fresh = int(n < stride and group == 0)
                        last = weight == 1 + (w + 1) * steps(config, kernel)
                        yield Seen(
                            x * stride + column, fresh, 1, group, weight,
                            int(n == group == 0), int(last), restart, param,
                        )  # fmt: skip
                        weight, filled = weight + 1, filled + fresh
                restart = 0
            for column in range(filled, width):
                yield Seen(column, 1, 0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("pause", [0.0, 0.4], ids=["free", "paused"])
@pytest.mark.parametrize("taps", [2, 5])
def test_every_step_of_small_images(taps: int, pause: float) -> None:
    config = AcceleratorConfig(depthwise_taps=taps, depthwise_width=8)
    dut = WindowWalk(config)

    async def bench(ctx: TestbenchContext) -> None:
        rng = random.Random(taps)
        for kernel, stride, dw, dh in itertools.product(KERNELS, STRIDES, range(3), range(3)):
            f = {"kernel": kernel, "stride": stride, "width": kernel + dw, "height": kernel + dh}
            f["n_words"] = 1 + (dw + dh) % 2
            want = list(expected(config, f))
            padding = {"above": 0, "below": 0, "side": 0}
            assert len(want) == walk_cycles(config, f | padding)
            ctx.set(dut.image, {
                "height": f["height"], "width": f["width"], "n_words": f["n_words"], "weight": 2,
                "param": 1, "five": kernel == 5, "by_two": stride == 2,
            })  # fmt: skip
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for wanted in want:
                going = False
                while not going:
                    word, room = rng.random() >= pause, rng.random() >= pause
                    ctx.set(dut.word, word)
                    ctx.set(dut.room, room)
                    going = bool(ctx.get(dut.go))
                    assert going == ((word or not wanted.fresh) and (room or not wanted.first))
                    if going:
                        check(ctx, dut, wanted)
                    await ctx.tick()
            assert not ctx.get(dut.running)

    simulate(dut, bench)


def check(ctx: TestbenchContext, dut: WindowWalk, wanted: Seen) -> None:
    step = dut.step
    assert ctx.get(step.fresh) == wanted.fresh
    assert ctx.get(step.works) == wanted.works
    assert ctx.get(step.reads) == (wanted.group == 0)
    if wanted.group == 0:
        assert ctx.get(step.column) == wanted.column
    if wanted.works:
        names = ("group", "weight", "first", "last", "restart", "param")
        assert [ctx.get(step[name]) for name in names] == [getattr(wanted, n) for n in names]


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5])
def test_columns_rest_after_they_were_filled(taps: int) -> None:
    """The line buffer reads a column no earlier than three steps after it was written."""
    config = AcceleratorConfig(depthwise_taps=taps, depthwise_width=16)
    for kernel, stride, dw in itertools.product(KERNELS, STRIDES, range(4)):
        f = {"kernel": kernel, "stride": stride, "width": kernel + dw, "height": kernel + 3}
        filled: dict[int, int] = {}
        for now, step in enumerate(expected(config, f | {"n_words": 2})):
            if step.group == 0:
                assert now - filled.get(step.column, -3) >= 3
            if step.fresh:
                filled[step.column] = now
