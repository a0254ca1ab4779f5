"""AXI4 on a narrower data bus."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import Ports, PortTable, read_ports, write_ports

__all__ = ["MOST_BEATS", "NARROW", "AxiNarrow", "narrow_ports"]

NARROW = "narrow_"
MOST_BEATS = 256  # that a burst can have


def narrow_ports(config: AcceleratorConfig, width: int) -> PortTable:
    """AXI4 channels of a master without prefix, with a data bus of ``width`` bytes."""
    return {
        **read_ports(config),
        **write_ports(config),
        "rdata": In(8 * width),
        "wdata": Out(8 * width),
        "wstrb": Out(width),
    }


class AxiNarrow(Ports, wiring.Component):
    """Hand bursts on with several beats for each of theirs, first bytes first.

    Parameters
    ----------
    config
        Sets the data bus; no burst of it has more than ``MOST_BEATS * width`` bytes.
    width
        Bytes of the narrower data bus, a power of two.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 channels of a slave. INCR bursts of full beats only.
    narrow_*
        AXI4 channels of a master, see `narrow_ports`, to a memory that answers bursts one after
        the other.

    Timing
    ------
    No latency: all but the first parts of a beat that is read pass in the same cycle.
    """

    def __init__(self, config: AcceleratorConfig, width: int) -> None:
        self.config = config
        self.width = width
        wide = {**read_ports(config), **write_ports(config)}
        super().__init__({
            **{name: port.flip() for name, port in wide.items()},
            **{NARROW + name: port for name, port in narrow_ports(config, width).items()},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ratio = self.config.axi_bytes // self.width
        parts = Const(ratio - 1, exact_log2(ratio))
        for channel in ("aw", "ar"):
            for name in ("id", "burst", "valid"):
                self._down(m, channel + name)
            self._up(m, f"{channel}ready")
            address = getattr(self, f"{channel}addr")
            inner = exact_log2(self.config.axi_bytes)
            m.d.comb += [
                # All parts of the first beat are sent, wherever in it the address points.
                self._narrow(f"{channel}addr").eq(Cat(address[:inner] & 0, address[inner:])),
                self._narrow(f"{channel}len").eq(Cat(parts, getattr(self, f"{channel}len"))),
                self._narrow(f"{channel}size").eq(exact_log2(self.width)),
            ]
        self._write(m, ratio)
        self._read(m, ratio)
        return m

    def _narrow(self, name: str) -> Signal:
        return getattr(self, NARROW + name)

    def _down(self, m: Module, name: str) -> None:
        m.d.comb += self._narrow(name).eq(getattr(self, name))

    def _up(self, m: Module, name: str) -> None:
        m.d.comb += getattr(self, name).eq(self._narrow(name))

    def _write(self, m: Module, ratio: int) -> None:
        """Offer a beat part by part; it is taken with the last one."""
        part = Signal(range(ratio))
        ends = part == ratio - 1
        ready = self._narrow("wready")
        m.d.comb += [
            self._narrow("wdata").eq(self.wdata.word_select(part, 8 * self.width)),
            self._narrow("wstrb").eq(self.wstrb.word_select(part, self.width)),
            self._narrow("wlast").eq(self.wlast & ends),
            self.wready.eq(ready & ends),
        ]
        self._down(m, "wvalid")
        with m.If(self.wvalid & ready):
            m.d.sync += part.eq(Mux(ends, 0, part + 1))
        for name in ("bid", "bresp", "bvalid"):
            self._up(m, name)
        self._down(m, "bready")

    def _read(self, m: Module, ratio: int) -> None:
        """Keep all parts of a beat but the last, with which it is offered."""
        part = Signal(range(ratio))
        ends = part == ratio - 1
        data, valid = self._narrow("rdata"), self._narrow("rvalid")
        kept = Signal(8 * self.width * (ratio - 1))
        failed = Signal.like(self.rresp)  # one of the parts kept
        m.d.comb += [
            self.rdata.eq(Cat(kept, data)),
            self.rresp.eq(failed | self._narrow("rresp")),
            self.rvalid.eq(valid & ends),
            self._narrow("rready").eq(self.rready | ~ends),
        ]
        for name in ("rid", "rlast"):
            self._up(m, name)
        with m.If(valid & ~ends):
            m.d.sync += [
                kept.eq(Cat(kept, data)[8 * self.width :]),
                failed.eq(self.rresp),
                part.eq(part + 1),
            ]
        with m.Elif(valid & self.rready):
            m.d.sync += [failed.eq(0), part.eq(0)]
