"""Walk, Queue, Skid, Turns and the banks' arbiter keep their rules, whatever their inputs do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from amaranth import Assert, Assume, Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import stream

from hdl_tests.harness.formal import prove
from vitaccel.hw.memory.bank_arbiter import BankArbiter
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.mxu.pair_reader import PairReader
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.turns import Turns
from vitaccel.presets import PRESETS

if TYPE_CHECKING:
    from amaranth_types import HasElaborate

pytestmark = pytest.mark.formal


class HoldsUntilTaken(Elaboratable):
    """Once valid, `output` stays valid with its payload until ready, if `source` does so too.

    The inputs in `beside` go with the payload of `source`.
    """

    def __init__(
        self,
        dut: "HasElaborate",
        output: stream.Interface,
        source: stream.Interface,
        beside: Sequence[Signal],
    ) -> None:
        self.dut, self.output, self.source, self.beside = dut, output, source, beside

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        for port, check in ((self.source, Assume), (self.output, Assert)):
            payload = Value.cast(port.payload)
            if port is self.source:
                payload = Cat(payload, *self.beside)
            waiting = Signal()
            held = Signal.like(payload)
            m.d.sync += [waiting.eq(port.valid & ~port.ready), held.eq(payload)]
            with m.If(waiting):
                m.d.comb += check(port.valid, "valid fell")
                m.d.comb += check(payload == held, "payload changed")
        return m


def prove_stream(
    dut: "HasElaborate",
    output: stream.Interface,
    source: stream.Interface,
    beside: Sequence[Signal] = (),
) -> None:
    name = type(dut).__name__.lower()
    ports = [Value.cast(x) for p in (output, source) for x in (p.payload, p.valid, p.ready)]
    prove(HoldsUntilTaken(dut, output, source, beside), name=name, ports=[*ports, *beside])


@pytest.mark.parametrize("n_loops", [1, 3])
def test_walk(n_loops: int) -> None:
    dut = Walk(n_loops)
    prove_stream(dut, dut.o, dut.i)


def test_pair_reader() -> None:
    dut = PairReader(PRESETS["w4a4"])
    prove_stream(dut, dut.memory.request, dut.port.request, [dut.paired, dut.distance])


def test_skid() -> None:
    dut = Skid(4)
    prove_stream(dut, dut.o, dut.i)


class SamePlaces(Elaboratable):
    """`Skid` and `Turns` accept and offer in the same cycles, and offer the same.

    What waits behind an offer shows by induction only if every offer is taken some day.
    """

    def __init__(self) -> None:
        self.skid, self.turns = Skid(4), Turns(4)
        self.i, self.o = (stream.Signature(4).create(path=(name,)) for name in "io")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.skid, m.submodules.turns = self.skid, self.turns
        refused = Signal(2)
        m.d.sync += refused.eq(Mux(self.o.ready, 0, refused + 1))
        m.d.comb += Assume(refused != 3, "refuses for ever")
        for dut in (self.skid, self.turns):
            m.d.comb += [
                dut.i.payload.eq(self.i.payload),
                dut.i.valid.eq(self.i.valid),
                dut.o.ready.eq(self.o.ready),
                Assert(dut.i.ready == self.skid.i.ready, "accepts alone"),
                Assert(dut.o.valid == self.skid.o.valid, "offers alone"),
                Assert(~dut.o.valid | (dut.o.payload == self.skid.o.payload), "another payload"),
            ]
        return m


def test_turns() -> None:
    dut = Turns(4)
    prove_stream(dut, dut.o, dut.i)
    both = SamePlaces()
    ports = [both.i.payload, both.i.valid, both.o.ready]
    prove(both, name="turns_and_skid", ports=ports)


@pytest.mark.parametrize("wide", [False, True])
def test_queue(wide: bool) -> None:
    dut = Queue(4, 4, wide=wide)
    prove_stream(dut, dut.o, dut.i)


class OnePerBank(Elaboratable):
    """No bank has two, nobody has what he did not ask for, nobody waits too long."""

    def __init__(self, dut: BankArbiter) -> None:
        self.dut = dut

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        n = dut.n_requesters
        m.d.comb += Assert((dut.grant & ~dut.valid) == 0, "granted what nobody wants")
        for r in range(n):
            for j in range(r):
                both = dut.grant[r] & dut.grant[j]
                m.d.comb += Assert(~both | (dut.bank[r] != dut.bank[j]), "two in one bank")
            others = Cat(dut.grant[j] & (dut.bank[j] == dut.bank[r]) for j in range(n) if j != r)
            m.d.comb += Assert(~dut.valid[r] | dut.grant[r] | others.any(), "bank left idle")
            self._patience(m, r)
        return m

    def _patience(self, m: Module, r: int) -> None:
        dut = self.dut
        waited = Signal(8)
        bank = Signal.like(dut.bank[r])
        m.d.sync += [waited.eq(0), bank.eq(dut.bank[r])]
        with m.If(dut.valid[r] & ~dut.grant[r]):
            m.d.sync += waited.eq(waited + 1)
        with m.If(waited != 0):
            m.d.comb += Assume(dut.valid[r], "gives up")
            m.d.comb += Assume(dut.bank[r] == bank, "changes its mind")
        if r:
            most = BankArbiter.PATIENCE * (dut.n_requesters - 1)
            m.d.comb += Assert(waited < most, "waits too long")


def test_bank_arbiter() -> None:
    dut = BankArbiter(3, 2)
    ports = [dut.valid, Value.cast(dut.bank), dut.grant]
    prove(OnePerBank(dut), name="bank_arbiter", ports=ports, depth=24)
