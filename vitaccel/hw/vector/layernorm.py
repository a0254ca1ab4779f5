"""LayerNorm on streams of rows."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, command_layout, word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.hw.vector.moments import SCALED, Moments, moments_latency, moments_layout
from vitaccel.hw.vector.norm_params import NormParams
from vitaccel.hw.vector.products import ProductPort
from vitaccel.hw.vector.row_scale import RowScale, row_scale_latency
from vitaccel.hw.vector.standardize import (
    Standardize,
    gain_delay,
    offset_delay,
    standardize_latency,
)

__all__ = ["LayerNorm"]

N_ROWS = 16  # rows between their last word's entry and exit
N_RESULTS = 32
SCALE_LATENCY = NormParams.LATENCY + 1


class LayerNorm(wiring.Component):
    """Normalise rows to mean 0 and variance 1, then apply gain and offset per channel.

    Formula: docs/architecture.md, VECTOR. Rows come twice: for their sums, which go through scalar
    units that work on several rows at once, and again to be normalised.

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
    i, again : In(marked words of unsigned(8) lanes)
        Rows of int8, at most ``row_words`` words each, and the same rows from a `Replay`.
    product : Out(ProductPort)
        To the multipliers that it shares.
    o : Out(stream of words)
        Rows of results; lanes outside the row are 0.

    Timing
    ------
    The first word of a row leaves `latency` cycles after its last one came. One word per cycle for
    rows of `RowScale.INTERVAL` words or more, otherwise one row every `RowScale.INTERVAL` cycles.
    Combinational path from ``again.valid`` to its ``ready``.

    Numerics
    --------
    Exact; golden twin `golden.ops.layernorm`.
    """

    fields: data.View
    i: stream.Interface
    again: stream.Interface
    o: stream.Interface
    write: stream.Interface
    product: Any

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = (
            SCALE_LATENCY + moments_latency(config) + Queue.LATENCY
            + row_scale_latency(config) + SCALE_LATENCY + standardize_latency(config)
            + Queue.LATENCY
        )  # fmt: skip
        super().__init__({
            "fields": In(command_layout(isa.Op.NORM)),
            "write": In(WritePort(config)),
            "i": In(stream.Signature(marked_layout(config, 8))),
            "again": In(stream.Signature(marked_layout(config, 8))),
            "product": Out(ProductPort(config)),
            "o": Out(stream.Signature(word_layout(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.params = params = NormParams(self.config)
        wiring.connect(m, wiring.flipped(self.write), params.write)
        m.submodules.rows_room = rows_room = Credits(N_ROWS)

        # Take a word, scale its channels, add it to its row's sums.
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq(rows_room.free),
            taken.eq(self.i.valid & self.i.ready),
            rows_room.take.eq(taken & self.i.p.last),
            params.shift_address.eq(self._channel(m, taken, self.i.p.last, "in")),
        ]
        m.submodules.moments = moments = Moments(self.config)
        m.d.comb += [
            moments.i.eq(self._scale(m, self._masked(m), params.shift, "in")),
            moments.i_valid.eq(delayed(m, taken, SCALE_LATENCY, "taken", reset_less=False)),
        ]

        # Scalar work per row, then the row again.
        m.submodules.sums = sums = Queue(moments_layout(), N_ROWS)
        m.submodules.row_scale = row_scale = RowScale(self.config)
        m.d.comb += [
            sums.i.payload.eq(moments.o),
            sums.i.valid.eq(moments.o_valid),
            row_scale.fields.eq(self.fields),
        ]
        wiring.connect(m, sums.o, row_scale.i)
        self._finish(m, params, row_scale, rows_room)
        return m

    def _channel(self, m: Module, moves: Signal, last: Signal, name: str) -> Signal:
        """Parameter word of the word that ``moves`` now."""
        index = Signal(range(self.config.row_words), name=f"index_{name}")
        address = Signal(range(self.config.vector_words), name=f"address_{name}")
        m.d.comb += address.eq(self.fields.param + index)
        with m.If(moves):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        return address

    def _masked(self, m: Module) -> data.View:
        """Word that enters, lanes outside the row 0."""
        masked = Signal.like(self.i.p, name="masked")
        m.d.comb += masked.eq(self.i.p)
        for r, lane in enumerate(masked.lanes):
            with m.If(~self.i.p.mask[r]):
                m.d.comb += lane.eq(0)
        return masked

    def _scale(self, m: Module, marked: data.View, shift: data.View, name: str) -> data.View:
        """Return the word of `SCALE_LATENCY` cycles ago, channels scaled.

        ``shift`` belongs to the word of `NormParams.LATENCY` cycles ago.
        """
        word = delayed(m, marked, NormParams.LATENCY, f"word_{name}")
        layout = marked_layout(self.config, SCALED)
        scaled = Signal(layout, name=f"scaled_{name}", reset_less=True)
        m.d.sync += [scaled.mask.eq(word.mask), scaled.last.eq(word.last)]
        for r, lane in enumerate(scaled.lanes):
            m.d.sync += lane.eq(word.lanes[r].as_signed() << shift[r])
        return scaled

    def _finish(
        self, m: Module, params: NormParams, row_scale: RowScale, rows_room: Credits
    ) -> None:
        """Join words with their row's statistics; what is launched has a place in the queue."""
        m.submodules.results = results = Queue(word_layout(self.config), N_RESULTS)
        m.submodules.results_room = results_room = Credits(N_RESULTS)
        m.submodules.standardize = standardize = Standardize(self.config)
        wiring.connect(m, standardize.product, wiring.flipped(self.product))
        launch = Signal()
        last = self.again.p.last
        channel = self._channel(m, launch, last, "again")
        gain_wait = SCALE_LATENCY + gain_delay(self.config) - NormParams.LATENCY
        offset_wait = SCALE_LATENCY + offset_delay(self.config) - NormParams.LATENCY
        statistics = delayed(m, row_scale.o.payload, SCALE_LATENCY, "statistics")
        m.d.comb += [
            launch.eq(self.again.valid & row_scale.o.valid & results_room.free),
            self.again.ready.eq(launch),
            row_scale.o.ready.eq(launch & last),
            rows_room.give.eq(launch & last),
            results_room.take.eq(launch),
            results_room.give.eq(self.o.valid & self.o.ready),
            params.shift_again_address.eq(channel),
            standardize.fields.eq(self.fields),
            standardize.i.eq(self._scale(m, self.again.p, params.shift_again, "again")),
            standardize.i_valid.eq(delayed(m, launch, SCALE_LATENCY, "launch", reset_less=False)),
            standardize.statistics.eq(statistics),
            params.gain_address.eq(delayed(m, channel, gain_wait, "gain_address")),
            params.offset_address.eq(delayed(m, channel, offset_wait, "offset_address")),
            standardize.gain.eq(params.gain),
            standardize.offset.eq(params.offset),
            results.i.payload.eq(standardize.o),
            results.i.valid.eq(standardize.o_valid),
        ]
        wiring.connect(m, results.o, wiring.flipped(self.o))
