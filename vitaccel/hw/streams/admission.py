"""One command at a time: taken, measured, checked, run or refused."""

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.isa import Status

__all__ = ["Admission"]


class Admission(wiring.Component):
    """Hold a command while a unit works on it; after a refused one, take no other.

    Parameters
    ----------
    shape
        Of a command.

    Members
    -------
    command : In(stream of shape)
        Taken once the former command has ended.
    held : Out(shape)
        The command, constant from the cycle after it was taken until the next is.
    status : In(Status)
        What is wrong with it, two cycles after it was taken: a cycle for what follows from
        ``held`` by a register.
    start : Out(1)
        Pulse: it is legal and begins.
    runs : Out(1)
        From the cycle after on.
    ended : In(1)
        The unit has done all its work, while ``runs``.
    fault : Out(Status)
        Why a command was refused; held until reset.
    busy : Out(1)
        A command was taken that has not ended.

    Timing
    ------
    ``start`` comes `LATENCY` cycles after a command was taken.
    """

    command: stream.Interface
    held: Any
    status: Signal
    start: Signal
    runs: Signal
    ended: Signal
    fault: Signal
    busy: Signal

    LATENCY = 3

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({
            "command": In(stream.Signature(shape)),
            "held": Out(shape),
            "status": In(Status),
            "start": Out(1),
            "runs": Out(1),
            "ended": In(1),
            "fault": Out(Status),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal.like(self.held, reset_less=True)
        m.d.comb += self.held.eq(held)
        with m.FSM() as fsm:
            m.d.comb += [self.busy.eq(~fsm.ongoing("TAKE")), self.runs.eq(fsm.ongoing("RUN"))]
            with m.State("TAKE"):
                m.d.comb += self.command.ready.eq(1)
                with m.If(self.command.valid):
                    m.d.sync += held.eq(self.command.payload)
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += self.fault.eq(self.status)
                with m.If(self.status == Status.OK):
                    m.next = "START"
                with m.Else():
                    m.next = "STOP"
            with m.State("START"):
                m.d.comb += self.start.eq(1)
                m.next = "RUN"
            with m.State("RUN"), m.If(self.ended):
                m.next = "TAKE"
            with m.State("STOP"):
                pass
        return m
