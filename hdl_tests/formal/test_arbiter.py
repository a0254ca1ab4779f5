"""Two masters and a memory: offers are kept, answers find their master, data their address."""

from typing import Any

import pytest
from amaranth import Assert, Assume, Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed

from hdl_tests.harness.formal import prove
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.arbiter import MASTERS, Arbiter

pytestmark = pytest.mark.formal
CONFIG = AcceleratorConfig(axi_bytes=4)
FIELDS = {"ar": "id addr len size burst", "aw": "id addr len size burst", "w": "data strb last"}


class Watched(Elaboratable):
    """The arbiter between masters and a memory that keep to their side of AXI4."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        for channel in FIELDS:
            self._keeps(m, channel, "", Assert)
            for prefix in MASTERS:
                self._keeps(m, channel, prefix, Assume)
        self._answers(m, "ar", "r", Const(0))
        self._answers(m, "aw", "b", self._data(m))
        return m

    def _port(self, name: str, prefix: str = "") -> Value:
        return getattr(self.dut, prefix + name)

    def _moves(self, channel: str, prefix: str = "", last: bool = False) -> Value:
        ends = [self._port(f"{channel}{end}", prefix) for end in ("valid", "ready")]
        return ends[0] & ends[1] & (self._port(f"{channel}last", prefix) if last else 1)

    def _keeps(self, m: Module, channel: str, prefix: str, rule: Any) -> None:
        """What is offered stays until it is taken."""
        valid, ready = (self._port(f"{channel}{end}", prefix) for end in ("valid", "ready"))
        payload = Cat(self._port(f"{channel}{field}", prefix) for field in FIELDS[channel].split())
        waiting = Signal(name=f"{prefix}{channel}_waiting")
        before = Signal(len(payload), name=f"{prefix}{channel}_before")
        m.d.sync += [waiting.eq(valid & ~ready), before.eq(payload)]
        kept = ~waiting | (valid & (payload == before))
        m.d.comb += rule(kept, f"{prefix}{channel} offer")

    def _answers(self, m: Module, address: str, channel: str, unfinished: Value) -> None:
        """Every master is owed what it asked for, and gets it.

        The memory answers no more than it was asked, nor bursts with ``unfinished`` data.
        """
        last = channel == "r"
        turns = self.dut.reads if last else self.dut.writes
        owed = [Signal(6, name=f"{prefix}{channel}_owed") for prefix in MASTERS]
        for prefix, n in zip(MASTERS, owed, strict=True):
            gets = self._moves(channel, prefix, last)
            m.d.sync += n.eq(n + self._moves(address, prefix) - gets)
            offered = self._port(f"{channel}valid", prefix)
            m.d.comb += Assert((n != 0) | ~offered, f"{channel} for a master that is owed none")
        total = Signal(6, name=f"{channel}_total")
        m.d.sync += total.eq(total + self._moves(address) - self._moves(channel, last=last))
        m.d.comb += [
            Assume((total > unfinished) | ~self._port(f"{channel}valid"), "answer unasked"),
            Assert(total == owed[0] + owed[1], f"{channel} lost or made up"),
            Assert((owed[0] == 0) | (owed[1] == 0), f"{channel} of two masters under way"),
            Assert(total >= unfinished, "answered before its data"),
            Assert(total <= Arbiter.OUTSTANDING, "too many"),
            # For the induction: the arbiter's own state is what is seen from outside.
            Assert(total == turns.under_way, "count"),
            Assert((Mux(turns.owner, owed[0], owed[1])) == 0, "owner"),
        ]

    def _data(self, m: Module) -> Value:
        """Return of how many bursts the memory lacks data.

        A master offers data at the earliest with their address; so does the arbiter.
        """
        counts = []
        for prefix in (*MASTERS, ""):
            owed = Signal(signed(8), name=f"{prefix}data_owed")  # bursts
            counts.append(owed)
            ended = self._moves("w", prefix, last=True)
            m.d.sync += owed.eq(owed + self._moves("aw", prefix) - ended)
            may = (owed > 0) | ((owed == 0) & self._port("awvalid", prefix))
            rule = Assume if prefix else Assert
            m.d.comb += rule(may | ~self._port("wvalid", prefix), f"{prefix}data too early")
        first, second, both = counts
        mine, other = (
            Mux(self.dut.writes.owner, *pair) for pair in ((second, first), (first, second))
        )
        m.d.comb += [
            Assert((both == self.dut.owed) & (mine == both) & (other == 0), "data count"),
            Assert((both >= 0) | ((both == -1) & self.dut.awvalid), "data without an address"),
        ]
        return Mux(both > 0, both, 0)


def test_arbiter() -> None:
    dut = Arbiter(CONFIG)
    ports = [Value.cast(value) for _, _, value in dut.signature.flatten(dut)]
    prove(Watched(dut), name="arbiter", ports=ports)
