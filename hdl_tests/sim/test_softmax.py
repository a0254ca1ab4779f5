"""`hw.softmax` against `golden.ops.softmax`."""

import random
from typing import Any

import pytest
import torch
from amaranth.sim import Simulator

from golden.ops.softmax import exp_table, softmax
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.softmax import Softmax

SMALL = AcceleratorConfig(
    rows=4, columns=8, pot_columns=4, log2_attention=True, row_words=8, table_slots=3
)


class Case:
    """Rows of one length with parameters, as `golden` and the hardware take them."""

    def __init__(
        self, config: AcceleratorConfig, length: int, scale: float, bits: int, slot: int = 0
    ) -> None:
        self.config = config
        self.length = length
        self.n_words = -(-length // config.rows)
        self.table = exp_table(scale)
        self.bits = bits  # 0: log2
        self.slot = slot

    def fields(self) -> dict[str, int]:
        return {"param": self.slot, "length": self.length, "bits": self.bits, "log2": not self.bits}

    def writes(self) -> list[dict[str, Any]]:
        return [
            {
                "address": (self.slot << 8 | n) << 1 | plane,
                "data": [value >> 8 * plane & 255] * self.config.rows,
            }
            for n, value in enumerate(self.table.tolist())
            for plane in (0, 1)
        ]

    def words(self, row: list[int], rng: random.Random) -> list[dict[str, Any]]:
        lanes = self.config.rows
        junk = [rng.randrange(256) for _ in range(lanes)]  # lanes past the row hold anything
        row = ([v & 255 for v in row] + junk)[: self.n_words * lanes]
        return [
            {
                "lanes": row[w * lanes :][:lanes],
                "mask": sum((w * lanes + r < self.length) << r for r in range(lanes)),
                "last": w == self.n_words - 1,
            }
            for w in range(self.n_words)
        ]

    def golden(self, rows: list[list[int]]) -> list[list[int]]:
        x = torch.tensor(rows, dtype=torch.int8)
        if self.bits:
            y, masked = softmax(x, self.table, bits=self.bits), 0
        else:
            y, masked = softmax(x, self.table, log2=True), 15
        pad = self.n_words * self.config.rows - self.length
        y = torch.cat([y, torch.full((len(rows), pad), masked, dtype=torch.uint8)], dim=1)
        return y.view(-1, self.config.rows).tolist()


def corner_rows(length: int) -> list[list[int]]:
    return [
        [0] * length, [-128] * length, [127] * length,  # flat
        [127] + [-128] * (length - 1), [-128] * (length - 1) + [127],  # one-hot
        [n % 256 - 128 for n in range(length)], [-1 - n % 2 for n in range(length)],
    ]  # fmt: skip


def random_rows(rng: random.Random, length: int, count: int) -> list[list[int]]:
    rows = []
    for _ in range(count):
        low, high = sorted(rng.randrange(-128, 128) for _ in range(2))
        rows.append([rng.randint(low, high) for _ in range(length)])
    return rows


def simulate(
    case: Case, sent: list[dict[str, Any]], pause: float, seed: int
) -> tuple[list[list[int]], list[int]]:
    """Return the result words and the cycles in which they came, 0 when the first was taken."""
    dut = Softmax(case.config)
    got: list[list[int]] = []
    cycles: list[int] = []
    clock = [0]

    async def source(ctx) -> None:
        toggle = random.Random(f"source {seed}")
        ctx.set(dut.fields, case.fields())
        for write in case.writes():
            ctx.set(dut.write.payload, write)
            ctx.set(dut.write.valid, 1)
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        await ctx.tick()
        clock[0] = 0
        for word in sent:
            while toggle.random() < pause:
                await ctx.tick()
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            taken = 0
            while not taken:
                _, _, taken = await ctx.tick().sample(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def sink(ctx) -> None:
        toggle = random.Random(f"sink {seed}")
        while len(got) < len(sent):
            willing = toggle.random() >= pause
            ctx.set(dut.o.ready, willing)
            _, _, offered, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if willing and offered:
                got.append(list(payload))
                cycles.append(clock[0])
            clock[0] += 1

    async def guard(ctx) -> None:
        await ctx.delay((2000 + 40 * len(sent)) * CLOCK_PERIOD)
        raise AssertionError(f"deadlock: {len(got)} of {len(sent)}")

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(source)
    sim.add_testbench(sink)
    sim.add_testbench(guard, background=True)
    sim.run()
    return got, cycles


def check(case: Case, rows: list[list[int]], pause: float = 0.0, seed: int = 0) -> None:
    rng = random.Random(seed)
    sent = [word for row in rows for word in case.words(row, rng)]
    got, _ = simulate(case, sent, pause, seed)
    for w, (g, want) in enumerate(zip(got, case.golden(rows), strict=True)):
        assert g == want, f"word {w % case.n_words} of row {rows[w // case.n_words]}"


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bits", [0, 4, 8], ids=["log2", "4 bits", "8 bits"])
@pytest.mark.parametrize("length", [1, 4, 13, 32])
def test_matches_golden(length: int, bits: int, seed: int, pause: float) -> None:
    rng = random.Random(f"{length} {seed}")
    rows = corner_rows(length) + random_rows(rng, length, 6)
    rng.shuffle(rows)
    case = Case(SMALL, length, rng.choice([0.01, 0.05, 0.2, 1.0]), bits, rng.randrange(3))
    check(case, rows, pause, seed)


@pytest.mark.parametrize("bits", range(1, 9))
def test_all_widths(bits: int) -> None:
    check(Case(SMALL, 7, 0.07, bits), corner_rows(7) + random_rows(random.Random(bits), 7, 6))
