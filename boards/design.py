"""A board, an accelerator and a clock: what makes a bitstream."""

from dataclasses import dataclass

from boards.board import Board
from boards.clocking import Pll
from boards.floorplan import floorplan
from boards.top import BoardTop
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.flow.plan import Plan, make_plan
from vitaccel.hw.memory.sdram import Controller

__all__ = ["SLOWEST_MHZ", "Design"]

SLOWEST_MHZ, FASTEST_MHZ = 10.0, 200.0
# LiteDRAM reads the SDRAM two cycles late up to here, which is what its pins are made for.
FASTEST_SDRAM_MHZ = 100.0


@dataclass(frozen=True)
class Design:
    """Everything about a bitstream but the clock.

    Parameters
    ----------
    memory_bytes
        Of block RAM, see `boards.fit.memory_size`, or of the board's SDRAM.
    sdram
        Which of the two.
    """

    board: Board
    config: AcceleratorConfig
    memory_bytes: int
    sdram: bool = False

    @property
    def oscillator_mhz(self) -> float:
        """Clock that the board brings."""
        return self.board.platform().default_clk_frequency / 1e6

    def clocks(self) -> list[Pll]:
        """Every clock that the PLL makes and the serial port can work with, slowest first."""
        found = []
        fastest = FASTEST_SDRAM_MHZ if self.sdram else FASTEST_MHZ
        for pll in self.board.family.clocks(self.oscillator_mhz, SLOWEST_MHZ, fastest):
            try:
                self.board.link.baud(pll.mhz * 1e6)
            except ConfigError:
                continue
            found.append(pll)
        return found

    def nearest(self, mhz: float) -> Pll:
        """Clock of `clocks` nearest to ``mhz``.

        Raises
        ------
        ConfigError
            If ``mhz`` is outside of what there is.
        """
        clocks = self.clocks()
        if not clocks[0].mhz <= mhz <= clocks[-1].mhz:
            raise ConfigError(
                f"mhz must be {clocks[0].mhz:g} to {clocks[-1].mhz:g}, which is what the PLL of "
                f"{self.board.name} makes, not {mhz:g}"
            )
        return min(clocks, key=lambda pll: abs(pll.mhz - mhz))

    def below(self, mhz: float) -> Pll | None:
        """Fastest clock of `clocks` that is not above ``mhz``."""
        return next((pll for pll in reversed(self.clocks()) if pll.mhz <= mhz), None)

    def top(self, pll: Pll, controller: Controller | None = None) -> BoardTop:
        """Gateware at the clock of ``pll``, with the controller if the memory is SDRAM."""
        return BoardTop(self.board, self.config, controller or self.memory_bytes, pll)

    def plan(self, pll: Pll, controller: Controller | None = None) -> Plan:
        """All that the tools need to make a bitstream of `top`."""
        places = floorplan(self.board.fpga, self.config)
        return make_plan(self.top(pll, controller), self.board.platform(), places)
