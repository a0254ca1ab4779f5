"""AXI4 memory made of block RAM: all the memory that a board without SDRAM has."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import (
    ADDRESS_BITS,
    OKAY,
    PAGE_BYTES,
    SLVERR,
    Ports,
    read_ports,
    write_ports,
)
from vitaccel.hw.memory.deep_ram import DeepRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.skid import Skid

__all__ = ["AxiRam"]


class AxiRam(Ports, wiring.Component):
    """AXI4 slave with ``size`` bytes from address 0; bursts beyond them answer SLVERR.

    Parameters
    ----------
    config
        Sets the data bus.
    size
        Bytes, a multiple of `PAGE_BYTES`: so a burst, which stays in its page, is all inside or
        all outside.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 channels of a slave. INCR bursts of full beats only.

    Timing
    ------
    Reads and writes do not wait for one another, each one burst at a time. A beat per cycle;
    `READ_LATENCY` cycles from an address to its first beat, one cycle between two bursts. A write
    is answered in the cycle after its last beat. All outputs depend on registers alone.
    """

    READ_LATENCY = 2 + DeepRam.LATENCY  # address, memory, buffer

    def __init__(self, config: AcceleratorConfig, size: int) -> None:
        assert size % PAGE_BYTES == 0
        self.config = config
        self.size = size
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({name: member.flip() for name, member in ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = 8 * self.config.axi_bytes
        m.submodules.ram = ram = DeepRam(
            width, self.size // self.config.axi_bytes, self.config.axi_bytes
        )
        self._read(m, ram)
        self._write(m, ram)
        return m

    def _read(self, m: Module, ram: DeepRam) -> None:
        """Addresses, then memory, then two places for beats: all before moves when one is free."""
        tag = data.StructLayout({"outside": 1, "last": 1, "id": 1})
        m.submodules.beats = beats = Skid(data.StructLayout({"word": len(self.rdata), "tag": tag}))
        move = beats.i.ready
        asked = Signal()  # addresses of a burst are still to be read
        left = Signal(8)
        index = Signal.like(ram.read_address)
        burst = Signal(tag)
        with m.If(asked & move):
            m.d.sync += [index.eq(index + 1), left.eq(left - 1), asked.eq(left != 0)]
        with m.If(self.arvalid & ~asked):
            m.d.sync += [
                asked.eq(1),
                left.eq(self.arlen),
                index.eq(self._index(self.araddr)),
                burst.outside.eq(self._outside(self.araddr)),
                burst.id.eq(self.arid),
            ]
        m.d.comb += [
            self.arready.eq(~asked),
            burst.last.eq(left == 0),
            ram.move.eq(move),
            ram.read_address.eq(index),
        ]
        with m.If(move):
            valid = delayed(m, asked, ram.LATENCY, "valid", reset_less=False)
            found = delayed(m, burst, ram.LATENCY, "found")
        m.d.comb += [
            beats.i.valid.eq(valid),
            beats.i.p.word.eq(Mux(found.outside, 0, ram.read_data)),
            beats.i.p.tag.eq(found),
            beats.o.ready.eq(self.rready),
            self.rvalid.eq(beats.o.valid),
            self.rdata.eq(beats.o.p.word),
            self.rresp.eq(Mux(beats.o.p.tag.outside, SLVERR, OKAY)),
            self.rlast.eq(beats.o.p.tag.last),
            self.rid.eq(beats.o.p.tag.id),
        ]

    def _write(self, m: Module, ram: DeepRam) -> None:
        """Address, beats, answer, one after the other."""
        busy = Signal()  # a burst has its address
        outside = Signal()
        index = Signal.like(ram.write_address)
        beat = Signal()
        m.d.comb += [
            self.awready.eq(~busy & ~self.bvalid),
            self.wready.eq(busy),
            beat.eq(busy & self.wvalid),
            ram.write.eq(Mux(beat & ~outside, self.wstrb, 0)),
            ram.write_address.eq(index),
            ram.write_data.eq(self.wdata),
        ]
        with m.If(self.awvalid & self.awready):
            m.d.sync += [
                busy.eq(1),
                index.eq(self._index(self.awaddr)),
                outside.eq(self._outside(self.awaddr)),
                self.bid.eq(self.awid),
            ]
        with m.If(beat):
            m.d.sync += index.eq(index + 1)
            with m.If(self.wlast):
                m.d.sync += [
                    busy.eq(0),
                    self.bvalid.eq(1),
                    self.bresp.eq(Mux(outside, SLVERR, OKAY)),
                ]
        with m.If(self.bvalid & self.bready):
            m.d.sync += self.bvalid.eq(0)

    def _index(self, address: Value) -> Value:
        return address[exact_log2(self.config.axi_bytes) :]

    def _outside(self, address: Value) -> Value:
        page = exact_log2(PAGE_BYTES)
        return address[page:ADDRESS_BITS] >= self.size // PAGE_BYTES
