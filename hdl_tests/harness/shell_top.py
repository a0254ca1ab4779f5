"""The shell with on-chip memories and stand-ins for the compute units."""

from typing import Any

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import Ports, expose, master_ports, slave_ports
from vitaccel.hw.axi.axi_memory import AxiMemory, MemoryTiming
from vitaccel.hw.ports import ADDRESS_BITS, unit_layout
from vitaccel.hw.shell.shell import Shell, attach, compute_units
from vitaccel.hw.shell.spaces import depths
from vitaccel.isa import FIELDS, Op, Space, Status, Unit

__all__ = ["MemoryTop", "ShellTop"]

FOREVER = 0xFFFF  # n_rows of a command that never ends
FAULTY = 0xFFFE  # n_rows of a command that faults


class StandIn(Ports, wiring.Component):
    """Takes a command, works for ``n_rows`` cycles, is done."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        super().__init__({
            "command": In(stream.Signature(unit_layout(unit))),
            "done": Out(1),
            "fault": Out(Status),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fields = self.command.p
        if self.unit == Unit.VECTOR:
            start = sum(
                FIELDS[Op.NORM][name] for name in ("src", "src_stride", "dst", "dst_stride")
            )
            n_rows = fields.fields[start : start + 16]
        else:
            n_rows = fields.n_rows
        left = Signal(16)
        m.d.comb += [self.command.ready.eq(~self.busy), self.done.eq(self.busy & (left == 0))]
        with m.If(~self.busy):
            m.d.sync += [self.busy.eq(self.command.valid), left.eq(n_rows)]
            with m.If(self.command.valid & (n_rows == FAULTY)):
                m.d.sync += self.fault.eq(Status.ILLEGAL_FIELD)
        with m.Elif(left == 0):
            m.d.sync += self.busy.eq(0)
        with m.Elif(left < FAULTY):
            m.d.sync += left.eq(left - 1)
        return m


class ShellTop(Ports, wiring.Component):
    """AXI ports of the shell; memories readable by ``space`` and ``address`` (one cycle later).

    ``stall`` holds back every on-chip memory while high.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            **master_ports(config),
            **slave_ports(),
            "interrupt": Out(1),
            "stall": In(1),
            "space": In(3),
            "address": In(ADDRESS_BITS),
            "word": Out(8 * config.rows),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.shell = shell = Shell(self.config)
        expose(m, self, shell, [*master_ports(self.config), *slave_ports(), "interrupt"])
        for unit in compute_units(self.config):
            stand_in = StandIn(unit)
            m.submodules[unit.name.lower()] = ResetInserter(shell.unit_reset)(stand_in)
            attach(m, getattr(shell, unit.name.lower()), stand_in)
        words = Signal(data.ArrayLayout(8 * self.config.rows, 8))
        m.d.comb += self.word.eq(words[self.space])
        for space, depth in depths(self.config).items():
            name = space.name.lower()
            m.submodules[f"{name}_memory"] = store = memory.Memory(
                shape=8 * self.config.rows, depth=depth, init=[]
            )
            port, writer, peek = getattr(shell, name), store.write_port(), store.read_port()
            m.d.comb += [
                port.ready.eq(~self.stall),
                writer.en.eq(port.valid & port.ready),
                writer.addr.eq(port.p.address),
                writer.data.eq(port.p.data),
                peek.addr.eq(self.address),
                words[space].eq(peek.data),
            ]
            if space == Space.ACTIVATION:
                self._read(m, shell.store, store.read_port())
        return m

    def _read(self, m: Module, source: Any, reader: memory.ReadPort) -> None:
        """Answer STORE two cycles after its requests."""
        answers = Signal()
        m.d.comb += [
            source.request.ready.eq(~self.stall),
            reader.addr.eq(source.request.payload),
        ]
        m.d.sync += [
            answers.eq(source.request.valid & source.request.ready),
            source.valid.eq(answers),
            source.data.as_value().eq(reader.data),
        ]


class MemoryTop(Ports, wiring.Component):
    """`ShellTop` with the simulated memory on its bus."""

    def __init__(self, config: AcceleratorConfig, size: int, timing: MemoryTiming) -> None:
        self.top = ShellTop(config)
        self.memory = AxiMemory(config, size, timing)
        doors = {k: v for k, v in self.memory.signature.members.items() if k.startswith("door")}
        self.doors = list(doors)
        super().__init__({**slave_ports(), **doors, "interrupt": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.top, m.submodules.memory = self.top, self.memory
        expose(m, self, self.top, [*slave_ports(), "interrupt"])
        expose(m, self, self.memory, self.doors)
        for name, member in master_ports(self.top.config).items():
            master, slave = (
                getattr(self.top, name),
                getattr(self.memory, name.removeprefix("m_axi_")),
            )
            m.d.comb += slave.eq(master) if member.flow is Out else master.eq(slave)
        return m
