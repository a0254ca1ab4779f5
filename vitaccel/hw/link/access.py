"""One word at a time on either of the two buses."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import (
    ADDRESS_BITS,
    INCR,
    LITE_ADDRESS_BITS,
    Ports,
    PortTable,
    lite_ports,
    read_ports,
    write_ports,
)

__all__ = ["CONTROL", "MEMORY", "Access", "bus_ports"]

CONTROL, MEMORY = "control_", "memory_"


def bus_ports(config: AcceleratorConfig) -> PortTable:
    """Members ``control_*`` (AXI4-Lite master) and ``memory_*`` (AXI4 master)."""
    memory = {**read_ports(config), **write_ports(config)}
    return {
        **{CONTROL + name: member.flip() for name, member in lite_ports().items()},
        **{MEMORY + name: member for name, member in memory.items()},
    }


class Access(Ports, wiring.Component):
    """Read or write bytes of one word of a register or of the memory.

    A memory that does not answer is not waited for for ever: after ``patience`` cycles the access
    has failed, although it may still be done. Until its answer comes, which nobody gets, every
    further access to the memory fails at once. Registers always answer.

    Parameters
    ----------
    config
        Sets the memory's data bus.
    patience
        Cycles, at least 2: more than an SDRAM takes to start, or the accelerator to give way.

    Members
    -------
    address : In(32)
        Byte address, anywhere in the word; this and the next two hold from ``start`` to ``done``.
    register : In(1)
        A register of 4 bytes, not a word of the memory.
    write : In(1)
        Write, not read.
    data, strobe : In
        What to write, first byte of the word lowest; registers use the low 4 bytes. From the cycle
        after ``start`` to ``done``.
    start : In(1)
        Begin; a pulse, not before ``done`` of the former access.
    done : Out(1)
        The answer is there, or is missed; a pulse.
    failed : Out(1)
        With ``done``: the bus refused, or did not answer.
    found : Out
        With ``done``: the word that was read.
    control_*, memory_*
        See `bus_ports`. Bursts of one beat, ID 0.

    Timing
    ------
    From ``start`` to the registers' bus 1 cycle, to the memory's 2; ``done`` is the bus's own
    answer, in the same cycle.
    """

    PATIENCE = 1 << 16

    def __init__(self, config: AcceleratorConfig, patience: int = PATIENCE) -> None:
        self.config = config
        self.patience = patience
        super().__init__({
            "address": In(ADDRESS_BITS),
            "register": In(1),
            "write": In(1),
            "data": In(8 * config.axi_bytes),
            "strobe": In(config.axi_bytes),
            "start": In(1),
            "done": Out(1),
            "failed": Out(1),
            "found": Out(8 * config.axi_bytes),
            **bus_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        awaited = Signal()  # the memory owes an answer
        starts = self.start & ~self.register & ~awaited
        write = Signal()  # what it is to do, also when the requester has given up
        started = Signal()  # data and strobe come a cycle after the start
        m.d.sync += started.eq(starts)
        with m.If(starts):
            m.d.sync += write.eq(self.write)
        self._offer(m, CONTROL, self.start & self.register, self.write)
        self._offer(m, MEMORY, started, write)
        self._requests(m, started)
        self._answers(m, starts, awaited, write)
        return m

    def _port(self, bus: str, name: str) -> Signal:
        return getattr(self, bus + name)

    def _offer(self, m: Module, bus: str, start: Value, write: Value) -> None:
        """Offer address and data until they are taken."""
        for channel in ("aw", "w", "ar"):
            valid, ready = (self._port(bus, channel + end) for end in ("valid", "ready"))
            offered = Signal(name=f"{bus}{channel}_offered")
            m.d.comb += valid.eq(offered)
            with m.If(start):
                m.d.sync += offered.eq(~write if channel == "ar" else write)
            with m.Elif(ready):
                m.d.sync += offered.eq(0)

    def _requests(self, m: Module, started: Value) -> None:
        """Registers see what is asked; the memory what was asked, which it may take late."""
        shift = exact_log2(self.config.axi_bytes)
        address = Signal(ADDRESS_BITS - shift)
        data, strobe = Signal.like(self.data), Signal.like(self.strobe)
        with m.If(started):
            m.d.sync += [
                address.eq(self.address[shift:]),
                data.eq(self.data),
                strobe.eq(self.strobe),
            ]
        for channel in ("aw", "ar"):
            m.d.comb += [
                self._port(CONTROL, f"{channel}addr").eq(
                    Cat(self.address[:2] & 0, self.address[2:LITE_ADDRESS_BITS])
                ),
                self._port(MEMORY, f"{channel}addr").eq(Cat(self.address[:shift] & 0, address)),
                self._port(MEMORY, f"{channel}size").eq(shift),
                self._port(MEMORY, f"{channel}burst").eq(INCR),
            ]
        m.d.comb += [
            self.control_wdata.eq(self.data),
            self.control_wstrb.eq(self.strobe),
            self.memory_wdata.eq(data),
            self.memory_wstrb.eq(strobe),
            self.memory_wlast.eq(1),
        ]
        for bus in (CONTROL, MEMORY):
            m.d.comb += [self._port(bus, "bready").eq(1), self._port(bus, "rready").eq(1)]

    def _answers(self, m: Module, starts: Value, awaited: Signal, write: Value) -> None:
        """Only one access is under way on each bus, so any answer is the answer."""
        answered = Mux(write, self.memory_bvalid, self.memory_rvalid)
        missed = Signal()  # the requester has given up
        refused = Signal()  # a request came then
        left = Signal(range(self.patience))
        gives_up = awaited & ~missed & (left == 0) & ~answered
        m.d.sync += refused.eq(self.start & ~self.register & awaited)
        with m.If(starts):
            m.d.sync += [awaited.eq(1), left.eq(self.patience - 1)]
        with m.Elif(answered):
            m.d.sync += [awaited.eq(0), missed.eq(0)]
        with m.Else():
            m.d.sync += left.eq(left - 1)
            with m.If(gives_up):
                m.d.sync += missed.eq(1)
        response = Mux(write, self.memory_bresp, self.memory_rresp)
        m.d.comb += [
            self.done.eq((answered & ~missed) | gives_up | refused),
            self.failed.eq(response[1] | gives_up | refused),  # SLVERR and DECERR
            self.found.eq(self.memory_rdata),
        ]
        with m.If(self.register):
            response = Mux(self.write, self.control_bresp, self.control_rresp)
            m.d.comb += [
                self.done.eq(Mux(self.write, self.control_bvalid, self.control_rvalid)),
                self.failed.eq(response[1]),
                self.found.eq(self.control_rdata),
            ]
