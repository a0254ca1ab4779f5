"""State of a run of the serial core: started, over, failed, and how many cycles it took."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.ports import fields_layout
from vitaccel.hw.serial.microinstruction import WIDTH, Action
from vitaccel.isa import Status, Unit
from vitaccel.registers import CONTROL, SEQUENCER, STATUS, State

__all__ = ["BEGINS", "PC_BITS", "RunState", "finish_code"]

PC_BITS = 16
BEGINS = 8  # operand `b` of MARK, with the unit that begins an instruction; 0: it is done


def finish_code(state: State, code: Status) -> int:
    """Operand ``b`` of FINISH."""
    return state | code << 2


class RunState(wiring.Component):
    """Follows CONTROL and the microprogram.

    Members
    -------
    control : In(fields of registers.CONTROL)
        Pulses.
    action, a, b : In
        Of the processor: FINISH, MARK.
    fault : In(Status)
        Of the bus; ends the run.
    status : Out(fields of registers.STATUS)
    pc : Out(16)
        Instruction at which the run ended.
    cycles : Out(32)
        Since the start.
    started : Out(1)
        A run is under way.
    restart : Out(1)
        Back to the beginning of the microprogram.
    busy, done : Out(5)
        Per `isa.Unit`: an instruction of this unit is under way; has just been done.
    """

    control: data.View
    action: Signal
    a: Signal
    b: Signal
    fault: Signal
    status: data.View
    pc: Signal
    cycles: Signal
    started: Signal
    restart: Signal
    busy: Signal
    done: Signal

    def __init__(self) -> None:
        super().__init__({
            "control": In(fields_layout(CONTROL)),
            "action": In(Action),
            "a": In(signed(WIDTH)),
            "b": In(signed(WIDTH)),
            "fault": In(Status),
            "status": Out(fields_layout(STATUS)),
            "pc": Out(PC_BITS),
            "cycles": Out(32),
            "started": Out(1),
            "restart": Out(1),
            "busy": Out(len(Unit)),
            "done": Out(len(Unit)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        status = self.status
        state = Signal(State)
        fails = Signal()
        mark = Signal(len(Unit))
        m.d.comb += [
            status.state.eq(state),
            status.draining.eq(0),
            self.started.eq(state == State.RUNNING),
            fails.eq(self.started & (self.fault != Status.OK)),
            self.restart.eq(self.control.soft_reset | fails),
            mark.eq(Mux(self.b[3], 1 << self.b[:3], 0)),
        ]
        m.d.sync += self.done.eq(0)
        with m.If(self.started):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(self.action == Action.MARK):
            m.d.sync += [self.busy.eq(mark), self.done.eq(self.busy)]
        with m.If(self.control.clear_interrupt):
            m.d.sync += status.interrupt.eq(0)
        with m.If(fails):
            m.d.sync += self._end(state, State.ERROR, self.fault)
        with m.Elif(self.action == Action.FINISH):
            m.d.sync += [*self._end(state, self.b[:2], self.b[2:6]), self.pc.eq(self.a)]
        with m.If(self.control.soft_reset):
            m.d.sync += [*self._end(state, State.IDLE, Status.OK), status.interrupt.eq(0)]
        with m.Elif(self.control.start & ~self.started):
            m.d.sync += [
                state.eq(State.RUNNING),
                Cat(status.interrupt, status.code, status.unit, self.pc, self.cycles).eq(0),
            ]
        return m

    def _end(self, state: Signal, to: Any, code: Any) -> list[Any]:
        """End a run; of an error the sequencer is to blame."""
        return [
            state.eq(to),
            self.busy.eq(0),
            self.status.interrupt.eq(1),
            self.status.code.eq(code),
            self.status.unit.eq(Mux(code == Status.OK, 0, SEQUENCER)),
        ]
