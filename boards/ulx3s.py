"""ULX3S of Radiona, with any of its four FPGAs.

Source: schematic of ULX3S v3.0.8. 25 MHz; the FT231X is both cable and serial port.
"""

from amaranth_boards import ulx3s

from boards.board import Board, Link, Loader
from vitaccel.hw.memory.sdram import Chip

__all__ = ["BOARDS"]

_PLATFORMS = {
    "12f": (ulx3s.ULX3S_12F_Platform, "small"),
    "25f": (ulx3s.ULX3S_25F_Platform, "small"),
    "45f": (ulx3s.ULX3S_45F_Platform, "tiny"),
    "85f": (ulx3s.ULX3S_85F_Platform, "tiny"),
}
# Boards come with one of several chips; LiteX takes them all for this one. Some have 64 MiB, of
# which this is the first half of every row.
_SDRAM = Chip("MT48LC16M16", width=2, size=32 << 20)

BOARDS = tuple(
    Board(
        name=f"ulx3s-{size}",
        title=f"Radiona ULX3S {size.upper()}",
        platform=platform,
        link=Link("FT231X", (3_000_000, 2_000_000, 1_500_000, 1_000_000)),
        loader=Loader("ulx3s", ("0403", "6015")),
        preset=preset,
        mhz=50.0,
        lights=tuple(("led", n, "") for n in range(8)),
        sdram=_SDRAM,
    )
    for size, (platform, preset) in _PLATFORMS.items()
)
