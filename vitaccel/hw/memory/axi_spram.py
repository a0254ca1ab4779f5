"""AXI4 memory made of an iCE40 UltraPlus's large memories."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, SLVERR, Ports, read_ports, write_ports
from vitaccel.hw.primitives.single_port_ram import SPRAM_WORDS, SinglePortRam
from vitaccel.hw.shared import Shared

__all__ = ["AxiSpram"]


class AxiSpram(Ports, wiring.Component):
    """AXI4 slave with `SIZE` bytes from address 0; bursts beyond them answer SLVERR.

    Parameters
    ----------
    config
        With a data bus of 4 bytes.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 slave; one burst at a time, writes first.

    Timing
    ------
    The first beat of a read `READ_LATENCY` cycles after its address, then one every second cycle;
    a written beat per cycle.
    """

    SIZE = 4 * SPRAM_WORDS
    READ_LATENCY = 2

    def __init__(self, config: AcceleratorConfig) -> None:
        assert config.axi_bytes == 4
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({name: member.flip() for name, member in ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ram = SinglePortRam()
        m.submodules.ram = Shared(ram)
        index = Signal.like(ram.address)
        left = Signal(8)
        outside = Signal()
        word_bits = range(2, 2 + len(index))
        m.d.comb += [
            ram.address.eq(index),
            ram.write_data.eq(self.wdata),
            self.rdata.eq(ram.read_data),
            self.rlast.eq(left == 0),
            self.rresp.eq(Mux(outside, SLVERR, OKAY)),
            self.bresp.eq(Mux(outside, SLVERR, OKAY)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.awready.eq(1), self.arready.eq(~self.awvalid)]
                address = Mux(self.awvalid, self.awaddr, self.araddr)
                m.d.sync += [
                    index.eq(address[word_bits.start : word_bits.stop]),
                    outside.eq(address[word_bits.stop :].any()),
                    left.eq(self.arlen),
                    self.rid.eq(self.arid),
                    self.bid.eq(self.awid),
                ]
                with m.If(self.awvalid):
                    m.next = "WRITE"
                with m.Elif(self.arvalid):
                    m.next = "FIND"
            with m.State("WRITE"):
                m.d.comb += [
                    self.wready.eq(1),
                    ram.write.eq(Mux(self.wvalid & ~outside, self.wstrb, 0)),
                ]
                with m.If(self.wvalid):
                    m.d.sync += index.eq(index + 1)
                    with m.If(self.wlast):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += self.bvalid.eq(1)
                with m.If(self.bready):
                    m.next = "IDLE"
            with m.State("FIND"):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.rvalid.eq(1)
                with m.If(self.rready):
                    m.d.sync += [index.eq(index + 1), left.eq(left - 1)]
                    m.next = "FIND"
                    with m.If(left == 0):
                        m.next = "IDLE"
        return m
