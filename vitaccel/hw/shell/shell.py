"""Everything around the compute units: program, control, external memory."""

from collections.abc import Mapping
from typing import Any

from amaranth import Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import expose, lite_ports, master_ports, read_ports, slave_ports
from vitaccel.hw.axi.axi import write_ports as axi_write_ports
from vitaccel.hw.axi.axi_read import AxiRead
from vitaccel.hw.axi.axi_write import AxiWrite
from vitaccel.hw.ports import ReadPort, UnitPort, unit_layout, units
from vitaccel.hw.shell.control import Control
from vitaccel.hw.shell.counters import Counters
from vitaccel.hw.shell.dispatch import Dispatch
from vitaccel.hw.shell.load import Load
from vitaccel.hw.shell.semaphores import Semaphores
from vitaccel.hw.shell.sequencer import Sequencer
from vitaccel.hw.shell.spaces import write_ports
from vitaccel.hw.shell.store import Store
from vitaccel.hw.shell.supervisor import Supervisor
from vitaccel.hw.streams.stream import link
from vitaccel.isa import Status, Unit

__all__ = ["Shell", "attach", "compute_units"]


def compute_units(config: AcceleratorConfig) -> tuple[Unit, ...]:
    """Units outside the shell."""
    return tuple(unit for unit in units(config) if unit not in {Unit.LOAD, Unit.STORE})


def attach(m: Module, port: Any, unit: Any, beyond: Value | int = 0) -> None:
    """Join a `UnitPort` of the shell with a unit's ``command``, ``done``, ``fault``, ``busy``.

    ``beyond``: a memory has seen the unit ask for a word it does not have.
    """
    link(m, port.command, unit.command)
    m.d.comb += [
        port.done.eq(unit.done),
        port.fault.eq(Mux(beyond, Status.LOCAL_ADDRESS, unit.fault)),
        port.busy.eq(unit.busy),
    ]


