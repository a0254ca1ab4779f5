"""What goes into the FPGA of a board: the core, its clock and its pins."""

from typing import Any

from amaranth import Elaboratable, Module
from amaranth.lib import io

from boards.board import Board
from boards.clocking import Clocking, Pll
from boards.sdram_pins import CLOCK_DOMAIN, sdram_pins
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.link.board_core import LIGHTS, BoardCore
from vitaccel.hw.link.uart import divisor
from vitaccel.hw.memory.sdram import Controller, Sdram

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """`BoardCore` with memory on chip or SDRAM, on a platform of Amaranth.

    Parameters
    ----------
    board
        Gives pins, and the rate of the serial port.
    config
        Of the accelerator.
    memory
        Bytes on chip, see `boards.family.Family`; or the controller of the board's SDRAM, for the
        clock of ``pll``.
    pll
        Makes the clock of all of it.
    """

    def __init__(
        self, board: Board, config: AcceleratorConfig, memory: int | Controller, pll: Pll
    ) -> None:
        self.board = board
        self.config = config
        self.memory = memory
        self.pll = pll

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.core = core = self._core(m, platform)
        pins = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, pins.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, pins.tx)
        m.d.comb += [core.rx.eq(rx.i), tx.o.eq(core.tx)]
        for n, (resource, number, part) in enumerate(self.board.lights[:LIGHTS]):
            pins = platform.request(resource, number, dir="-")
            pin = getattr(pins, part) if part else pins
            m.submodules[f"light_{n}"] = light = io.Buffer(io.Direction.Output, pin)
            m.d.comb += light.o.eq(core.lights[n])
        return m

    def _core(self, m: Module, platform: Any) -> BoardCore:
        """Make the core, its memory and the clocks that both need."""
        memory, config = self.memory, self.config
        if isinstance(memory, Controller):
            clocking = Clocking(self.pll, CLOCK_DOMAIN)
            slave = Sdram(config, memory, sdram_pins(m, platform))
            platform.add_file("litedram.v", memory.verilog)
            size = memory.chip.size
        else:
            clocking = self.board.family.clocking(self.pll)
            slave, size = self.board.family.memory(config, memory), memory
        m.submodules.clocking = clocking
        m.domains += clocking.domain
        hz = self.pll.mhz * 1e6
        return BoardCore(config, slave, size, divisor(hz, self.board.link.baud(hz)))
