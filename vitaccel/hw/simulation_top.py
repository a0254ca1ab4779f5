"""What Verilator simulates: the accelerator and a memory, with a back door to it."""

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator
from vitaccel.hw.axi.axi import expose, read_ports, slave_ports, write_ports
from vitaccel.hw.axi.axi_memory import RAM_VERILOG, AxiMemory
from vitaccel.verilog import verilog_text

__all__ = ["SimulationTop"]


class SimulationTop(wiring.Component):
    """`Accelerator` with an `AxiMemory` of ``size`` bytes.

    Parameters
    ----------
    config
        Of the accelerator.
    size
        Bytes of memory.

    Members
    -------
    s_axil_*, interrupt, busy, waiting, done
        As `Accelerator`.
    door_*
        As `AxiMemory`.
    """

    def __init__(self, config: AcceleratorConfig, size: int) -> None:
        self.accelerator = Accelerator(config)
        self.memory = AxiMemory(config, size)
        super().__init__({
            **slave_ports(),
            "interrupt": Out(1),
            "busy": Out(len(isa.Unit)),
            "waiting": Out(len(isa.Unit)),
            "done": Out(len(isa.Unit)),
            **{name: self.memory.signature.members[name] for name in self.DOOR},
        })

    DOOR = ("door_address", "door_write", "door_write_data", "door_read_data")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A registered reset: otherwise the simulator evaluates every next state once more for
        # each change of an input, because the reset input might have changed.
        reset = Signal(init=1, reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.domains.core = ClockDomain()
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(reset)]
        core, memory = self.accelerator, self.memory
        m.submodules.accelerator = DomainRenamer("core")(core)
        m.submodules.memory = DomainRenamer("core")(memory)
        expose(m, self, core, [*slave_ports(), "interrupt", "busy", "waiting", "done"])
        expose(m, self, memory, self.DOOR)
        expose(m, core, memory, [*read_ports(core.config), *write_ports(core.config)], "m_axi_")
        return m

    def verilog(self, name: str) -> str:
        """Verilog of all of it, top module ``name``."""
        return verilog_text(self, name) + RAM_VERILOG
