"""VECTOR: LayerNorm and softmax over rows of the activation memory."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.parts import link_first_part, part_config
from vitaccel.hw.ports import ReadPort, WritePort, command_layout, unit_layout
from vitaccel.hw.primitives.times import times
from vitaccel.hw.streams.admission import Admission
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.turns import Turns
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.hw.vector.marker import Marker
from vitaccel.hw.vector.parts import Join, Split, SplitWrites
from vitaccel.hw.vector.products import Products
from vitaccel.hw.vector.replay import Replay
from vitaccel.hw.vector.softmax import Softmax

__all__ = ["Vector"]

MAX_LENGTH = 2048  # of a row of NORM
MAX_POST_SHIFT = 32  # of NORM
MAX_BITS = 8  # of a linear probability

Units = tuple[Softmax, LayerNorm]  # by the command's ``norm``


class Vector(wiring.Component):
    """Run NORM and SOFTMAX: read rows, stream them through `LayerNorm` or `Softmax`, write them.

    Word w of row m is read from ``src + m * src_stride + w`` and its result written to
    ``dst + m * dst_stride + w``. ``dst`` may equal ``src``.

    Parameters
    ----------
    config
        Shapes both operators, which work on ``vector_lanes`` lanes at once.

    Members
    -------
    command : In(stream of unit_layout(VECTOR))
        Taken once the former command is done.
    done : Out(1)
        One pulse per command, the cycle after its last write was taken.
    fault : Out(Status)
        Why a command was refused; held until reset. ILLEGAL_FIELD: ``n_rows`` or ``length`` is 0,
        ``n_words`` is above ``row_words``, ``length`` above ``n_words`` words; NORM: ``length``
        above 2048, ``post_shift`` not 1 to 32; SOFTMAX: no such slot, ``log2`` without
        ``log2_attention``, ``bits`` not 1 to 8 without ``log2``. LOCAL_ADDRESS: parameters of NORM
        past ``vector_words``.
    busy : Out(1)
        A command has been taken that is not done.
    src : Out(ReadPort)
        Rows.
    dst : Out(WritePort)
        Results.
    param, exp : In(WritePort)
        VECTOR_PARAM and EXP of `isa.Space`; a word of parameters takes ``vector_cycles`` cycles.
        Not to be written where a command in progress reads.

    Timing
    ------
    First request `START` cycles after a command; then as `LayerNorm` or `Softmax`, one word every
    ``vector_cycles`` cycles for long enough rows.
    """

    command: stream.Interface
    done: Signal
    fault: Signal
    busy: Signal
    src: Any
    dst: stream.Interface
    param: stream.Interface
    exp: stream.Interface

    START = Admission.LATENCY + Walk.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(unit_layout(isa.Unit.VECTOR))),
            "done": Out(1),
            "fault": Out(isa.Status),
            "busy": Out(1),
            "src": Out(ReadPort(config)),
            "dst": Out(WritePort(config)),
            "param": In(WritePort(config)),
            "exp": In(WritePort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.admission = admission = Admission(unit_layout(isa.Unit.VECTOR))
        held = admission.held
        norm = _fields(isa.Op.NORM, held)
        softmax = _fields(isa.Op.SOFTMAX, held)
        units = self._operators(m, norm, softmax, held.norm)

        self._control(m, admission)
        self._read(m, norm, admission.start, held.norm, units)
        self._write(m, norm, admission, held.norm, units)
        return m

    def _operators(self, m: Module, norm: data.View, softmax: data.View, which: Signal) -> Units:
        """Softmax and LayerNorm, with the memory and the multipliers that they share."""
        cycles = self.config.vector_cycles
        parts = part_config(self.config, cycles)
        m.submodules.layernorm = layernorm = LayerNorm(parts)
        m.submodules.softmax = exponentials = Softmax(parts)
        m.submodules.products = products = Products(parts)
        m.submodules.params = params = SplitWrites(self.config, cycles)
        wiring.connect(m, wiring.flipped(self.param), params.i)
        wiring.connect(m, params.o, layernorm.write)
        link_first_part(m, self.exp, exponentials.write)
        wiring.connect(m, exponentials.product, products.first)
        wiring.connect(m, layernorm.product, products.second)
        first = Signal.like(norm.param)  # word of parameters, in words of the operators
        m.d.sync += first.eq(times(norm.param, cycles))
        m.d.comb += [
            products.use_second.eq(which),
            exponentials.fields.eq(softmax),
            layernorm.fields.eq(norm),
            layernorm.fields.param.eq(first),
        ]
        return exponentials, layernorm

    def _control(self, m: Module, admission: Admission) -> None:
        """Take a command and check it."""
        held = admission.held
        norm = _fields(isa.Op.NORM, held)
        capacity = Signal(16 + bits_for(self.config.rows))  # elements of n_words
        wiring.connect(m, wiring.flipped(self.command), admission.command)
        m.d.comb += [
            admission.status.eq(self._check(m, held, capacity)),
            self.fault.eq(admission.fault),
            self.busy.eq(admission.busy),
        ]
        m.d.sync += [
            capacity.eq(times(norm.n_words, self.config.rows)),
            self.done.eq(admission.ended),
        ]

    def _check(self, m: Module, held: data.View, capacity: Signal) -> Signal:
        """Return what is wrong with a command."""
        norm = _fields(isa.Op.NORM, held)
        softmax = _fields(isa.Op.SOFTMAX, held)
        status = Signal(isa.Status)
        bad_shift = (norm.post_shift == 0) | (norm.post_shift > MAX_POST_SHIFT)
        bad_norm = bad_shift | (norm.length > MAX_LENGTH)
        bad_bits = (softmax.bits == 0) | (softmax.bits > MAX_BITS)
        bad_form = (
            bad_bits & ~softmax.log2 if self.config.log2_attention else bad_bits | softmax.log2
        )
        bad_softmax = bad_form | (softmax.param >= self.config.table_slots)
        illegal = (
            (norm.n_rows == 0) | (norm.length == 0) | (norm.length > capacity)
            | (norm.n_words > self.config.row_words)
            | Mux(held.norm, bad_norm, bad_softmax)
        )  # fmt: skip
        with m.If(illegal):
            m.d.comb += status.eq(isa.Status.ILLEGAL_FIELD)
        with m.Elif(held.norm & (norm.param + norm.n_words > self.config.vector_words)):
            m.d.comb += status.eq(isa.Status.LOCAL_ADDRESS)
        return status

    def _read(
        self, m: Module, fields: data.View, start: Signal, norm: Signal, units: Units
    ) -> None:
        """Fetch rows for one of the units."""
        m.submodules.reads = reads = Walk(2)
        m.submodules.fetch = fetch = Fetch(self.config, 1)
        m.submodules.marker = marker = Marker(self.config)
        m.submodules.replay = replay = Replay(self.config)
        m.submodules.once = once = Split(self.config)
        m.submodules.again = again = Split(self.config)
        wiring.connect(m, fetch.port, wiring.flipped(self.src))
        wiring.connect(m, fetch.o, marker.i)
        wiring.connect(m, marker.o, replay.i)
        wiring.connect(m, replay.once, once.i)
        wiring.connect(m, replay.again, again.i)
        m.d.comb += [
            *_walk(reads, fields, "src", start),
            fetch.i.p.address.eq(reads.o.p.address),
            fetch.i.p.tag.eq(reads.o.p.last[1]),
            fetch.i.valid.eq(reads.o.valid),
            reads.o.ready.eq(fetch.i.ready),
            marker.length.eq(fields.length),
            once.o.ready.eq(Mux(norm, units[1].i.ready, units[0].i.ready)),
            again.o.ready.eq(Mux(norm, units[1].again.ready, units[0].again.ready)),
        ]
        for which, unit in enumerate(units):
            for words, port in ((once.o, unit.i), (again.o, unit.again)):
                m.d.comb += [
                    port.payload.eq(words.payload),
                    port.valid.eq(words.valid & (norm == which)),
                ]

    def _write(
        self, m: Module, fields: data.View, admission: Admission, norm: Signal, units: Units
    ) -> None:
        """Write the results of the unit at work."""
        m.submodules.writes = writes = Walk(2)
        m.submodules.results = results = Join(self.config)
        # Far from the memory: `dst.ready` comes late.
        m.submodules.skid = skid = Skid(
            data.StructLayout({"address": self.dst.p.address.shape(), "last": 1})
        )
        m.submodules.turns = turns = Turns(self.dst.p.data.shape())
        m.d.comb += [
            *_walk(writes, fields, "dst", admission.start),
            results.i.payload.eq(Mux(norm, units[1].o.payload, units[0].o.payload)),
            results.i.valid.eq(units[1].o.valid | units[0].o.valid),
            skid.i.p.address.eq(writes.o.p.address),
            skid.i.p.last.eq(writes.o.p.last[0]),
            turns.i.payload.eq(results.o.payload),
            *(places.i.valid.eq(results.o.valid) for places in (skid, turns)),
            results.o.ready.eq(skid.i.ready),
            writes.o.ready.eq(skid.i.valid & skid.i.ready),
            self.dst.p.address.eq(skid.o.p.address),
            self.dst.p.data.eq(turns.o.payload),
            self.dst.valid.eq(skid.o.valid),
            *(places.o.ready.eq(self.dst.ready) for places in (skid, turns)),
            admission.ended.eq(self.dst.valid & self.dst.ready & skid.o.p.last),
            *(unit.o.ready.eq(results.i.ready) for unit in units),
        ]


def _fields(op: isa.Op, command: data.View) -> data.View:
    layout = command_layout(op)
    return data.View(layout, command.fields[: layout.size])


def _walk(walk: Walk, fields: data.View, place: str, start: Signal) -> list:
    """Walk the rows of ``src`` or ``dst``."""
    return [
        walk.i.p.base.eq(fields[place]),
        walk.i.p.counts[0].eq(fields.n_rows),
        walk.i.p.counts[1].eq(fields.n_words),
        walk.i.p.strides[0].eq(fields[f"{place}_stride"]),
        walk.i.p.strides[1].eq(1),
        walk.i.valid.eq(start),
    ]
