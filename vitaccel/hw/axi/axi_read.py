"""Read side of the AXI4 master, shared by LOAD and the program."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import INCR, Ports, burst_layout, read_ports
from vitaccel.hw.streams.skid import Skid

__all__ = ["AxiRead", "beat_layout"]

LOAD, PROGRAM = 0, 1  # IDs


def beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One beat of read data with its response; ``last`` ends a burst."""
    return data.StructLayout({"data": 8 * config.axi_bytes, "response": 2, "last": 1})


class AxiRead(Ports, wiring.Component):
    """Issue read bursts of two requesters, each with an ID of its own; return their beats.

    The program goes first: it asks only for what it has room for, so it can neither starve nor
    starve LOAD. Lives outside the soft reset: bursts the memory has accepted are always read.

    Parameters
    ----------
    config
        Sets the data bus.

    Members
    -------
    load, program : In(stream of burst_layout)
        Bursts wanted.
    load_data, program_data : Out(stream of beat_layout)
        Beats in the order of the bursts.
    drain : In(1)
        Take no burst; drop every beat that arrives.
    idle : Out(1)
        Nothing is on the bus or owed by the memory.
    alive : Out(1)
        A beat or an address was transferred.
    ar*, r*
        AXI4 channels.

    Timing
    ------
    1 cycle from request to AR and from R to the beat; one beat per cycle; up to `OUTSTANDING`
    bursts of LOAD and two more of the program under way. All AXI outputs are registers.
    """

    load: stream.Interface
    program: stream.Interface
    load_data: stream.Interface
    program_data: stream.Interface

    OUTSTANDING = 4

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "load": In(stream.Signature(burst_layout(config))),
            "program": In(stream.Signature(burst_layout(config))),
            "load_data": Out(stream.Signature(beat_layout(config))),
            "program_data": Out(stream.Signature(beat_layout(config))),
            "drain": In(1),
            "idle": Out(1),
            "alive": Out(1),
            **read_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        under_way = Signal(range(self.OUTSTANDING + 3))
        begins = Signal()
        ends = Signal()
        self._ask(m, under_way, begins)
        self._answer(m, ends)
        m.d.sync += under_way.eq(under_way + begins - ends)
        m.d.comb += [
            self.idle.eq(under_way == 0),
            self.alive.eq((self.rvalid & self.rready) | (self.arvalid & self.arready)),
        ]
        return m

    def _ask(self, m: Module, under_way: Signal, begins: Signal) -> None:
        free = ~self.arvalid & ~self.drain
        chosen = Mux(self.program.valid, self.program.payload, self.load.payload)
        chosen = data.View(burst_layout(self.config), chosen)
        m.d.comb += [
            self.program.ready.eq(free & (under_way < self.OUTSTANDING + 2)),
            self.load.ready.eq(free & (under_way < self.OUTSTANDING) & ~self.program.valid),
            begins.eq(
                (self.program.valid & self.program.ready) | (self.load.valid & self.load.ready)
            ),
            self.arsize.eq(exact_log2(self.config.axi_bytes)),
            self.arburst.eq(INCR),
        ]
        with m.If(begins):
            m.d.sync += [
                self.arvalid.eq(1),
                self.arid.eq(Mux(self.program.valid, PROGRAM, LOAD)),
                self.araddr.eq(chosen.address),
                self.arlen.eq(chosen.length),
            ]
        with m.Elif(self.arready):
            m.d.sync += self.arvalid.eq(0)

    def _answer(self, m: Module, ends: Signal) -> None:
        shape = data.StructLayout({"beat": beat_layout(self.config), "program": 1})
        m.submodules.beats = beats = Skid(shape)
        m.d.comb += [
            beats.i.p.beat.data.eq(self.rdata),
            beats.i.p.beat.response.eq(self.rresp),
            beats.i.p.beat.last.eq(self.rlast),
            beats.i.p.program.eq(self.rid == PROGRAM),
            beats.i.valid.eq(self.rvalid),
            self.rready.eq(beats.i.ready),
            self.load_data.payload.eq(beats.o.p.beat),
            self.program_data.payload.eq(beats.o.p.beat),
            self.load_data.valid.eq(beats.o.valid & ~beats.o.p.program & ~self.drain),
            self.program_data.valid.eq(beats.o.valid & beats.o.p.program & ~self.drain),
            beats.o.ready.eq(
                self.drain | Mux(beats.o.p.program, self.program_data.ready, self.load_data.ready)
            ),
            ends.eq(beats.o.valid & beats.o.ready & beats.o.p.beat.last),
        ]
