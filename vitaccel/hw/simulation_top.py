"""What Verilator simulates: the accelerator and a memory, with a back door to it."""

from amaranth import (
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator
from vitaccel.hw.axi.axi import expose, read_ports, slave_ports, write_ports
from vitaccel.hw.axi.axi_memory import RAM_VERILOG, AxiMemory, MemoryTiming
from vitaccel.verilog import verilog_text

__all__ = ["TRACE", "SimulationTop"]

TRACE = "units.trace"
# Python would take longer to look at every cycle than the simulator to compute it.
TRACE_VERILOG = f"""
module vitaccel_simulation_trace #(parameter UNITS = 5) (
  input clk, enable,
  input [UNITS-1:0] busy, waiting, done
);
  integer file = 0;
  reg [31:0] cycle = 0;
  reg [2*UNITS-1:0] former = 0;
  always @(posedge clk) begin
    cycle <= enable ? cycle + 1 : 0;
    former <= enable ? {{busy, waiting}} : 0;
    if (enable && file == 0) file = $fopen("{TRACE}", "w");
    if (enable && (done != 0 || former != {{busy, waiting}}))
      $fwrite(file, "%0d %0d %0d %0d\\n", cycle, busy, waiting, done);
    if (!enable && file != 0) begin
      $fclose(file);
      file = 0;
    end
  end
endmodule
"""


class SimulationTop(wiring.Component):
    """`Accelerator` with an `AxiMemory` of ``size`` bytes.

    Parameters
    ----------
    config
        Of the accelerator.
    size
        Bytes of memory.
    timing
        Of the memory.

    Members
    -------
    s_axil_*, interrupt
        As `Accelerator`.
    tracing : In(1)
        While 1, the file `TRACE` of the simulator's folder receives a line for every cycle in which
        a unit is done or ``busy`` or ``waiting`` of `Accelerator` change: the cycles since the
        start and the three.
    door_*
        As `AxiMemory`.
    """

    tracing: Signal

    def __init__(
        self, config: AcceleratorConfig, size: int, timing: MemoryTiming | None = None
    ) -> None:
        self.accelerator = Accelerator(config)
        self.memory = AxiMemory(config, size, timing)
        super().__init__({
            **slave_ports(),
            "interrupt": Out(1),
            "tracing": In(1),
            **{name: self.memory.signature.members[name] for name in self.DOOR},
        })

    DOOR = ("door_load", "door_save", "door_first", "door_last")

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
        m.submodules.trace = Instance(
            "vitaccel_simulation_trace",
            p_UNITS=len(isa.Unit),
            i_clk=ClockSignal(),
            i_enable=self.tracing,
            i_busy=core.busy,
            i_waiting=core.waiting,
            i_done=core.done,
        )
        expose(m, self, core, [*slave_ports(), "interrupt"])
        expose(m, self, memory, self.DOOR)
        expose(m, core, memory, [*read_ports(core.config), *write_ports(core.config)], "m_axi_")
        return m

    def verilog(self, name: str) -> str:
        """Verilog of all of it, top module ``name``."""
        return verilog_text(self, name) + RAM_VERILOG + TRACE_VERILOG
