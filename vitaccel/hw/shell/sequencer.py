"""Fetches the program and hands its instructions to the units' queues."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, SLVERR, burst_layout
from vitaccel.hw.axi.axi_read import beat_layout
from vitaccel.hw.axi.bursts import Bursts
from vitaccel.hw.ports import unit_layout, units
from vitaccel.hw.shell.dispatch import PC_BITS, queued_layout
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.stream import link
from vitaccel.isa import BYTES, HEADER, UNIT_OF, Op, Status, Unit

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Read `BYTES`-byte instructions in order and push each to the queue of its unit.

    HALT ends the run once no unit is active. An unknown opcode, one without unit, or the end of the
    program without HALT (``pc`` is then its length), is ILLEGAL_OPCODE.

    Parameters
    ----------
    config
        Sets the data bus.

    Members
    -------
    start : In(1)
        Begin; once after each reset.
    program_base, program_length : In(32), In(16)
        Where the program lies, and its instructions.
    base, limit : In(32)
        Window of external memory.
    burst : Out(stream of burst_layout)
        Read bursts; only for what there is room for.
    beat : In(stream of beat_layout)
        Their data.
    load, store, mxu, post, vector, depthwise : Out(stream of queued_layout)
        Instructions, for the units that there are.
    active : In(1)
        Some unit has unfinished instructions.
    halted : Out(1)
        The program has ended.
    pc : Out(16)
        Instruction being fetched or pushed.
    fault : Out(Status)
        Held until reset.

    Timing
    ------
    An instruction takes ``32 / axi_bytes + 3`` cycles once its data are there.
    """

    burst: stream.Interface
    beat: stream.Interface
    start: Signal
    program_base: Signal
    program_length: Signal
    base: Signal
    limit: Signal
    active: Signal
    halted: Signal
    pc: Signal
    fault: Signal

    BURST_BYTES = 64  # two instructions
    LEAST_DEPTH = 16

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.burst_beats = self.BURST_BYTES // config.axi_bytes
        self.depth = max(self.LEAST_DEPTH, 2 * self.burst_beats)
        self.units = units(config)
        super().__init__({
            "start": In(1),
            "program_base": In(ADDRESS_BITS),
            "program_length": In(PC_BITS),
            "base": In(ADDRESS_BITS),
            "limit": In(ADDRESS_BITS),
            "burst": Out(stream.Signature(burst_layout(config))),
            "beat": In(stream.Signature(beat_layout(config))),
            **{
                unit.name.lower(): Out(
                    stream.Signature(queued_layout(unit_layout(unit, hybrid=config.hybrid)))
                )
                for unit in self.units
            },
            "active": In(1),
            "halted": Out(1),
            "pc": Out(PC_BITS),
            "fault": Out(Status),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = Bursts(self.config, BYTES, self.burst_beats)
        m.submodules.beats = beats = Queue(beat_layout(self.config), self.depth)
        nothing = self._fetch(m, bursts, beats)
        word = Signal(8 * BYTES, reset_less=True)
        target = Signal(len(Unit))
        pushed = self._push(m, word, target)
        n_beats = BYTES // self.config.axi_bytes
        count = Signal(range(n_beats))
        final = Signal()

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += bursts.i.valid.eq(self.start)
                with m.If(self.start):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += beats.o.ready.eq(1)
                with m.If(beats.o.valid):
                    m.d.sync += [
                        word.eq(Cat(word, beats.o.p.data)[self.config.axi_bytes * 8 :]),
                        count.eq(Mux(count == n_beats - 1, 0, count + 1)),
                    ]
                    with m.If(beats.o.p.response >= SLVERR):
                        slave = beats.o.p.response == SLVERR
                        m.d.sync += self.fault.eq(
                            Mux(slave, Status.READ_SLVERR, Status.READ_DECERR)
                        )
                        m.next = "STOP"
                    with m.Elif(count == n_beats - 1):
                        m.next = "DECODE"
                with m.Elif(nothing & (bursts.fault != Status.OK)):
                    m.d.sync += self.fault.eq(bursts.fault)
                    m.next = "STOP"
            with m.State("DECODE"):
                m.next = "PUSH"
                opcode = word[: HEADER["opcode"]]
                m.d.sync += final.eq(self.pc + 1 == self.program_length)
                with m.Switch(opcode):
                    for op, unit in UNIT_OF.items():
                        if unit in self.units:
                            with m.Case(op):
                                m.d.sync += target.eq(1 << unit)
                    with m.Case(Op.HALT):
                        m.next = "HALT"
                    with m.Default():
                        m.d.sync += self.fault.eq(Status.ILLEGAL_OPCODE)
                        m.next = "STOP"
            with m.State("PUSH"), m.If(pushed):
                m.d.sync += self.pc.eq(self.pc + 1)
                m.next = "FETCH"
                with m.If(final):
                    m.d.sync += self.fault.eq(Status.ILLEGAL_OPCODE)
                    m.next = "STOP"
            with m.State("HALT"):
                m.d.sync += self.halted.eq(~self.active)
            with m.State("STOP"):
                pass
        return m

    def _fetch(self, m: Module, bursts: Bursts, beats: Queue) -> Value:
        """Keep the queue of beats filled; return whether nothing is under way."""
        room = Signal(range(self.depth + 1), init=self.depth)
        asks = Signal()
        enough = room >= self.burst_beats
        m.d.comb += [
            bursts.i.p.external.eq(self.program_base),
            bursts.i.p.n_rows.eq(1),
            bursts.i.p.n_words.eq(self.program_length),
            bursts.base.eq(self.base),
            bursts.limit.eq(self.limit),
            self.burst.payload.eq(bursts.o.payload),
            self.burst.valid.eq(bursts.o.valid & enough),
            bursts.o.ready.eq(self.burst.ready & enough),
            asks.eq(self.burst.valid & self.burst.ready),
        ]
        link(m, wiring.flipped(self.beat), beats.i)
        asked = Mux(asks, bursts.o.p.length + 1, 0)
        m.d.sync += room.eq(room - asked + (beats.o.valid & beats.o.ready))
        return room == self.depth

    def _push(self, m: Module, word: Value, target: Signal) -> Value:
        """Offer the instruction to its unit, the bit in ``target``; return whether it is taken.

        Only that bit depends on the queue's ready, so the path from there ends here.
        """
        header = data.View(data.StructLayout(dict(HEADER)), word[: sum(HEADER.values())])
        fields = word[sum(HEADER.values()) :]
        for unit in self.units:
            port = getattr(self, unit.name.lower())
            m.d.comb += [
                port.valid.eq(target[unit]),
                port.p.pc.eq(self.pc),
                port.p.wait.eq(header.wait),
                port.p.signal.eq(header.signal),
            ]
            with m.If(port.ready):
                m.d.sync += target[unit].eq(0)
            if unit == Unit.VECTOR:
                m.d.comb += [
                    port.p.fields.norm.eq(header.opcode == Op.NORM),
                    port.p.fields.fields.eq(fields),
                ]
            else:
                m.d.comb += port.p.fields.as_value().eq(fields)
        return target == 0
