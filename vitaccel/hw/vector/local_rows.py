"""On-chip side of LOAD and STORE: the local addresses of queued commands."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.memory.walk import Walk, walk_layout
from vitaccel.hw.ports import ADDRESS_BITS
from vitaccel.hw.streams.queue import Queue

__all__ = ["LocalRows", "local_layout", "place_layout"]


def local_layout(tag: ShapeLike) -> data.StructLayout:
    """Fields of a command; ``tag`` comes back with each of its words."""
    return data.StructLayout({
        "local": ADDRESS_BITS,
        "local_stride": 16,
        "n_rows": 16,
        "n_words": 16,
        "tag": tag,
    })


def place_layout(tag: ShapeLike) -> data.StructLayout:
    """Where one word belongs; ``row_ends`` and ``last`` mark the last of its row and command."""
    return data.StructLayout({"address": ADDRESS_BITS, "row_ends": 1, "last": 1, "tag": tag})


class LocalRows(wiring.Component):
    """Give the addresses ``local + row * local_stride + word``, command by command.

    Parameters
    ----------
    tag
        Shape of what every address of a command carries.

    Members
    -------
    i : In(stream of local_layout)
        Commands; `DEPTH` of them wait here.
    o : Out(stream of place_layout)
        Addresses.

    Timing
    ------
    First address `LATENCY` cycles after the command, then one per cycle, also across commands.
    `o` and ``i.ready`` depend on registers alone.
    """

    i: stream.Interface
    o: stream.Interface

    DEPTH = 4
    LATENCY = Queue.LATENCY + Walk.LATENCY

    def __init__(self, tag: ShapeLike) -> None:
        self.tag = tag
        super().__init__({
            "i": In(stream.Signature(local_layout(tag))),
            "o": Out(stream.Signature(place_layout(tag))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = data.StructLayout({"walk": walk_layout(2), "tag": self.tag})
        m.submodules.commands = commands = Queue(shape, self.DEPTH)
        m.submodules.walk = walk = Walk(2)
        tag = Signal(self.tag)
        m.d.comb += [
            commands.i.p.walk.base.eq(self.i.p.local),
            commands.i.p.walk.counts[0].eq(self.i.p.n_rows),
            commands.i.p.walk.counts[1].eq(self.i.p.n_words),
            commands.i.p.walk.strides[0].eq(self.i.p.local_stride),
            commands.i.p.walk.strides[1].eq(1),
            commands.i.p.tag.eq(self.i.p.tag),
            commands.i.valid.eq(self.i.valid),
            self.i.ready.eq(commands.i.ready),
            walk.i.payload.eq(commands.o.p.walk),
            walk.i.valid.eq(commands.o.valid),
            commands.o.ready.eq(walk.i.ready),
            self.o.p.address.eq(walk.o.p.address),
            self.o.p.row_ends.eq(walk.o.p.last[1]),
            self.o.p.last.eq(walk.o.p.last[0]),
            self.o.p.tag.eq(tag),
            self.o.valid.eq(walk.o.valid),
            walk.o.ready.eq(self.o.ready),
        ]
        with m.If(walk.i.valid & walk.i.ready):
            m.d.sync += tag.eq(commands.o.p.tag)
        return m
