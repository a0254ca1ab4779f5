"""A board as Verilator simulates it, with the far end of its serial line."""

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.link.board_core import BoardCore
from vitaccel.hw.link.slip import BYTE
from vitaccel.hw.link.uart import FEWEST, Uart
from vitaccel.hw.memory.axi_ram import AxiRam
from vitaccel.hw.memory.sdram import Controller, Sdram
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
        Memory, shared by accelerator and link, a multiple of a page of AXI.
    controller
        Of the SDRAM that it is in, with LiteDRAM's model of the chip; None: block RAM (`AxiRam`).

    Members
    -------
    to_board : In(stream of byte)
        What the host sends.
    from_board : Out(stream of byte)
        What the host receives; lost if not taken in time.
    """

    to_board: stream.Interface
    from_board: stream.Interface

    def __init__(
        self, config: AcceleratorConfig, memory_bytes: int, controller: Controller | None = None
    ) -> None:
        self.config = config
        self.memory_bytes = memory_bytes
        self.controller = controller
        super().__init__({"to_board": In(BYTE), "from_board": Out(BYTE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A registered reset, see `vitaccel.hw.simulation_top`.
        reset = Signal(init=1, reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.domains.board = ClockDomain()
        m.d.comb += [ClockSignal("board").eq(ClockSignal()), ResetSignal("board").eq(reset)]

        memory = (
            AxiRam(self.config, self.memory_bytes)
            if self.controller is None
            else Sdram(self.config, self.controller)
        )
        core = BoardCore(self.config, memory, self.memory_bytes, FEWEST)
        cable = Uart(FEWEST)
        m.submodules.core = DomainRenamer("board")(core)
        m.submodules.cable = DomainRenamer("board")(cable)
        connect(m, flipped(self.to_board), cable.sent)
        connect(m, cable.received, flipped(self.from_board))
        m.d.comb += [core.rx.eq(cable.tx), cable.rx.eq(core.tx)]
        return m

    def verilog(self, name: str) -> str:
        """Verilog of all of it, top module ``name``."""
        memory = "" if self.controller is None else self.controller.verilog
        return verilog_text(self, name) + memory