class Shell(wiring.Component):
    """Registers, sequencer, queues, semaphores, LOAD, STORE and the AXI engines, wired together.

    Registers, supervisor and engines live outside the soft reset, so the control port answers
    and the bus stays legal whatever the program does.

    Parameters
    ----------
    config
        See `AcceleratorConfig`.

    Members
    -------
    m_axi_* : AXI4 master
    s_axil_* : AXI4-Lite slave
    interrupt : Out(1)
        Level, until cleared.
    unit_reset : Out(1)
        For the compute units; held for `RESET_CYCLES`, so each may delay it by some registers.
    mxu, post, vector, depthwise : Out(UnitPort)
        The compute units, as far as there are; join them by `attach`.
    activation, weight, post_param, table, ... : Out(WritePort)
        What LOAD writes, see `spaces.write_ports`.
    store : Out(ReadPort)
        What STORE reads.
    beat : In(1)
        The MXU launched a beat.
    progress : In(1)
        Any other sign of life of the compute units.
    busy, waiting, done : Out(6) each
        Per unit: has a command under way; lacks a semaphore; has just finished a command.

    Timing
    ------
    See the parts. Events reach the supervisor through one register.
    """

    interrupt: Signal
    unit_reset: Signal
    mxu: Any
    post: Any
    vector: Any
    depthwise: Any
    activation: stream.Interface
    weight: stream.Interface
    post_param: stream.Interface
    table: stream.Interface
    vector_param: stream.Interface
    exp: stream.Interface
    depthwise_weight: stream.Interface
    depthwise_param: stream.Interface
    store: Any
    beat: Signal
    progress: Signal
    busy: Signal
    waiting: Signal
    done: Signal

    RESET_CYCLES = Supervisor.RESET_CYCLES

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            **master_ports(config),
            **slave_ports(),
            "interrupt": Out(1),
            "unit_reset": Out(1),
            **{
                unit.name.lower(): Out(UnitPort(unit, hybrid=config.hybrid))
                for unit in compute_units(config)
            },
            **write_ports(config),
            "store": Out(ReadPort(config)),
            "beat": In(1),
            "progress": In(1),
            "busy": Out(len(Unit)),
            "waiting": Out(len(Unit)),
            "done": Out(len(Unit)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.control = control = Control(self.config)
        m.submodules.supervisor = supervisor = Supervisor()
        m.submodules.read = read = AxiRead(self.config)
        m.submodules.write = write = AxiWrite(self.config)
        reset = ResetInserter(supervisor.unit_reset)
        load, store, sequencer = Load(self.config), Store(self.config), Sequencer(self.config)
        m.submodules.load = reset(load)
        m.submodules.store_unit = reset(store)
        m.submodules.sequencer = reset(sequencer)

        expose(m, self, control, lite_ports(), "s_axil_")
        expose(m, self, read, read_ports(self.config), "m_axi_")
        expose(m, self, write, axi_write_ports(self.config), "m_axi_")
        self._memory(m, control, (load, store, sequencer), read, write)
        own = {Unit.LOAD: load, Unit.STORE: store}
        dones = self._units(m, reset, supervisor, sequencer, own)
        self._supervise(m, control, supervisor, sequencer)

        alive, units_alive = Signal(), Signal()
        m.d.comb += self.done.eq(dones)
        m.d.sync += [
            units_alive.eq(dones.any() | self.beat | self.progress),
            alive.eq(read.alive | write.alive | units_alive),
        ]
        m.d.comb += [
            supervisor.progress.eq(alive),
            supervisor.idle.eq(read.idle & write.idle),
            read.drain.eq(~supervisor.running),
            write.drain.eq(~supervisor.running),
            self.unit_reset.eq(supervisor.unit_reset),
            self.interrupt.eq(supervisor.interrupt & control.interrupt_enable[0]),
        ]
        return m

    def _memory(self, m: Module, control: Control, parts: tuple, read: Any, write: Any) -> None:
        """LOAD, STORE and the sequencer at the engines, inside the window."""
        load, store, sequencer = parts
        for part in parts:
            m.d.comb += [
                part.base.eq(control.memory_base),
                part.limit.eq(control.memory_limit),
            ]
        link(m, load.burst, read.load)
        link(m, read.load_data, load.beat)
        link(m, sequencer.burst, read.program)
        link(m, read.program_data, sequencer.beat)
        link(m, store.burst, write.burst)
        link(m, store.beat, write.beat)
        m.d.comb += [
            store.answered.eq(write.answered),
            store.response.eq(write.response),
            store.written.eq(write.done),
        ]
        for name in write_ports(self.config):
            link(m, getattr(load, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, store.source, wiring.flipped(self.store))

    def _units(
        self, m: Module, reset: Any, supervisor: Supervisor, sequencer: Sequencer, own: Mapping
    ) -> Value:
        """Queues and semaphores of all units; return their ``done`` pulses."""
        semaphores = Semaphores(units(self.config))
        m.submodules.semaphores = reset(semaphores)
        dones = Signal(len(Unit))
        for unit in units(self.config):
            name = unit.name.lower()
            dispatch = Dispatch(self.config, unit_layout(unit, hybrid=self.config.hybrid))
            m.submodules[f"dispatch_{name}"] = reset(dispatch)
            link(m, getattr(sequencer, name), dispatch.i)
            if unit in own:
                port = own[unit]
                link(m, dispatch.command, port.command)
            else:
                port = getattr(self, name)
                link(m, dispatch.command, wiring.flipped(port.command))
            m.d.comb += [
                dones[unit].eq(port.done),
                dispatch.done.eq(port.done),
                dispatch.enable.eq(supervisor.running),
                dispatch.has.eq(semaphores.has[unit]),
                dispatch.room.eq(semaphores.room[unit]),
                semaphores.take[unit].eq(dispatch.take),
                semaphores.give[unit].eq(dispatch.give),
                supervisor.faults[unit].eq(port.fault),
                supervisor.pcs[unit].eq(dispatch.pc),
                supervisor.active[unit].eq(dispatch.active),
                self.busy[unit].eq(port.busy),
                self.waiting[unit].eq(dispatch.waiting),
            ]
        return dones

    def _supervise(
        self, m: Module, control: Control, supervisor: Supervisor, sequencer: Sequencer
    ) -> None:
        """Registers, counters and the program's beginning and end."""
        m.submodules.counters = counters = Counters()
        m.d.comb += [
            supervisor.start.eq(control.control.start),
            supervisor.soft_reset.eq(control.control.soft_reset),
            supervisor.clear_interrupt.eq(control.control.clear_interrupt),
            supervisor.watchdog.eq(control.watchdog),
            supervisor.halted.eq(sequencer.halted),
            supervisor.faults[len(Unit)].eq(sequencer.fault),
            supervisor.pcs[len(Unit)].eq(sequencer.pc),
            sequencer.start.eq(supervisor.launch),
            sequencer.program_base.eq(control.program_base),
            sequencer.program_length.eq(control.program_length),
            control.status.eq(supervisor.status),
            control.status_pc.eq(supervisor.pc),
            counters.clear.eq(supervisor.begins),
            counters.running.eq(supervisor.running),
            counters.beat.eq(self.beat),
            counters.busy.eq(self.busy),
            counters.waiting.eq(self.waiting),
            control.cycles.eq(counters.cycles),
            control.mxu_beats.eq(counters.beats),
        ]
        for unit in Unit:
            m.d.comb += [
                getattr(control, f"busy_{unit.name.lower()}").eq(counters.busy_cycles[unit]),
                getattr(control, f"waiting_{unit.name.lower()}").eq(counters.waiting_cycles[unit]),
            ]
        m.d.sync += sequencer.active.eq(supervisor.active.any())
