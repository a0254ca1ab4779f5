"""Rows for VECTOR: parameters and data as the golden model and as the hardware take them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext
from torch import Tensor

from golden.ops.layernorm import layernorm, layernorm_constants
from golden.ops.softmax import exp_table, softmax
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.streams.stream import link
from vitaccel.hw.vector.products import Products
from vitaccel.hw.vector.replay import Replay


@dataclass(kw_only=True)
class Case:
    """Rows that one command processes."""

    config: AcceleratorConfig
    length: int
    rows: list[list[int]]
    param: int = 0
    masked = 0  # result in lanes outside the row

    @property
    def n_words(self) -> int:
        return -(-self.length // self.config.rows)

    def fields(self) -> dict[str, int]:
        """Fields of the command."""
        return {"length": self.length, "param": self.param}

    def writes(self) -> list[tuple[int, list[int]]]:
        """Addresses and words of the parameters."""
        raise NotImplementedError

    def golden(self) -> Tensor:
        """Results of the rows."""
        raise NotImplementedError

    def results(self) -> list[list[int]]:
        """Result words that the hardware must give."""
        y = self.golden().to(torch.int64) & 255
        pad = self.n_words * self.config.rows - self.length
        y = torch.cat([y, torch.full((len(self.rows), pad), self.masked)], dim=1)
        return y.view(-1, self.config.rows).tolist()

    def data(self, rng: random.Random) -> list[list[int]]:
        """Words of the rows; lanes outside hold anything."""
        lanes = self.config.rows
        words = []
        for row in self.rows:
            junk = [rng.randrange(256) for _ in range(lanes)]
            padded = [v & 255 for v in row] + junk
            words += [padded[w * lanes :][:lanes] for w in range(self.n_words)]
        return words

    def marked(self, rng: random.Random) -> list[dict[str, Any]]:
        """Words with their marks."""
        lanes = self.config.rows
        return [
            {
                "lanes": word,
                "mask": sum(
                    (n % self.n_words * lanes + r < self.length) << r for r in range(lanes)
                ),
                "last": n % self.n_words == self.n_words - 1,
            }
            for n, word in enumerate(self.data(rng))
        ]


@dataclass(kw_only=True)
class NormCase(Case):
    """Rows for LayerNorm, with parameters drawn by a seed."""

    seed: int = 0

    def __post_init__(self) -> None:
        rng = random.Random(f"norm {self.seed}")
        self.gain = [rng.randrange(-1 << 15, 1 << 15) for _ in range(self.length)]
        self.offset = [rng.randrange(-1 << 27, 1 << 27) for _ in range(self.length)]
        self.shifts = [rng.randrange(4) for _ in range(self.length)]
        self.post_shift = rng.randrange(16, 30)
        self.low, self.high = rng.choice([(-128, 127), (-8, 7), (0, 255), (-100, 3)])

    def fields(self) -> dict[str, int]:
        bounds = {"post_shift": self.post_shift, "low": self.low, "high": self.high}
        return super().fields() | layernorm_constants(self.length)._asdict() | bounds

    def writes(self) -> list[tuple[int, list[int]]]:
        lanes = self.config.rows
        pad = [0] * (self.n_words * lanes - self.length)
        planes = [[v >> s & 255 for v in self.gain] + pad for s in (0, 8)]
        planes += [[v >> s & 255 for v in self.offset] + pad for s in (0, 8, 16, 24)]
        planes += [self.shifts + pad]
        return [
            ((self.param + w) << 3 | p, plane[w * lanes :][:lanes])
            for w in range(self.n_words)
            for p, plane in enumerate(planes)
        ]

    def golden(self) -> Tensor:
        return layernorm(
            torch.tensor(self.rows, dtype=torch.int8),
            torch.tensor(self.gain, dtype=torch.int16),
            torch.tensor(self.offset, dtype=torch.int32),
            post_shift=self.post_shift,
            shifts=torch.tensor(self.shifts),
            low=self.low,
            high=self.high,
        )


@dataclass(kw_only=True)
class SoftmaxCase(Case):
    """Rows for softmax, log2 if ``bits`` is 0."""

    scale: float = 0.05
    bits: int = 8

    def __post_init__(self) -> None:
        self.table = exp_table(self.scale)
        self.masked = 0 if self.bits else 15

    def fields(self) -> dict[str, int]:
        return super().fields() | {"bits": self.bits, "log2": not self.bits}

    def writes(self) -> list[tuple[int, list[int]]]:
        return [
            ((self.param << 8 | n) << 1 | plane, [value >> 8 * plane & 255] * self.config.rows)
            for n, value in enumerate(self.table.tolist())
            for plane in (0, 1)
        ]

    def golden(self) -> Tensor:
        x = torch.tensor(self.rows, dtype=torch.int8)
        return softmax(x, self.table, bits=self.bits or 8, log2=not self.bits)


def corner_rows(length: int) -> list[list[int]]:
    """Constant rows, one-hot rows, the least and the greatest variance, a ramp."""
    half = length // 2
    return [
        [0] * length, [-128] * length, [127] * length, [1] * length,
        [127] + [-128] * (length - 1), [-128] * (length - 1) + [127],
        [-128] + [127] * (length - 1), [0] * (length - 1) + [1], [-1] + [0] * (length - 1),
        [-128] * half + [127] * (length - half), [n % 256 - 128 for n in range(length)],
    ]  # fmt: skip


def random_rows(rng: random.Random, length: int, count: int) -> list[list[int]]:
    """Rows over random ranges, so of very different variance."""
    rows = []
    for _ in range(count):
        low, high = sorted(rng.randrange(-128, 128) for _ in range(2))
        rows.append([rng.randint(low, high) for _ in range(length)])
    return rows


@dataclass
class Run:
    """What came out, and when, in cycles."""

    words: list[list[int]]
    taken: list[int]  # cycle in which each word went in
    given: list[int]  # cycle in which each word came out


async def write_all(
    ctx: TestbenchContext, port: Any, writes: Sequence[tuple[int, list[int]]]
) -> None:
    """Write parameters, and wait until they are seen."""
    for address, word in writes:
        ctx.set(port.payload, {"address": address, "data": word})
        ctx.set(port.valid, 1)
        taken = 0
        while not taken:
            _, _, taken = await ctx.tick().sample(port.ready)
    ctx.set(port.valid, 0)
    await ctx.tick()


class Alone(wiring.Component):
    """`LayerNorm` or `Softmax` behind its `Replay`, with its multipliers."""

    fields: Any
    write: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        members = dict(operator.signature.members)
        super().__init__({name: members[name] for name in ("fields", "write", "i", "o")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.replay = replay = Replay(self.operator.config)
        m.submodules.operator = self.operator
        m.submodules.products = products = Products(self.operator.config)
        wiring.connect(m, self.operator.product, products.first)
        link(m, wiring.flipped(self.i), replay.i)
        link(m, replay.once, self.operator.i)
        link(m, replay.again, self.operator.again)
        link(m, wiring.flipped(self.write), self.operator.write)
        link(m, self.operator.o, wiring.flipped(self.o))
        m.d.comb += self.operator.fields.eq(self.fields)
        return m


async def until(ctx: TestbenchContext, condition: Callable[[], bool]) -> None:
    """Wait for the first cycle in which ``condition`` holds."""
    while not condition():
        await ctx.tick()


def run_operator(
    operator: Any, cases: Sequence[Case], *, pause: float = 0.0, seed: int = 0, ahead: bool = False
) -> Run:
    """Send the rows of one case after the other through `LayerNorm` or `Softmax`.

    Parameters are written between cases, or those of the next case ``ahead``, beside the rows.
    """
    dut: Any = Alone(operator)
    run = Run([], [], [])
    ready = [False] * len(cases)  # parameters of case n are there
    sent = [case.marked(random.Random(seed)) for case in cases]
    before = list(accumulate(map(len, sent), initial=0))  # words of earlier cases
    total = before[-1]
    clock = [0]

    async def writer(ctx: TestbenchContext) -> None:
        for n, case in enumerate(cases):
            first = before[max(n - ahead, 0)]
            await until(ctx, lambda first=first: len(run.words) >= first)
            await write_all(ctx, dut.write, case.writes())
            ready[n] = True

    async def source(ctx: TestbenchContext) -> None:
        rng = random.Random(f"source {seed}")
        for n, (case, words) in enumerate(zip(cases, sent, strict=True)):
            # Fields may change once all rows have left.
            await until(ctx, lambda n=n: ready[n] and len(run.words) == len(run.taken))
            ctx.set(dut.fields, case.fields())
            await ctx.tick()
            for word in words:
                while rng.random() < pause:
                    await ctx.tick()
                ctx.set(dut.i.payload, word)
                ctx.set(dut.i.valid, 1)
                taken = 0
                while not taken:
                    _, _, taken = await ctx.tick().sample(dut.i.ready)
                run.taken.append(clock[0])
                ctx.set(dut.i.valid, 0)

    async def sink(ctx: TestbenchContext) -> None:
        rng = random.Random(f"sink {seed}")
        while len(run.words) < total:
            willing = rng.random() >= pause
            ctx.set(dut.o.ready, willing)
            _, _, offered, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if willing and offered:
                run.words.append(list(payload))
                run.given.append(clock[0])
            clock[0] += 1  # after the source, which is served first in every cycle, used it

    async def guard(ctx: TestbenchContext) -> None:
        await ctx.delay((2000 * len(cases) + 40 * total) * CLOCK_PERIOD)
        raise AssertionError(f"no end: {len(run.words)} of {total} words came out")

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(writer)
    sim.add_testbench(source)
    sim.add_testbench(sink)
    sim.add_testbench(guard, background=True)
    sim.run()
    return run


def check(cases: Sequence[Case], words: Sequence[list[int]]) -> None:
    """Compare result words with the golden model."""
    expected = [(case, n, word) for case in cases for n, word in enumerate(case.results())]
    for got, (case, n, want) in zip(words, expected, strict=True):
        row, w = divmod(n, case.n_words)
        assert got == want, f"word {w} of row {case.rows[row]} of {case}"
