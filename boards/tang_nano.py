"""Tang Nano 20K of Sipeed.

Source: schematic of Tang Nano 20K v1.2 (3921). 27 MHz; a BL616 is both cable and serial port.
"""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal

from boards.board import Board, Link, Loader
from boards.family import GOWIN
from boards.gowin import HimbaechelGowinPlatform

__all__ = ["BOARDS"]

_IO = Attrs(IO_TYPE="LVCMOS33")


class _TangNano20k(HimbaechelGowinPlatform):
    """The pins that are used here; amaranth-boards does not have this board."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = (
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _IO),
        *(Resource("led", n, PinsN(str(15 + n), dir="o"), _IO) for n in range(6)),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("70", dir="i")),
            Subsignal("tx", Pins("69", dir="o")),
            _IO,
        ),
    )
    connectors = ()


BOARDS = (
    Board(
        name="tang-nano-20k",
        title="Sipeed Tang Nano 20K",
        platform=_TangNano20k,
        link=Link("BL616", (1_000_000, 115_200)),
        loader=Loader("tangnano20k", ("0403", "6010")),
        preset="tang-nano-20k",
        mhz=27.0,
        lights=tuple(("led", n, "") for n in range(6)),
        family=GOWIN,
    ),
)
