"""Addresses of an image with what lies beyond its edges."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.ports import ADDRESS_BITS

__all__ = ["PaddedWalk", "padded_layout"]

SIZE_BITS = 13  # of a padded image


def padded_layout() -> data.StructLayout:
    """Image inside its padding; ends are counted from the first row or pixel of padding."""
    return data.StructLayout({
        "src": 16,
        "src_stride": 16,
        "pad": 16,
        "above": 3,
        "side": 3,
        "end_row": SIZE_BITS,  # first row below the image
        "end_column": SIZE_BITS,  # first pixel to the right of it
        "height": SIZE_BITS,  # with padding
        "width": SIZE_BITS,
        "n_words": 12,
    })


class PaddedWalk(wiring.Component):
    """Address of every pixel, row by row, padding included: channel word after channel word.

    Channel word w of the n-th pixel inside is ``src + w + n * src_stride``, that of padding
    ``pad + w``.

    Members
    -------
    image : In(padded_layout)
        Constant from ``start`` on until the last address was taken; 1 row, pixel and word or more.
    start : In(1)
        Begin; not before the last address of the former image was taken.
    o : Out(stream of ADDRESS_BITS)
        Addresses.

    Timing
    ------
    First address `LATENCY` cycles after ``start``, then one per cycle. `o` depends on registers
    alone.
    """

    image: data.View
    start: Signal
    o: stream.Interface

    LATENCY = 1

    def __init__(self) -> None:
        super().__init__({
            "image": In(padded_layout()),
            "start": In(1),
            "o": Out(stream.Signature(ADDRESS_BITS)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        image = self.image
        taken, row_ends, word_ends = Signal(), Signal(), Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        ends_column, in_columns = self._count(
            m, "column", taken, image.side, image.end_column, image.width
        )
        m.d.comb += row_ends.eq(taken & ends_column)
        ends_row, in_rows = self._count(
            m, "row", row_ends, image.above, image.end_row, image.height
        )
        m.d.comb += word_ends.eq(row_ends & ends_row)

        pixel = Signal(ADDRESS_BITS)
        first, pad = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)  # of the channel word
        words_left = Signal.like(image.n_words)
        inside = in_columns & in_rows
        m.d.comb += self.o.payload.eq(Mux(inside, pixel, pad))
        with m.If(self.start):
            m.d.sync += [
                self.o.valid.eq(1),
                pixel.eq(image.src),
                first.eq(image.src + 1),
                pad.eq(image.pad),
                words_left.eq(image.n_words - 1),
            ]
        with m.Elif(word_ends):
            m.d.sync += [
                self.o.valid.eq(words_left != 0),
                pixel.eq(first),
                first.eq(first + 1),
                pad.eq(pad + 1),
                words_left.eq(words_left - 1),
            ]
        with m.Elif(taken & inside):
            m.d.sync += pixel.eq(pixel + image.src_stride)
        return m

    def _count(
        self, m: Module, name: str, moves: Signal, begin: Signal, end: Signal, size: Signal
    ) -> tuple[Signal, Signal]:
        """Count 1 to ``size`` again and again; return whether it is there, and inside the image."""
        following = Signal(SIZE_BITS, init=1, name=f"{name}_next")
        inside = Signal(name=f"in_{name}s")
        last = Signal(name=f"last_{name}")
        m.d.comb += last.eq(following == size)
        with m.If(self.start | (moves & last)):
            m.d.sync += [following.eq(1), inside.eq(begin == 0)]
        with m.Elif(moves):
            m.d.sync += following.eq(following + 1)
            with m.If(following == end):
                m.d.sync += inside.eq(0)
            with m.Elif(following == begin):
                m.d.sync += inside.eq(1)
        return last, inside
