"""Streams activations into the array, tile after tile."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.mxu.accumulators import Accumulators, beat_layout
from vitaccel.hw.mxu.column import lanes_layout
from vitaccel.hw.mxu.pixel_walk import N_LOOPS, PixelWalk, tag_layout
from vitaccel.hw.mxu.skew import Skew
from vitaccel.hw.ports import ReadPort, command_layout
from vitaccel.hw.streams.stream import link

__all__ = ["Streamer"]


class Streamer(wiring.Component):
    """Launch a beat whenever its word is there and, if it begins a tile, the tile is loaded.

    Parameters
    ----------
    config
        Lanes, ``accumulator_rows``.

    Members
    -------
    command : In(stream of command_layout(GEMM))
        The next one may be taken before the beats of the former are launched.
    port : Out(ReadPort)
        Activation memory.
    loaded : In(1), used : Out(1)
        The shadows hold the next tile; they are about to be swapped in.
    free : In(1), claim : Out(1)
        See `Accumulators`.
    beat : Out(beat_layout)
        The launched beat; its lanes enter the array in the next cycle.
    lanes, swap : Out
        For the array.
    done : Out(1)
        The last beat of a command is launched.

    Timing
    ------
    One beat per cycle. Tiles follow without a gap if the next is loaded and they have at
    least `Accumulators.HAZARD` rows, otherwise as soon as both are true.
    """

    command: stream.Interface
    port: Any
    loaded: Signal
    used: Signal
    free: Signal
    claim: Signal
    beat: data.View
    lanes: data.View
    swap: Signal
    done: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.GEMM, hybrid=config.hybrid))),
            "port": Out(ReadPort(config)),
            "loaded": In(1),
            "used": Out(1),
            "free": In(1),
            "claim": Out(1),
            "beat": Out(beat_layout(config)),
            "lanes": Out(lanes_layout(config)),
            "swap": Out(1),
            "done": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fetch = fetch = Fetch(self.config, tag_layout(self.config))
        wiring.connect(m, fetch.port, wiring.flipped(self.port))
        if self.config.hybrid:
            m.submodules.walk = walk = PixelWalk(self.config)
            wiring.connect(m, wiring.flipped(self.command), walk.command)
            link(m, walk.o, fetch.i)
        else:
            self._ask(m, fetch)

        # Decide whether the word that waits is launched.
        starting = Signal(init=1)  # it begins a tile
        first = Signal(init=1)  # its tile begins a bank
        row = Signal(range(self.config.accumulator_rows))
        pause = Signal(range(Accumulators.HAZARD))  # cycles until a tile may start
        launch = Signal()
        last = fetch.o.p.tag.last
        allowed = self.loaded & (self.free | ~first) & (pause == 0)
        m.d.comb += [
            fetch.o.ready.eq(~starting | allowed),
            launch.eq(fetch.o.valid & fetch.o.ready),
            self.used.eq(launch & starting),
            self.claim.eq(self.used & first),
        ]
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(launch):
            m.d.sync += [starting.eq(last[2]), row.eq(Mux(last[2], 0, row + 1))]
        with m.If(launch & last[2]):
            m.d.sync += first.eq(last[1])
            # From here to this row of the next tile are as many beats as rows, and these cycles.
            with m.If(row < Accumulators.HAZARD - 1):
                m.d.sync += pause.eq(Accumulators.HAZARD - 1 - row)
        m.d.sync += [
            self.beat.valid.eq(launch),
            self.beat.first.eq(first),
            self.beat.last.eq(last[1]),
            self.beat.address.eq(row),
            self.done.eq(launch & last[0]),
        ]
        self._lanes(m, fetch)
        return m

    def _ask(self, m: Module, fetch: Fetch) -> None:
        """Ask for all words of a command, rows of equal distance."""
        m.submodules.walk = walk = Walk(N_LOOPS)
        command = self.command.p
        unsigned = Signal()
        m.d.comb += [
            self.command.ready.eq(walk.i.ready),
            walk.i.valid.eq(self.command.valid),
            walk.i.p.base.eq(command.stream),
            Cat(walk.i.p.counts).eq(Cat(command.n_tiles, command.k_tiles, command.n_rows)),
            walk.i.p.strides[1].eq(1),
            walk.i.p.strides[2].eq(command.stream_stride),
            fetch.i.valid.eq(walk.o.valid),
            walk.o.ready.eq(fetch.i.ready),
            fetch.i.p.address.eq(walk.o.p.address),
            fetch.i.p.tag.last.eq(walk.o.p.last),
            fetch.i.p.tag.unsigned.eq(unsigned),
        ]
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += unsigned.eq(command.unsigned)

    def _lanes(self, m: Module, fetch: Fetch) -> None:
        """Register the word, then widen and skew its lanes."""
        m.submodules.skew = skew = Skew(lanes_layout(self.config))
        word = Signal.like(fetch.o.p.data, reset_less=True)
        unsigned, swap = Signal(), Signal()
        m.d.sync += [
            word.eq(fetch.o.p.data),
            unsigned.eq(fetch.o.p.tag.unsigned),
            swap.eq(self.used),
            self.swap.eq(swap),
        ]
        for r in range(self.config.rows):
            m.d.comb += skew.i[r].eq(Cat(word[r], word[r][7] & ~unsigned))
            if self.config.hybrid:
                with m.If(fetch.o.p.tag.relu & fetch.o.p.data[r][7]):
                    m.d.sync += word[r].eq(0)
        m.d.comb += self.lanes.eq(skew.o)
