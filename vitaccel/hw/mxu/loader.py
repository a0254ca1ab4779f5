"""Loads stationary tiles into the shadow registers of the array, ahead of their use."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.mxu.column import physical_columns
from vitaccel.hw.mxu.pair_reader import PairReader
from vitaccel.hw.mxu.skew import Skew
from vitaccel.hw.mxu.tile_walk import TileWalk, target_layout
from vitaccel.hw.mxu.transposer import Transposer
from vitaccel.hw.ports import ReadPort, command_layout, word_layout
from vitaccel.hw.streams.stream import link

__all__ = ["Loader", "stationary_layout"]


def stationary_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What goes with a stationary word, see `control_layout`."""
    return data.StructLayout({"take": 1, "tag": range(physical_columns(config)), "wide": 1})


class Loader(wiring.Component):
    """Fetch the words of each tile and send them off as soon as the shadows are free.

    Parameters
    ----------
    config
        Sizes of the array.

    Members
    -------
    command : In(stream of command_layout(GEMM))
        Taken once all words of the former one are asked for.
    weights, stationary : Out(ReadPort)
        Weight buffer; activation memory.
    loaded : Out(1), used : In(1)
        All words of a tile are on their way; a beat that swaps them in is launched.
    words, control : Out
        For the array.

    Timing
    ------
    One word per cycle; two blocks of R words wait here while the shadows are full. Words for
    ``Columns.PACKED`` are asked for in two cycles each. A command that reads another memory than
    the former one, or pairs of words when that did not, waits for the former's answers.
    """

    command: stream.Interface
    weights: Any
    stationary: Any
    loaded: Signal
    used: Signal
    words: data.View
    control: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.GEMM, hybrid=config.hybrid))),
            "weights": Out(ReadPort(config)),
            "stationary": Out(ReadPort(config)),
            "loaded": Out(1),
            "used": In(1),
            "words": Out(word_layout(config)),
            "control": Out(stationary_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = TileWalk(self.config)
        depth = max(16, 2 << ceil_log2(self.config.rows))
        m.submodules.fetch = fetch = Fetch(self.config, target_layout(self.config), depth)
        link(m, wiring.flipped(self.command), walk.command)
        link(m, walk.o, fetch.i)
        self._switch(m, walk, fetch)

        # Send the word that waits if the shadows are free. A block must not be interrupted.
        tag = fetch.o.p.tag
        stock = Signal(range(fetch.depth + 1))  # words that wait
        send = Signal()
        whole = ~(tag.transposed & tag.start) | (stock >= self.config.rows)
        m.d.comb += [
            fetch.o.ready.eq(~self.loaded & whole),
            send.eq(fetch.o.valid & fetch.o.ready),
        ]
        m.d.sync += [
            stock.eq(stock + fetch.port.valid - send),
            self.loaded.eq(Mux(self.loaded, ~self.used, send & tag.end)),
        ]
        self._send(m, fetch, send)
        return m

    def _switch(self, m: Module, walk: TileWalk, fetch: Fetch) -> None:
        """Connect the memory that the next word is in, once all former words have come."""
        wanted = Cat(walk.o.p.tag.weights, walk.paired)
        chosen, settled = Signal(2), Signal()
        under_way = Signal(range(fetch.depth + 1))
        asked = fetch.port.request.valid & fetch.port.request.ready
        m.d.comb += settled.eq(chosen == wanted)
        m.d.sync += under_way.eq(under_way + asked - fetch.port.valid)
        with m.If(fetch.i.valid & (under_way == 0)):
            m.d.sync += chosen.eq(wanted)
        stationary = self.stationary
        if self.config.packed:
            m.submodules.pairs = pairs = PairReader(self.config)
            wiring.connect(m, pairs.memory, wiring.flipped(stationary))
            m.d.comb += [pairs.paired.eq(chosen[1]), pairs.distance.eq(walk.distance)]
            stationary = pairs.port
        for port, mine in ((self.weights, chosen[0]), (stationary, ~chosen[0])):
            m.d.comb += [
                port.request.payload.eq(fetch.port.request.payload),
                port.request.valid.eq(fetch.port.request.valid & settled & mine),
            ]
            with m.If(mine):
                m.d.comb += [
                    fetch.port.request.ready.eq(port.request.ready & settled),
                    fetch.port.valid.eq(port.valid),
                    fetch.port.data.eq(port.data),
                ]

    def _send(self, m: Module, fetch: Fetch, send: Signal) -> None:
        """Register the word without lanes of other rows, then skew or transpose it."""
        m.submodules.skew = skew = Skew(word_layout(self.config))
        m.submodules.transposer = transposer = Transposer(self.config)
        tag = fetch.o.p.tag
        word = Signal.like(fetch.o.p.data, reset_less=True)
        sent = Signal.like(self.control)
        transposed = Signal(self.config.rows + 1)  # bit r + 1: lane r of a word to transpose
        m.d.sync += [
            word.eq(fetch.o.p.data),
            sent.take.eq(send),
            sent.tag.eq(tag.tag),
            sent.wide.eq(tag.wide),
            self.control.eq(sent),
            transposer.start.eq(send & tag.transposed & tag.start),
            transposed.eq(Cat(tag.transposed, transposed)),
        ]
        m.d.comb += [skew.i.eq(word), transposer.i.eq(word)]
        for row in range(self.config.rows):
            cleared = (tag.before > row) | (tag.after >= self.config.rows - row)
            if self.config.hybrid:
                cleared |= tag.relu & fetch.o.p.data[row][7]
            with m.If(cleared):
                m.d.sync += word[row].eq(0)
            lane = Mux(transposed[row + 1], transposer.o[row], skew.o[row])
            m.d.comb += self.words[row].eq(lane)
