"""External memory of the serial core, a word at a time over AXI4."""

from amaranth import Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import INCR, OKAY, Ports, read_ports, write_ports
from vitaccel.hw.serial.microinstruction import ADDRESS_BITS, WIDTH, Action
from vitaccel.isa import Status

__all__ = ["Bus"]


class Bus(Ports, wiring.Component):
    """Read and write words of 4 bytes.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 master; bursts of one beat.
    action, a, last : In
        Of the processor: READ, WRITE. The two lowest address bits count for nothing.
    busy : Out(1)
        Under way.
    word : Out(signed(32))
        What READ found, unless ``busy``.
    fault : Out(Status)
        In the cycle after an answer that is none: its reason.

    Timing
    ------
    Requests appear in the cycle after the action.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            **read_ports(config),
            **write_ports(config),
            "action": In(Action),
            "a": In(signed(WIDTH)),
            "last": In(signed(WIDTH)),
            "busy": Out(1),
            "word": Out(signed(32)),
            "fault": Out(Status),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address = Signal(ADDRESS_BITS - 2)
        reading, writing = Signal(), Signal()
        whole = self.config.axi_bytes
        m.d.comb += [
            self.araddr.eq(address << 2),
            self.awaddr.eq(address << 2),
            self.arsize.eq(exact_log2(whole)),
            self.awsize.eq(exact_log2(whole)),
            self.arburst.eq(INCR),
            self.awburst.eq(INCR),
            self.wdata.eq(self.word),
            self.wstrb.eq(Const(-1, whole)),
            self.wlast.eq(1),
            self.rready.eq(reading),
            self.bready.eq(writing),
            self.busy.eq(reading | writing),
        ]
        m.d.sync += self.fault.eq(Status.OK)
        for channel in ("ar", "aw", "w"):
            with m.If(getattr(self, f"{channel}ready")):
                m.d.sync += getattr(self, f"{channel}valid").eq(0)
        with m.If(reading & self.rvalid):
            m.d.sync += [reading.eq(0), self.word.eq(self.rdata)]
            with m.If(self.rresp != OKAY):
                m.d.sync += self.fault.eq(Status.READ_SLVERR + self.rresp[0])
        with m.If(writing & self.bvalid):
            m.d.sync += writing.eq(0)
            with m.If(self.bresp != OKAY):
                m.d.sync += self.fault.eq(Status.WRITE_SLVERR + self.bresp[0])
        with m.Switch(self.action):
            with m.Case(Action.READ):
                m.d.sync += [address.eq(self.a[2:]), reading.eq(1), self.arvalid.eq(1)]
            with m.Case(Action.WRITE):
                m.d.sync += [address.eq(self.a[2:]), writing.eq(1), self.word.eq(self.last)]
                m.d.sync += [self.awvalid.eq(1), self.wvalid.eq(1)]
        return m
