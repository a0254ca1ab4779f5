"""AXI4 memory made of block RAM: all the memory that a board without SDRAM has."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
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
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared

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
    is answered in the cycle after its last beat. All outputs but ``wready`` are registers.
    """

    READ_LATENCY = 3

    def __init__(self, config: AcceleratorConfig, size: int) -> None:
        assert size % PAGE_BYTES == 0
        self.config = config
        self.size = size
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({name: member.flip() for name, member in ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = 8 * self.config.axi_bytes
        ram = BlockRam(width, self.size // self.config.axi_bytes, self.config.axi_bytes)
        m.submodules.ram = Shared(ram)
        self._read(m, ram)
        self._write(m, ram)
        return m

    def _read(self, m: Module, ram: BlockRam) -> None:
        """Three stages, each of which moves on when the next one does or is empty."""
        left = Signal(8)
        outside = Signal()
        found, found_outside, found_last = Signal(), Signal(), Signal()
        take, fetch = Signal(), Signal()  # into R, out of the memory
        asked = Signal()  # addresses of a burst are still to be read
        m.d.comb += [
            take.eq(~self.rvalid | self.rready),
            fetch.eq(~found | take),
            self.arready.eq(~asked),
            ram.read.eq(fetch),
        ]
        index = Signal.like(ram.read_address)
        identity, found_identity = Signal.like(self.arid), Signal.like(self.arid)
        m.d.comb += ram.read_address.eq(index)
        with m.If(asked & fetch):
            m.d.sync += [index.eq(index + 1), left.eq(left - 1), asked.eq(left != 0)]
        with m.If(self.arvalid & ~asked):
            m.d.sync += [
                asked.eq(1),
                left.eq(self.arlen),
                index.eq(self._index(self.araddr)),
                outside.eq(self._outside(self.araddr)),
                identity.eq(self.arid),
            ]
        with m.If(fetch):
            m.d.sync += [
                found.eq(asked),
                found_last.eq(left == 0),
                found_outside.eq(outside),
                found_identity.eq(identity),
            ]
        with m.If(take):
            m.d.sync += [
                self.rvalid.eq(found),
                self.rdata.eq(Mux(found_outside, 0, ram.read_data)),
                self.rresp.eq(Mux(found_outside, SLVERR, OKAY)),
                self.rlast.eq(found_last),
                self.rid.eq(found_identity),
            ]

    def _write(self, m: Module, ram: BlockRam) -> None:
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
