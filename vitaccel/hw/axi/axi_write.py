"""Write side of the AXI4 master."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import INCR, Ports, burst_layout, write_ports
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.skid import Skid

__all__ = ["AxiWrite", "strobed_layout"]


def strobed_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One beat of write data."""
    return data.StructLayout({"data": 8 * config.axi_bytes, "strobe": config.axi_bytes})


class AxiWrite(Ports, wiring.Component):
    """Issue write bursts and count their responses.

    Lives outside the soft reset: a burst whose address was offered is completed whatever happens
    to its data, with strobes 0 from the moment ``drain`` rises.

    Parameters
    ----------
    config
        Sets the data bus.

    Members
    -------
    burst : In(stream of burst_layout)
        Bursts, in order.
    beat : In(stream of strobed_layout)
        Their beats, back to back.
    drain : In(1)
        Take neither burst nor data; complete what has begun.
    idle : Out(1)
        Nothing is on the bus or owed by the memory.
    response : Out(2)
        Answer to the oldest burst while ``answered``.
    answered : Out(1)
        One pulse per burst.
    done : Out(1)
        With ``answered``: that burst was the ``last`` of its command.
    alive : Out(1)
        A beat, an address or a response was transferred.
    aw*, w*, b*
        AXI4 channels.

    Timing
    ------
    1 cycle from ``burst`` to AW and from ``beat`` to W; one beat per cycle, also across bursts; up
    to `OUTSTANDING` bursts under way. All AXI outputs are registers.
    """

    burst: stream.Interface
    beat: stream.Interface

    OUTSTANDING = 8

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "burst": In(stream.Signature(burst_layout(config))),
            "beat": In(stream.Signature(strobed_layout(config))),
            "drain": In(1),
            "idle": Out(1),
            "response": Out(2),
            "answered": Out(1),
            "done": Out(1),
            "alive": Out(1),
            **write_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begins = Signal()
        ready_to_begin = Signal()
        self._data(m, begins, ready_to_begin)
        room = self._responses(m, begins)
        m.d.comb += [
            self.burst.ready.eq(~self.drain & ~self.awvalid & room & ready_to_begin),
            begins.eq(self.burst.valid & self.burst.ready),
            self.awsize.eq(exact_log2(self.config.axi_bytes)),
            self.awburst.eq(INCR),
            self.awid.eq(0),
            self.alive.eq(
                (self.wvalid & self.wready) | (self.awvalid & self.awready) | self.answered
            ),
        ]
        with m.If(begins):
            m.d.sync += [
                self.awvalid.eq(1),
                self.awaddr.eq(self.burst.p.address),
                self.awlen.eq(self.burst.p.length),
            ]
        with m.Elif(self.awready):
            m.d.sync += self.awvalid.eq(0)
        return m

    def _data(self, m: Module, begins: Signal, ready_to_begin: Signal) -> None:
        """Pass exactly the beats of the bursts that have begun."""
        shape = data.StructLayout({"beat": strobed_layout(self.config), "last": 1})
        m.submodules.beats = beats = Skid(shape)
        active = Signal()
        left = Signal(8)
        passes = Signal()
        m.d.comb += [
            beats.i.valid.eq(active & (self.beat.valid | self.drain)),
            beats.i.p.beat.data.eq(self.beat.p.data),
            beats.i.p.beat.strobe.eq(Mux(self.drain, 0, self.beat.p.strobe)),
            beats.i.p.last.eq(left == 0),
            self.beat.ready.eq(active & ~self.drain & beats.i.ready),
            passes.eq(beats.i.valid & beats.i.ready),
            ready_to_begin.eq(~active | (passes & beats.i.p.last)),
            self.wvalid.eq(beats.o.valid),
            self.wdata.eq(beats.o.p.beat.data),
            self.wstrb.eq(beats.o.p.beat.strobe),
            self.wlast.eq(beats.o.p.last),
            beats.o.ready.eq(self.wready),
        ]
        with m.If(begins):
            m.d.sync += [active.eq(1), left.eq(self.burst.p.length)]
        with m.Elif(passes):
            m.d.sync += [active.eq(~beats.i.p.last), left.eq(left - 1)]

    def _responses(self, m: Module, begins: Signal) -> Value:
        """Remember which bursts end a command; return whether another one may begin."""
        m.submodules.flags = flags = Queue(1, self.OUTSTANDING)
        under_way = Signal(range(self.OUTSTANDING + 1))
        m.d.comb += [
            flags.i.payload.eq(self.burst.p.last),
            flags.i.valid.eq(begins),
            flags.o.ready.eq(self.answered),
            self.bready.eq(flags.o.valid),
            self.answered.eq(self.bvalid & self.bready),
            self.response.eq(self.bresp),
            self.done.eq(self.answered & flags.o.payload),
            self.idle.eq(under_way == 0),
        ]
        m.d.sync += under_way.eq(under_way + begins - self.answered)
        return under_way < self.OUTSTANDING
