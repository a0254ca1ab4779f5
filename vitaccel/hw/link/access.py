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

    Parameters
    ----------
    config
        Sets the memory's data bus.

    Members
    -------
    address : In(32)
        Byte address, anywhere in the word; this and the next four hold until ``done``.
    register : In(1)
        A register of 4 bytes, not a word of the memory.
    write : In(1)
        Write, not read.
    data, strobe : In
        What to write, first byte of the word lowest; registers use the low 4 bytes.
    start : In(1)
        Begin; a pulse, not before ``done`` of the former access.
    done : Out(1)
        The answer is there; a pulse.
    failed : Out(1)
        With ``done``: the bus refused.
    found : Out
        With ``done``: the word that was read.
    control_*, memory_*
        See `bus_ports`. Bursts of one beat, ID 0.

    Timing
    ------
    1 cycle from ``start`` to the bus; ``done`` is the bus's own answer, in the same cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
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
        offered = {channel: Signal(name=f"{channel}_offered") for channel in ("aw", "w", "ar")}
        for channel, offer in offered.items():
            m.d.comb += [
                self._port(CONTROL, f"{channel}valid").eq(offer & self.register),
                self._port(MEMORY, f"{channel}valid").eq(offer & ~self.register),
            ]
            with m.If(self.start):
                m.d.sync += offer.eq(~self.write if channel == "ar" else self.write)
            with m.Elif(self._either(f"{channel}ready")):
                m.d.sync += offer.eq(0)
        self._requests(m)
        self._answers(m)
        return m

    def _port(self, bus: str, name: str) -> Value:
        return getattr(self, bus + name)

    def _either(self, name: str) -> Value:
        """Input ``name`` of the bus that is meant."""
        return Mux(self.register, self._port(CONTROL, name), self._port(MEMORY, name))

    def _requests(self, m: Module) -> None:
        shift = exact_log2(self.config.axi_bytes)
        for channel in ("aw", "ar"):
            address = Cat(self.address[:2] & 0, self.address[2:LITE_ADDRESS_BITS])
            word = Cat(self.address[:shift] & 0, self.address[shift:])
            m.d.comb += [
                self._port(CONTROL, f"{channel}addr").eq(address),
                self._port(MEMORY, f"{channel}addr").eq(word),
                self._port(MEMORY, f"{channel}size").eq(shift),
                self._port(MEMORY, f"{channel}burst").eq(INCR),
            ]
        for bus in (CONTROL, MEMORY):
            m.d.comb += [
                self._port(bus, "wdata").eq(self.data),
                self._port(bus, "wstrb").eq(self.strobe),
                self._port(bus, "bready").eq(1),
                self._port(bus, "rready").eq(1),
            ]
        m.d.comb += self.memory_wlast.eq(1)

    def _answers(self, m: Module) -> None:
        """Only one access is under way, so any answer is the answer."""
        response = Mux(self.write, self._either("bresp"), self._either("rresp"))
        m.d.comb += [
            self.done.eq(Mux(self.write, self._either("bvalid"), self._either("rvalid"))),
            self.failed.eq(response[1]),  # SLVERR and DECERR
            self.found.eq(self._either("rdata")),
        ]
