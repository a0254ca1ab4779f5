"""Queue in front of a unit: starts instructions when their semaphores allow."""

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.streams.queue import Queue
from vitaccel.isa import HEADER, Unit

__all__ = ["PC_BITS", "Dispatch", "queued_layout"]

PC_BITS = 16


def queued_layout(fields: ShapeLike) -> data.StructLayout:
    """One instruction on its way to a unit; ``pc`` counts instructions."""
    return data.StructLayout({
        "pc": PC_BITS,
        "wait": HEADER["wait"],
        "signal": HEADER["signal"],
        "fields": fields,
    })


class Dispatch(wiring.Component):
    """Hold a unit's instructions until the tokens they wait for are there.

    An instruction starts when every semaphore of its ``wait`` mask has a token: all are taken in
    one cycle, then the command is offered. Each ``done`` of the unit gives the tokens of the oldest
    instruction's ``signal`` mask, as soon as those semaphores have room.

    Parameters
    ----------
    config
        Sets the places of the queue.
    fields
        Shape of the unit's command.

    Members
    -------
    i : In(stream of queued_layout)
        Instructions in program order.
    command : Out(stream of fields)
        To the unit.
    done : In(1)
        The unit finished its oldest command.
    enable : In(1)
        Start instructions.
    has, take : In(6), Out(6)
        Tokens for this unit, per producer.
    room, give : In(6), Out(6)
        Tokens of this unit, per consumer.
    pc : Out(16)
        Oldest unfinished instruction, while ``active``.
    waiting : Out(1)
        The next instruction lacks a token.
    active : Out(1)
        Something is queued, unfinished or not yet signalled.

    Timing
    ------
    `LATENCY` cycles from an instruction to its command; a command every `INTERVAL` cycles. Up to
    `UNFINISHED` commands may be unfinished in the unit.
    """

    i: stream.Interface
    command: stream.Interface
    done: Signal
    enable: Signal
    has: Signal
    take: Signal
    room: Signal
    give: Signal
    pc: Signal
    waiting: Signal
    active: Signal

    LATENCY = Queue.LATENCY + 2
    INTERVAL = 3
    UNFINISHED = 5

    def __init__(self, config: AcceleratorConfig, fields: ShapeLike) -> None:
        self.config = config
        self.fields = fields
        super().__init__({
            "i": In(stream.Signature(queued_layout(fields))),
            "command": Out(stream.Signature(fields)),
            "done": In(1),
            "enable": In(1),
            "has": In(len(Unit)),
            "take": Out(len(Unit)),
            "room": In(len(Unit)),
            "give": Out(len(Unit)),
            "pc": Out(PC_BITS),
            "waiting": Out(1),
            "active": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = 1 << (self.config.queue_depth - 1).bit_length()
        m.submodules.queue = queue = Queue(queued_layout(self.fields), depth)
        m.submodules.pcs = pcs = Queue(PC_BITS, self.UNFINISHED - 1)
        wiring.connect(m, wiring.flipped(self.i), queue.i)

        head = queue.o.p
        lacks = (head.wait & ~self.has).any()
        granted = Signal()  # and stays so: nobody else takes these tokens
        starts = Signal()
        begun = Signal()  # the tokens are taken
        room = self._finish(m, head, starts)
        waits = queue.o.valid & ~begun & ~starts
        m.d.comb += [
            self.waiting.eq(waits & lacks),
            starts.eq(granted & self.enable),
            self.take.eq(Mux(starts, head.wait, 0)),
            self.command.payload.eq(head.fields),
            self.command.valid.eq(queue.o.valid & begun),
            queue.o.ready.eq(begun & self.command.ready),
            pcs.i.payload.eq(head.pc),
            pcs.i.valid.eq(starts),
            pcs.o.ready.eq(self.done),
            self.pc.eq(Mux(pcs.o.valid, pcs.o.payload, head.pc)),
        ]
        m.d.sync += [
            granted.eq(waits & ~lacks & room & pcs.i.ready),
            begun.eq(Mux(begun, ~self.command.ready, starts)),
        ]
        return m

    def _finish(self, m: Module, head: data.View, starts: Signal) -> Value:
        """Signal finished instructions in order; return whether another one may start."""
        m.submodules.signals = signals = Queue(HEADER["signal"], self.UNFINISHED - 1)
        finished = Signal(range(self.UNFINISHED + 1))  # done, tokens not yet given
        pending = Signal(HEADER["signal"])  # tokens of the oldest of them, to be given
        enters = Signal()  # a cycle late: the sequencer's ready and this count are far apart
        entered = Signal(range(self.config.queue_depth * 2 + self.UNFINISHED + 4))
        retires = Signal()
        m.d.comb += [
            signals.i.payload.eq(head.signal),
            signals.i.valid.eq(starts),
            retires.eq((finished != 0) & ~pending.any()),
            signals.o.ready.eq(retires),
            self.give.eq(pending & self.room),
            self.active.eq(enters | (entered != 0) | pending.any()),
        ]
        m.d.sync += [
            finished.eq(finished + self.done - retires),
            enters.eq(self.i.valid & self.i.ready),
            entered.eq(entered + enters - retires),
            pending.eq(Mux(retires, signals.o.payload, pending & ~self.give)),
        ]
        return signals.i.ready
