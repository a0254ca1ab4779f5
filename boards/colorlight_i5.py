"""Colorlight i5 7.0 on its extension board.

Source: wuxx, Colorlight-FPGA-Projects, schematics of the i5 7.0 and of its extension board 6.0.
25 MHz; a DAPLink is both cable and serial port.
"""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform

from boards.board import Board, Link, Loader

__all__ = ["BOARDS"]

_IO = Attrs(IO_TYPE="LVCMOS33")


class _Platform(LatticeECP5Platform):
    """The pins that are used here; amaranth-boards does not have this board."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = (
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _IO),
        Resource("led", 0, PinsN("U16", dir="o"), _IO),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("H18", dir="i")),
            Subsignal("tx", Pins("J17", dir="o")),
            _IO,
        ),
    )
    connectors = ()


BOARDS = (
    Board(
        name="colorlight-i5",
        title="Colorlight i5",
        platform=_Platform,
        link=Link("DAPLink", (115_200,)),
        loader=Loader("colorlight-i5", ("0d28", "0204")),
        preset="small",
        mhz=50.0,
        lights=(("led", 0, ""),),
    ),
)
