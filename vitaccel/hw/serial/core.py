"""The serial core: processor, dot-product unit, memories, bus and registers."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import (
    Ports,
    expose,
    lite_ports,
    master_ports,
    read_ports,
    slave_ports,
    write_ports,
)
from vitaccel.hw.serial.bus import Bus
from vitaccel.hw.serial.dot_unit import DotUnit
from vitaccel.hw.serial.memories import Memories
from vitaccel.hw.serial.microinstruction import ADDRESS_BITS
from vitaccel.hw.serial.microprogram import microprogram
from vitaccel.hw.serial.processor import Processor
from vitaccel.hw.serial.run_state import PC_BITS, RunState
from vitaccel.hw.shell.control import Control
from vitaccel.isa import Unit

__all__ = ["SerialCore"]

# Of `vitaccel.registers`: nobody keeps the core within a window of memory, there is no watchdog,
# and units never wait for one another.
_REGISTER_BITS = {
    "CONTROL": 3,
    "STATUS": 11,
    "STATUS_PC": PC_BITS,
    "INTERRUPT_ENABLE": 1,
    "PROGRAM_BASE": ADDRESS_BITS,
    "CYCLES": 32,
}


class SerialCore(Ports, wiring.Component):
    """Runs a program's instructions one after the other; semaphores are not needed.

    Same ports and, but for what is left out of the registers, the same behaviour as the units of
    `vitaccel.hw.accelerator` together, in a tenth of the area. GEMM only remembers where its
    instruction is: the POST behind it computes and scales one channel of one row after the other.

    Parameters
    ----------
    config
        With ``core = "serial"``.

    Members
    -------
    m_axi_*, s_axil_*, interrupt, busy, waiting, done
        See `vitaccel.hw.accelerator.Accelerator`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            **master_ports(config),
            **slave_ports(),
            "interrupt": Out(1),
            "busy": Out(len(Unit)),
            "waiting": Out(len(Unit)),
            "done": Out(len(Unit)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code, registers = microprogram(self.config)
        m.submodules.processor = processor = Processor(
            code, registers, self.config.accumulator_bits
        )
        m.submodules.dot_unit = dot_unit = DotUnit(self.config)
        m.submodules.memories = memories = Memories(self.config)
        m.submodules.bus = bus = Bus(self.config)
        m.submodules.state = state = RunState()
        m.submodules.control = control = Control(self.config, _REGISTER_BITS)
        expose(m, self, bus, [*read_ports(self.config), *write_ports(self.config)], "m_axi_")
        expose(m, self, control, lite_ports(), "s_axil_")
        for part in (dot_unit, memories, bus, state):
            for name in ("action", "a", "b", "last"):
                if name in part.signature.members:
                    m.d.comb += getattr(part, name).eq(getattr(processor, name))
        for name in ("activation_address", "parameter_address"):
            m.d.comb += getattr(memories, name).eq(getattr(dot_unit, name))
        for name in ("activation_word", "parameter_word"):
            m.d.comb += getattr(dot_unit, name).eq(getattr(memories, name))
        m.d.comb += [
            dot_unit.blocked.eq(memories.taken),
            processor.restart.eq(state.restart),
            processor.started.eq(state.started),
            processor.dot_busy.eq(dot_unit.busy),
            processor.bus_busy.eq(bus.busy),
            processor.dot.eq(dot_unit.o),
            processor.byte.eq(memories.byte),
            processor.word.eq(memories.word),
            processor.bus.eq(bus.word),
            processor.base.eq(control.program_base),
            state.control.eq(control.control),
            state.fault.eq(bus.fault),
            control.status.eq(state.status),
            control.status_pc.eq(state.pc),
            control.cycles.eq(state.cycles),
            self.interrupt.eq(state.status.interrupt & control.interrupt_enable),
            self.busy.eq(state.busy),
            self.done.eq(state.done),
        ]
        return m
