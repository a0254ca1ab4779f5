"""What goes into the FPGA of a board: the core, its clock and its pins."""

from typing import Any

from amaranth import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from boards.board import Board
from boards.clocking import Clocking, Pll
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.link.board_core import LIGHTS, BoardCore
from vitaccel.hw.link.uart import divisor
from vitaccel.hw.memory.axi_ram import AxiRam

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """`BoardCore` with block RAM as its memory, on a platform of Amaranth.

    Parameters
    ----------
    board
        Gives pins, and the rate of the serial port.
    config
        Of the accelerator.
    memory_bytes
        See `AxiRam`.
    pll
        Makes the clock of all of it.
    """

    def __init__(
        self, board: Board, config: AcceleratorConfig, memory_bytes: int, pll: Pll
    ) -> None:
        self.board = board
        self.pll = pll
        hz = pll.mhz * 1e6
        memory = AxiRam(config, memory_bytes)
        self.core = BoardCore(config, memory, memory_bytes, divisor(hz, board.link.baud(hz)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clocking = Clocking(self.pll)
        m.submodules.core = core = self.core
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
