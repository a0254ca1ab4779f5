"""Reads a stream of addresses through a memory port."""

from typing import Any

from amaranth import Module, Shape, Signal, signed
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import ADDRESS_BITS, ReadPort, word_layout
from vitaccel.hw.streams.queue import Queue

__all__ = ["Fetch", "fetched_layout", "wanted_layout"]


def wanted_layout(tag: ShapeLike) -> data.StructLayout:
    """Word address, and bits that come back with its word."""
    return data.StructLayout({"address": ADDRESS_BITS, "tag": tag})


def fetched_layout(config: AcceleratorConfig, tag: ShapeLike) -> data.StructLayout:
    """Word, with the tag that its address carried."""
    return data.StructLayout({"data": word_layout(config), "tag": tag})


class Fetch(wiring.Component):
    """Read words in the order of their addresses; never ask for more than there is room for.

    Parameters
    ----------
    config
        Sets the lanes of a word.
    tag
        Shape of what travels beside each word; ``unsigned(0)`` if nothing does.
    depth
        Words under way or waiting, a power of two.

    Members
    -------
    i : In(stream of wanted_layout)
        Addresses.
    port : Out(ReadPort)
        To the memory.
    o : Out(stream of fetched_layout)
        Words with their tags, in the same order.

    Timing
    ------
    A word is offered `LATENCY` cycles after the memory's response. One word per cycle as long as
    the memory answers within ``depth - 4`` cycles. Combinational paths: ``i`` to ``port.request``,
    and its ``ready`` back.
    """

    i: stream.Interface
    port: Any
    o: stream.Interface

    LATENCY = Queue.LATENCY

    def __init__(self, config: AcceleratorConfig, tag: ShapeLike, depth: int = 16) -> None:
        self.config = config
        self.depth = depth
        self.tag = tag
        super().__init__({
            "i": In(stream.Signature(wanted_layout(tag))),
            "port": Out(ReadPort(config)),
            "o": Out(stream.Signature(fetched_layout(config, tag))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Queue(word_layout(self.config), self.depth, wide=True)
        request = self.port.request
        room = Signal(signed(exact_log2(self.depth) + 1), init=self.depth - 1)  # places left - 1
        asked = Signal()
        taken = Signal()
        m.d.comb += [
            request.payload.eq(self.i.p.address),
            request.valid.eq(self.i.valid & (room >= 0)),
            self.i.ready.eq(request.ready & (room >= 0)),
            asked.eq(request.valid & request.ready),
            taken.eq(self.o.valid & self.o.ready),
            words.i.payload.eq(self.port.data),
            words.i.valid.eq(self.port.valid),
            self.o.p.data.eq(words.o.payload),
            self.o.valid.eq(words.o.valid),
            words.o.ready.eq(self.o.ready),
        ]
        m.d.sync += room.eq(room + taken - asked)
        if Shape.cast(self.tag).width:
            # A tag enters before its word, so it is at the output no later than the word.
            m.submodules.tags = tags = Queue(self.tag, self.depth)
            m.d.comb += [
                tags.i.payload.eq(self.i.p.tag),
                tags.i.valid.eq(asked),
                self.o.p.tag.eq(tags.o.payload),
                tags.o.ready.eq(taken),
            ]
        return m
