"""A board as Verilator simulates it, with the far end of its serial line."""

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator
from vitaccel.hw.axi.arbiter import MASTERS, Arbiter
from vitaccel.hw.axi.axi import PortTable, lite_ports, read_ports, write_ports
from vitaccel.hw.axi.axi_memory import RAM_VERILOG, AxiMemory, MemoryTiming
from vitaccel.hw.link.access import CONTROL, MEMORY
from vitaccel.hw.link.bridge import Bridge
from vitaccel.hw.link.slip import BYTE
from vitaccel.hw.link.uart import FEWEST, Uart
from vitaccel.verilog import verilog_text

__all__ = ["SimulatedBoard"]


class SimulatedBoard(wiring.Component):
    """Accelerator, memory and host link, reached through a serial line as on a board.

    The line is there bit by bit; the far end of the cable is one more `Uart`.

    Parameters
    ----------
    config
        Of the accelerator.
    memory_bytes
        Memory, shared by accelerator and link.
    timing
        Of the memory.

    Members
    -------
    to_board : In(stream of byte)
        What the host sends.
    from_board : Out(stream of byte)
        What the host receives; lost if not taken in time.
    """

    to_board: stream.Interface
    from_board: stream.Interface

    QUEUE_BYTES = 2048

    def __init__(
        self, config: AcceleratorConfig, memory_bytes: int, timing: MemoryTiming | None = None
    ) -> None:
        self.config = config
        self.memory_bytes = memory_bytes
        self.timing = timing
        super().__init__({"to_board": In(BYTE), "from_board": Out(BYTE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A registered reset, see `vitaccel.hw.simulation_top`.
        reset = Signal(init=1, reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.domains.board = ClockDomain()
        m.d.comb += [ClockSignal("board").eq(ClockSignal()), ResetSignal("board").eq(reset)]

        config = self.config
        core = Accelerator(config)
        bridge = Bridge(config, self.memory_bytes, queue_bytes=self.QUEUE_BYTES)
        arbiter = Arbiter(config)
        memory = AxiMemory(config, self.memory_bytes, self.timing)
        uart, cable = Uart(FEWEST), Uart(FEWEST)
        parts = {
            "core": core,
            "bridge": bridge,
            "arbiter": arbiter,
            "memory": memory,
            "uart": uart,
            "cable": cable,
        }
        for name, part in parts.items():
            m.submodules[name] = DomainRenamer("board")(part)
        bus = {**read_ports(config), **write_ports(config)}
        _join(m, bus, (core, "m_axi_"), (arbiter, MASTERS[0]))
        _join(m, bus, (bridge, MEMORY), (arbiter, MASTERS[1]))
        _join(m, bus, (arbiter, ""), (memory, ""))
        lite = {name: member.flip() for name, member in lite_ports().items()}
        _join(m, lite, (bridge, CONTROL), (core, "s_axil_"))
        connect(m, uart.received, bridge.rx)
        connect(m, bridge.tx, uart.sent)
        connect(m, flipped(self.to_board), cable.sent)
        connect(m, cable.received, flipped(self.from_board))
        m.d.comb += [
            bridge.interrupt.eq(core.interrupt),
            uart.rx.eq(cable.tx),
            cable.rx.eq(uart.tx),
        ]
        return m

    def verilog(self, name: str) -> str:
        """Verilog of all of it, top module ``name``."""
        return verilog_text(self, name) + RAM_VERILOG


def _join(
    m: Module, ports: PortTable, master: tuple[object, str], slave: tuple[object, str]
) -> None:
    """Connect two components, each with the prefix of its members; ``ports`` as of the master."""
    for name, member in ports.items():
        here, there = (getattr(part, prefix + name) for part, prefix in (master, slave))
        m.d.comb += there.eq(here) if member.flow is Out else here.eq(there)
