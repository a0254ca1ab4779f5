"""State of the core: runs, faults, watchdog, resets."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.ports import fields_layout
from vitaccel.hw.shell.dispatch import PC_BITS
from vitaccel.isa import Status, Unit
from vitaccel.registers import SEQUENCER, STATUS, State

__all__ = ["Supervisor"]

N_SOURCES = len(Unit) + 1  # the sequencer comes after the units


class Supervisor(wiring.Component):
    """Start runs, stop them at HALT or at the first fault, remember why.

    Members
    -------
    start, soft_reset, clear_interrupt : In(1)
        Pulses from the control register.
    watchdog : In(32)
        Cycles without ``progress`` that end a run; 0: never.
    faults, pcs : In
        Of each unit and, last, of the sequencer.
    active : In(6)
        Units with unfinished instructions.
    halted : In(1)
        The program has ended.
    progress : In(1)
        Sign of life.
    idle : In(1)
        The AXI engines are idle.
    status : Out(fields of registers.STATUS)
    pc : Out(16)
        What ``status`` speaks of.
    interrupt : Out(1)
        Pending.
    unit_reset : Out(1)
        For everything but the registers, the engines and this.
    launch : Out(1)
        Pulse: the sequencer begins.
    running : Out(1)
        Commands may start and bursts may be issued.
    begins : Out(1)
        Pulse: counters start from zero.

    Timing
    ------
    `RESET_CYCLES` cycles of ``unit_reset`` after a start or soft reset; the run begins once they
    are over and ``idle``. A fault stops the run after 2 cycles; ``pc`` follows one cycle later.
    """

    start: Signal
    soft_reset: Signal
    clear_interrupt: Signal
    watchdog: Signal
    faults: data.View
    pcs: data.View
    active: Signal
    halted: Signal
    progress: Signal
    idle: Signal
    status: data.View
    pc: Signal
    interrupt: Signal
    unit_reset: Signal
    launch: Signal
    running: Signal
    begins: Signal
    RESET_CYCLES = 16

    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "soft_reset": In(1),
            "clear_interrupt": In(1),
            "watchdog": In(32),
            "faults": In(data.ArrayLayout(4, N_SOURCES)),
            "pcs": In(data.ArrayLayout(PC_BITS, N_SOURCES)),
            "active": In(len(Unit)),
            "halted": In(1),
            "progress": In(1),
            "idle": In(1),
            "status": Out(fields_layout(STATUS)),
            "pc": Out(PC_BITS),
            "interrupt": Out(1),
            "unit_reset": Out(1),
            "launch": Out(1),
            "running": Out(1),
            "begins": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        alive = Signal()
        expired = self._watch(m, alive)
        clean = self._reset(m)
        state = Signal(State)
        fault, unit, failed = self._blame(m, expired)
        blaming = Signal()  # the cycle after: `unit` selects the pc, which does not move
        m.d.comb += [
            self.status.state.eq(state),
            self.status.interrupt.eq(self.interrupt),
            self.status.draining.eq(~self.idle & ~self.running),
            self.begins.eq(self.start & (state != State.RUNNING) & ~self.soft_reset),
            alive.eq(state == State.RUNNING),
        ]
        m.d.sync += [self.launch.eq(0), blaming.eq(0)]
        sources = Array([*self.pcs, *[self.pcs[len(Unit)]] * 2])  # SEQUENCER is 7
        with m.If(blaming):
            m.d.sync += self.pc.eq(sources[self.status.unit])
        with m.If(self.clear_interrupt):
            m.d.sync += self.interrupt.eq(0)
        with m.If(self.soft_reset | self.begins):
            m.d.sync += [
                state.eq(Mux(self.soft_reset, State.IDLE, State.RUNNING)),
                self.running.eq(0),
                self.interrupt.eq(0),
                self.status.code.eq(Status.OK),
                self.status.unit.eq(0),
                self.pc.eq(0),
            ]
        with m.Elif(alive & failed):
            m.d.sync += [
                state.eq(State.ERROR),
                self.running.eq(0),
                self.interrupt.eq(1),
                self.status.code.eq(fault),
                self.status.unit.eq(unit),
                blaming.eq(1),
            ]
        with m.Elif(self.running & self.halted):
            m.d.sync += [state.eq(State.DONE), self.running.eq(0), self.interrupt.eq(1)]
        with m.Elif(alive & ~self.running & clean & self.idle):
            m.d.sync += [self.running.eq(1), self.launch.eq(1)]
        return m

    def _reset(self, m: Module) -> Value:
        """Hold the units in reset after a start or soft reset; return whether that is over."""
        left = Signal(range(self.RESET_CYCLES + 1))
        m.d.sync += self.unit_reset.eq(left != 0)
        with m.If(self.soft_reset | self.begins):
            m.d.sync += left.eq(self.RESET_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return (left == 0) & ~self.unit_reset

    def _watch(self, m: Module, alive: Value) -> Value:
        """Count down to the watchdog's bite."""
        left = Signal(32)
        expired = Signal()
        with m.If(self.progress | ~alive):
            m.d.sync += left.eq(self.watchdog)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += expired.eq((left == 1) & ~self.progress & alive)
        return expired

    def _blame(self, m: Module, expired: Value) -> tuple[Value, Value, Value]:
        """Choose the first source at fault: code, unit, and whether there is one at all."""
        raised = Signal(N_SOURCES)
        codes = Signal(data.ArrayLayout(4, N_SOURCES))
        m.d.sync += [
            raised.eq(Cat(code.any() for code in self.faults)),
            codes.eq(self.faults),
        ]
        suspects = Mux(raised.any(), raised, self.active)
        code, unit = codes[len(Unit)], Const(SEQUENCER, 3)
        for n in reversed(range(len(Unit))):
            code = Mux(suspects[n], codes[n], code)
            unit = Mux(suspects[n], n, unit)
        fault = Mux(raised.any(), code, Status.WATCHDOG)
        return fault, unit, (raised.any() & self.running) | expired
