"""The whole accelerator: shell, compute units and memories, one AXI4 IP block."""

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import expose, master_ports, slave_ports
from vitaccel.hw.depthwise.depthwise import Depthwise
from vitaccel.hw.memory.scratchpad import Scratchpad
from vitaccel.hw.memory.weight_buffer import WeightBuffer
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.post.post import Post
from vitaccel.hw.serial.core import SerialCore
from vitaccel.hw.shared import Shared
from vitaccel.hw.shell.shell import Shell, attach
from vitaccel.hw.streams.fork import Fork
from vitaccel.hw.vector.vector import Vector

__all__ = ["Accelerator", "scratchpad"]


def scratchpad(config: AcceleratorConfig) -> Scratchpad:
    """Activation memory with a port for each that reads or writes it."""
    more = int(config.depthwise_taps > 0)
    return Scratchpad(config, n_readers=5 + more, n_writers=3 + more)


class Accelerator(wiring.Component):
    """Everything of docs/architecture.md between an AXI4 memory and an AXI4-Lite host.

    Parameters
    ----------
    config
        See `AcceleratorConfig`.

    Members
    -------
    m_axi_*, s_axil_*, interrupt
        See `Shell`.
    busy, waiting, done : Out(6) each
        Bit u: unit u (`isa.Unit`) works on an instruction; has one whose semaphores are empty; has
        just finished one. For timelines; leave open on a board.
    """

    interrupt: Signal
    busy: Signal
    waiting: Signal
    done: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            **master_ports(config),
            **slave_ports(),
            "interrupt": Out(1),
            "busy": Out(len(isa.Unit)),
            "waiting": Out(len(isa.Unit)),
            "done": Out(len(isa.Unit)),
        })

    def latencies(self) -> Mapping[str, int]:
        """Fixed latencies of the parts in cycles, for the sidecar."""
        parts: tuple[Any, ...] = (Scratchpad, WeightBuffer)
        return {part.__name__: part.LATENCY for part in parts}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.config.core == "serial":
            m.submodules.core = core = SerialCore(self.config)
            expose(m, self, core, core.signature.members)
            return m
        m.submodules.shell = shell = Shell(self.config)
        expose(m, self, shell, [*master_ports(self.config), *slave_ports()])
        m.d.comb += [
            self.interrupt.eq(shell.interrupt),
            self.busy.eq(shell.busy),
            self.waiting.eq(shell.waiting),
            self.done.eq(shell.done),
        ]

        units = {
            "vector": Vector(self.config),  # first: takes longest to convert, see `verilog_text`
            "mxu": Mxu(self.config),
            "post": Post(self.config),
            "activation": scratchpad(self.config),
            "weights": WeightBuffer(self.config),
        }
        if self.config.depthwise_taps:
            units["depthwise"] = Depthwise(self.config)
        # A reset register a unit keeps its fan-out local. One after the other: Yosys would make one
        # of registers that are equal. No command comes before the last one falls.
        former = shell.unit_reset
        for name, unit in units.items():
            reset = Signal(name=f"{name}_reset")
            m.d.sync += reset.eq(former)
            m.submodules[name] = Shared(unit, reset)
            former = reset
        vector, mxu, post = units["vector"], units["mxu"], units["post"]
        activation, weights = units["activation"], units["weights"]

        self._connect_memory(m, shell, units)
        connect(m, mxu.drain, post.drain)
        connect(m, shell.post_param, post.param)
        connect(m, shell.vector_param, vector.param)
        connect(m, shell.exp, vector.exp)
        readers, writers = activation.reader_fault, activation.writer_fault
        attach(m, shell.mxu, mxu, readers[0:2].any() | weights.reader_fault)
        attach(m, shell.post, post, readers[2] | writers[0])
        attach(m, shell.vector, vector, readers[3] | writers[1])
        results = [post.out, vector.dst]
        if "depthwise" in units:
            depthwise = units["depthwise"]
            attach(m, shell.depthwise, depthwise, readers[4] | writers[2])
            connect(m, shell.depthwise_weight, depthwise.weight)
            connect(m, shell.depthwise_param, depthwise.param)
            m.submodules.tables = tables = Fork(shell.table.p.shape(), 2)
            connect(m, shell.table, tables.i)
            connect(m, tables.o[0], post.table)
            connect(m, tables.o[1], depthwise.table)
            results.append(depthwise.dst)
        else:
            connect(m, shell.table, post.table)
        written = [port.valid & port.ready for port in results]
        m.d.comb += [shell.beat.eq(mxu.beat), shell.progress.eq(Cat(written).any())]
        return m

    def _connect_memory(self, m: Module, shell: Shell, units: Mapping[str, Any]) -> None:
        """Readers and writers by priority: what feeds the array first."""
        vector, mxu, post = units["vector"], units["mxu"], units["post"]
        activation, weights = units["activation"], units["weights"]
        between = [units["depthwise"]] if "depthwise" in units else []
        readers = [mxu.stream, mxu.stationary, post.residual, vector.src]
        readers += [*(unit.src for unit in between), shell.store]
        writers = [post.out, vector.dst, *(unit.dst for unit in between), shell.activation]
        for port, reader in zip(activation.readers, readers, strict=True):
            connect(m, reader, port)
        for port, writer in zip(activation.writers, writers, strict=True):
            connect(m, writer, port)
        connect(m, mxu.weights, weights.reader)
        connect(m, shell.weight, weights.writer)
