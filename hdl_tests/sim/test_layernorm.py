"""`hw.layernorm` against `golden.ops.layernorm`."""

import random
from typing import Any

import pytest
import torch
from amaranth.sim import Simulator

from golden.ops.layernorm import layernorm, layernorm_constants
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.layernorm import LayerNorm

SMALL = AcceleratorConfig(rows=4, columns=4, row_words=8, vector_words=16)
WIDE = AcceleratorConfig(rows=8, columns=8, row_words=256, vector_words=256)


class Case:
    """Rows of one length with parameters, as `golden` and the hardware take them."""

    def __init__(self, rng: random.Random, config: AcceleratorConfig, length: int) -> None:
        self.config = config
        self.length = length
        self.n_words = -(-length // config.rows)
        self.param = rng.randrange(config.vector_words - self.n_words + 1)
        self.gain = [rng.randrange(-1 << 15, 1 << 15) for _ in range(length)]
        self.offset = [rng.randrange(-1 << 27, 1 << 27) for _ in range(length)]
        self.shifts = [rng.randrange(4) for _ in range(length)]
        self.post_shift = rng.randrange(16, 30)
        self.low, self.high = rng.choice([(-128, 127), (-8, 7), (0, 255), (-100, 3)])

    def fields(self) -> dict[str, int]:
        constants = layernorm_constants(self.length)._asdict()
        return constants | {
            "length": self.length, "param": self.param, "post_shift": self.post_shift,
            "low": self.low, "high": self.high,
        }  # fmt: skip

    def writes(self) -> list[dict[str, Any]]:
        lanes = self.config.rows
        pad = [0] * (self.n_words * lanes - self.length)
        planes = [[v >> s & 255 for v in self.gain] for s in (0, 8)]
        planes += [[v >> s & 255 for v in self.offset] for s in (0, 8, 16, 24)]
        planes += [self.shifts]
        return [
            {"address": (self.param + w) << 3 | p, "data": (plane + pad)[w * lanes :][:lanes]}
            for w in range(self.n_words)
            for p, plane in enumerate(planes)
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
        y = layernorm(
            torch.tensor(rows, dtype=torch.int8),
            torch.tensor(self.gain, dtype=torch.int16),
            torch.tensor(self.offset, dtype=torch.int32),
            post_shift=self.post_shift,
            shifts=torch.tensor(self.shifts),
            low=self.low,
            high=self.high,
        )
        pad = torch.zeros(len(rows), self.n_words * self.config.rows - self.length, dtype=y.dtype)
        y = torch.cat([y, pad], dim=1).to(torch.int64) & 255
        return y.view(-1, self.config.rows).tolist()


def corner_rows(length: int) -> list[list[int]]:
    half = length // 2
    return [
        [0] * length, [-128] * length, [127] * length, [1] * length,  # no variance
        [127] + [-128] * (length - 1), [-128] + [127] * (length - 1),
        [0] * (length - 1) + [1], [-1] + [0] * (length - 1),  # the least there is
        [-128] * half + [127] * (length - half), [n % 2 for n in range(length)],
    ]  # fmt: skip


def random_rows(rng: random.Random, length: int, count: int) -> list[list[int]]:
    rows = []
    for _ in range(count):
        low, high = sorted(rng.randrange(-128, 128) for _ in range(2))
        rows.append([rng.randint(low, high) for _ in range(length)])
    return rows


def run(case: Case, rows: list[list[int]], pause: float = 0.0, seed: int = 0) -> list[list[int]]:
    dut = LayerNorm(case.config)
    rng = random.Random(seed)
    sent = [word for row in rows for word in case.words(row, rng)]
    got: list[list[int]] = []

    async def source(ctx) -> None:
        ctx.set(dut.fields, case.fields())
        for write in case.writes():
            ctx.set(dut.write.payload, write)
            ctx.set(dut.write.valid, 1)
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        await ctx.tick()
        for word in sent:
            while rng.random() < pause:
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

    async def guard(ctx) -> None:
        await ctx.delay((5000 + 40 * len(sent)) * CLOCK_PERIOD)
        raise AssertionError(f"deadlock: {len(got)} of {len(sent)}")

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(source)
    sim.add_testbench(sink)
    sim.add_testbench(guard, background=True)
    sim.run()
    return got


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [2, 3, 4, 7, 8, 29, 32])
def test_matches_golden(length: int, seed: int, pause: float) -> None:
    rng = random.Random(f"{length} {seed}")
    case = Case(rng, SMALL, length)
    rows = corner_rows(length) + random_rows(rng, length, 8)
    rng.shuffle(rows)
    got, want = run(case, rows, pause, seed), case.golden(rows)
    for w, (g, h) in enumerate(zip(got, want, strict=True)):
        assert g == h, f"word {w % case.n_words} of row {rows[w // case.n_words]}"
