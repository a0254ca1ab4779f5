"""ECPIX-5 of LambdaConcept, with either of its FPGAs.

Source: schematic of ECPIX-5 R02. 100 MHz; an FT2232H is both cable and serial port.
"""

from amaranth_boards import ecpix5

from boards.board import Board, Link, Loader

__all__ = ["BOARDS"]

_PLATFORMS = {"45f": ecpix5.ECPIX545Platform, "85f": ecpix5.ECPIX585Platform}

BOARDS = tuple(
    Board(
        name=f"ecpix5-{size}",
        title=f"LambdaConcept ECPIX-5 {size.upper()}",
        platform=platform,
        link=Link("FT2232H", (3_000_000, 2_000_000, 1_500_000, 1_000_000)),
        loader=Loader("ecpix5", ("0403", "6010")),
        preset="tiny",
        mhz=50.0,
        lights=tuple(("rgb_led", n, "g") for n in range(4)),
    )
    for size, platform in _PLATFORMS.items()
)
