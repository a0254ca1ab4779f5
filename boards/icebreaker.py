"""iCEBreaker of 1BitSquared.

Source: schematic of iCEBreaker v1.0e. 12 MHz; an FT2232H is both cable and serial port. Its SPI
reaches the flash; jumpers would have to be moved for it to reach the FPGA.
"""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from boards.board import Board, Link, Loader
from boards.family import ICE40

__all__ = ["BOARDS"]

BOARDS = (
    Board(
        name="icebreaker",
        title="1BitSquared iCEBreaker",
        platform=ICEBreakerPlatform,
        link=Link("FT2232H", (3_000_000, 2_000_000, 1_500_000, 1_000_000)),
        loader=Loader("ice40_generic", ("0403", "6010"), sram=False),
        preset="icebreaker",
        mhz=18.0,
        lights=(("led_g", 0, ""), ("led_r", 0, "")),
        family=ICE40,
    ),
)
