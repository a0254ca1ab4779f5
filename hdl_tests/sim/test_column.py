# amaranth: UnusedElaboratable=no
"""`hw.mxu.column`, `hw.mxu.pot_column`: arithmetic of the elements, over all pairs of operands."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.gemm import signed
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.column import Column, PackedColumn, UniformColumn, lane_values
from vitaccel.hw.mxu.pot_column import PotColumn

SMALL = AcceleratorConfig(rows=2, columns=4, pot_columns=2, activation_bits=4)
WIDE = SMALL.replace(activation_bits=8)
LOG2 = WIDE.replace(log2_attention=True)
INDEX = 2

Product = Callable[[int, int, bool], list[int]]  # of lane, word, wide: one for each sum


def nibble(value: int) -> int:
    return int(signed(np.array(value), 4))


def uniform(lane: int, word: int, wide: bool) -> list[int]:
    return [lane * int(signed(np.array(word), 8))]


def packed(lane: int, word: int, wide: bool) -> list[int]:
    low = word & 15 if wide else nibble(word & 15)
    return [lane * low, lane * nibble(word >> 4)]


def pot(bits: int, high: bool = False) -> Product:
    def product(lane: int, word: int, wide: bool) -> list[int]:
        if wide:
            q = lane & 15
            return [0 if q == 15 else int(signed(np.array(word), 8)) << (14 - q)]
        code = word >> 4 if high else word
        exponent = code & (2 ** (bits - 1) - 1)
        value = lane << exponent >> 1 if exponent else 0
        return [-value if code >> (bits - 1) & 1 else value]

    return product


def run(
    column: Column,
    tiles: Sequence[tuple[int, int, bool]],
    lanes: Sequence[int],
    index: int = INDEX,
) -> list[list[list[int]]]:
    """Sums of every lane value with every tile ``(word of row 0, of row 1, wide)``.

    Row 1 gets the lanes in reverse. Tiles are loaded while the former one is in use.
    """
    got: list[list[int]] = []
    sim = Simulator(column)
    sim.add_clock(CLOCK_PERIOD)
    n = len(lanes)
    total = (len(tiles) + 1) * n  # the first n cycles load only

    async def feed(ctx: TestbenchContext) -> None:
        ctx.set(column.index, index)
        for cycle in range(total + column.LATENCY + 2):
            for row in range(2):
                tile, beat = divmod(max(cycle - row, 0), n)
                ctx.set(column.lanes[row], lanes[beat if row == 0 else n - 1 - beat])
                ctx.set(column.words[row], tiles[min(tile, len(tiles) - 1)][row])
            tile, beat = divmod(cycle, n)
            ctx.set(column.control.swap, beat == 0)
            ctx.set(column.control.take, beat == 1)
            ctx.set(column.control.wide, tiles[min(tile, len(tiles) - 1)][2])
            ctx.set(column.control.tag, INDEX if beat == 1 else INDEX ^ 1)
            *_, sums = await ctx.tick().sample(column.sums)
            got.append(list(sums))

    sim.add_testbench(feed)
    sim.run()
    first = 2 + column.LATENCY + n
    return [got[first + t * n : first + (t + 1) * n] for t in range(len(tiles))]


CASES = {
    "uniform": (UniformColumn(SMALL), uniform, False),
    "uniform-8": (UniformColumn(WIDE), uniform, False),
    "packed": (PackedColumn(SMALL), packed, False),
    "packed-wide": (PackedColumn(SMALL), packed, True),
    "packed-8": (PackedColumn(WIDE), packed, False),
    "packed-wide-8": (PackedColumn(WIDE), packed, True),
    "uniform-luts": (UniformColumn(SMALL.replace(array_products="luts")), uniform, False),
    "packed-luts": (PackedColumn(SMALL.replace(array_products="luts")), packed, False),
    "packed-wide-luts": (PackedColumn(SMALL.replace(array_products="luts")), packed, True),
    "pot-3": (PotColumn(SMALL.replace(pot_bits=3), odd=False), pot(3), False),
    "pot-4": (PotColumn(WIDE, odd=False), pot(4), False),
    "pot-5": (PotColumn(WIDE.replace(pot_bits=5), odd=False), pot(5), False),
    "log2": (PotColumn(LOG2, odd=False), pot(4), True),
    "log2-off": (PotColumn(LOG2, odd=False), pot(4), False),
    "log2-4": (PotColumn(LOG2.replace(activation_bits=4), odd=False), pot(4), True),
}


@pytest.mark.parametrize("name", CASES)
def test_every_product(name: str) -> None:
    column, product, wide = CASES[name]
    if name.endswith("8") or name.startswith(("log2", "pot-4", "pot-5")):
        values = lane_values(column.config)
        lanes = sorted({*values[:3], *values[-3:], *range(-17, 18)} & set(values))
        words = sorted({
            0,
            1,
            0x7F,
            0x80,
            0x81,
            0xFF,
            0x88,
            0x78,
            0x87,
            0xF0,
            0x0F,
            *range(0, 256, 5),
        })
    else:
        lanes, words = list(lane_values(column.config)), list(range(256))
    tiles = [(word, words[(3 * n + 1) % len(words)], wide) for n, word in enumerate(words)]
    for tile, sums in zip(tiles, run(column, tiles, lanes), strict=True):
        for n, got in enumerate(sums):
            rows = [product(lanes[n], tile[0], wide), product(lanes[-1 - n], tile[1], wide)]
            assert got == [sum(parts) for parts in zip(*rows, strict=True)], (tile, lanes[n])


def test_high_nibble_comes_with_the_left_neighbour() -> None:
    """An odd power-of-two column takes words meant for the one before it, but wide ones itself."""
    lanes, words = list(range(-8, 16)), list(range(0, 256, 3))
    column = PotColumn(LOG2, odd=True)
    tiles = [(word, word ^ 0x33, False) for word in words]
    product = pot(4, high=True)
    for tile, sums in zip(tiles, run(column, tiles, lanes, INDEX + 1), strict=True):
        for n, got in enumerate(sums):
            rows = [product(lanes[n], tile[0], False), product(lanes[-1 - n], tile[1], False)]
            assert got == [rows[0][0] + rows[1][0]], (tile, lanes[n])
