"""LayerNorm on streams of rows."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, command_layout, word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.row_buffer import RowBuffer
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.hw.vector.moments import SCALED, Moments, moments_latency, moments_layout
from vitaccel.hw.vector.norm_params import NormParams
from vitaccel.hw.vector.row_scale import RowScale
from vitaccel.hw.vector.standardize import Standardize

__all__ = ["LayerNorm"]

N_ROWS = 16  # rows between their last word's entry and exit
SLACK = 112  # words that may follow a row while its statistics are computed
N_RESULTS = 32


class LayerNorm(wiring.Component):
    """Normalise rows to mean 0 and variance 1, then apply gain and offset per channel.

    Formula: docs/architecture.md, VECTOR. A row waits in a buffer while its sums go through the
    scalar units, which work on several rows at once.

    Parameters
    ----------
    config
        ``row_words`` and ``rows`` bound a row, ``vector_words`` its parameters.

    Members
    -------
    fields : In(command_layout(NORM))
        ``param``, ``length`` (1 to 2048), ``mean_mul``, ``mean_shift``, ``scale_shift``,
        ``post_shift`` (1 to 32), ``low``, ``high`` are used; constant while rows are inside.
    write : In(WritePort)
        Parameters, see `isa.Space.VECTOR_PARAM`. Always ready.
    i : In(marked words of unsigned(8) lanes)
        Rows of int8, at most ``row_words`` words each.
    o : Out(stream of words)
        Rows of results; lanes outside the row are 0.

    Timing
    ------
    The first word of a row leaves `latency` cycles after its last one came. One word per cycle for
    rows of `RowScale.INTERVAL` words or more, otherwise one row every `RowScale.INTERVAL` cycles.
    No combinational paths.

    Numerics
    --------
    Exact; golden twin `golden.ops.layernorm`.
    """

    fields: data.View
    i: stream.Interface
    o: stream.Interface
    write: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = (
            NormParams.LATENCY + 1 + moments_latency(config) + Queue.LATENCY
            + RowScale.LATENCY + Standardize.LATENCY + Queue.LATENCY
        )  # fmt: skip
        super().__init__({
            "fields": In(command_layout(isa.Op.NORM)),
            "write": In(WritePort(config)),
            "i": In(stream.Signature(marked_layout(config, 8))),
            "o": Out(stream.Signature(word_layout(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = marked_layout(self.config, SCALED)
        m.submodules.params = params = NormParams(self.config)
        wiring.connect(m, wiring.flipped(self.write), params.write)
        m.submodules.words = words = RowBuffer(layout, self.config.row_words + SLACK)
        m.submodules.words_room = words_room = Credits(words.depth)
        m.submodules.rows_room = rows_room = Credits(N_ROWS)

        # Take a word, scale its channels, keep it and add it to its row's sums.
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq(words_room.free & rows_room.free),
            taken.eq(self.i.valid & self.i.ready),
            words_room.take.eq(taken),
            rows_room.take.eq(taken & self.i.p.last),
            params.shift_address.eq(self._channel(m, taken, self.i.p.last, "in")),
        ]
        scaled, scaled_valid = self._scale(m, params, taken)
        m.submodules.moments = moments = Moments(self.config)
        m.d.comb += [
            moments.i.eq(scaled),
            moments.i_valid.eq(scaled_valid),
            words.i.payload.eq(scaled),
            words.i.valid.eq(scaled_valid),
        ]

        # Scalar work per row, then the row again.
        m.submodules.sums = sums = Queue(moments_layout(), N_ROWS)
        m.submodules.row_scale = row_scale = RowScale()
        m.d.comb += [
            sums.i.payload.eq(moments.o),
            sums.i.valid.eq(moments.o_valid),
            row_scale.fields.eq(self.fields),
        ]
        wiring.connect(m, sums.o, row_scale.i)
        self._finish(m, params, words, row_scale, words_room, rows_room)
        return m

    def _channel(self, m: Module, moves: Signal, last: Signal, name: str) -> Signal:
        """Parameter word of the word that ``moves`` now."""
        index = Signal(range(self.config.row_words), name=f"index_{name}")
        address = Signal(range(self.config.vector_words), name=f"address_{name}")
        m.d.comb += address.eq(self.fields.param + index)
        with m.If(moves):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return address

    def _scale(self, m: Module, params: NormParams, taken: Signal) -> tuple[data.View, Signal]:
        """Return the word taken three cycles ago with masked lanes 0 and channels scaled."""
        word = Signal.like(self.i.p, reset_less=True)
        m.d.sync += [
            word.mask.eq(self.i.p.mask),
            word.last.eq(self.i.p.last),
        ]
        m.d.sync += [
            lane.eq(Mux(self.i.p.mask[r], self.i.p.lanes[r], 0))
            for r, lane in enumerate(word.lanes)
        ]
        word = delayed(m, word, NormParams.LATENCY - 1, "word")
        scaled = Signal(marked_layout(self.config, SCALED), reset_less=True)
        m.d.sync += [scaled.mask.eq(word.mask), scaled.last.eq(word.last)]
        for r, lane in enumerate(scaled.lanes):
            m.d.sync += lane.eq(word.lanes[r].as_signed() << params.shift[r])
        return scaled, delayed(m, taken, NormParams.LATENCY + 1, "taken", reset_less=False)

    def _finish(
        self, m: Module, params: NormParams, words: RowBuffer, row_scale: RowScale,
        words_room: Credits, rows_room: Credits,
    ) -> None:  # fmt: skip
        """Join words with their row's statistics; what is launched has a place in the queue."""
        m.submodules.results = results = Queue(word_layout(self.config), N_RESULTS)
        m.submodules.results_room = results_room = Credits(N_RESULTS)
        m.submodules.standardize = standardize = Standardize(self.config)
        launch = Signal()
        last = words.o.p.last
        channel = self._channel(m, launch, last, "out")
        gain_wait = Standardize.GAIN_DELAY - NormParams.LATENCY
        offset_wait = Standardize.OFFSET_DELAY - NormParams.LATENCY
        m.d.comb += [
            launch.eq(words.o.valid & row_scale.o.valid & results_room.free),
            words.o.ready.eq(launch),
            row_scale.o.ready.eq(launch & last),
            words_room.give.eq(launch),
            rows_room.give.eq(launch & last),
            results_room.take.eq(launch),
            results_room.give.eq(self.o.valid & self.o.ready),
            standardize.fields.eq(self.fields),
            standardize.i.eq(words.o.payload),
            standardize.i_valid.eq(launch),
            standardize.statistics.eq(row_scale.o.payload),
            params.gain_address.eq(delayed(m, channel, gain_wait, "gain_address")),
            params.offset_address.eq(delayed(m, channel, offset_wait, "offset_address")),
            standardize.gain.eq(params.gain),
            standardize.offset.eq(params.offset),
            results.i.payload.eq(standardize.o),
            results.i.valid.eq(standardize.o_valid),
        ]
        wiring.connect(m, results.o, wiring.flipped(self.o))
