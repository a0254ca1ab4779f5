"""Addresses of the streamed words of a GEMM: rows, or the pixels under the taps of filters."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import wanted_layout
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.ports import command_layout
from vitaccel.hw.streams.skid import Skid

__all__ = ["N_LOOPS", "PixelWalk", "tag_layout"]

N_LOOPS = 3  # n_tile, k_tile, row
PLACE = signed(11)  # row or column of an image, its surroundings included


def tag_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What comes back with a streamed word."""
    relu = {"relu": 1} if config.hybrid else {}
    return data.StructLayout({"last": N_LOOPS, "unsigned": 1, **relu})


class PixelWalk(wiring.Component):
    """List the streamed words of a command, without a copy of what overlapping filters share.

    The loops are n_tile, tap row i, tap column j, word c, result m. Result m is column x of row y
    of the block; its word is that of the pixel in row ``first_row + y * s + i`` and column
    ``first_column + x * s + j`` with ``s = step + 1``: it lies at ``stream + (y * s + i) *
    image_stride + x * stream_stride + j * stream_stride / s + c`` (mod 2**16), or at ``pad + c`` if
    there is no such pixel.
    With ``kernel`` 0 there are no taps, and results lie ``stream_stride`` apart.

    Parameters
    ----------
    config
        With ``hybrid``.

    Members
    -------
    command : In(stream of command_layout(GEMM))
        Taken with the last word of the former one. ``k_tiles`` must be ``kernel**2 * tap_words``;
        otherwise the array waits for tiles or words that do not come, until the watchdog bites.
    o : Out(stream of wanted_layout(tag_layout))
        Words in the order of docs/architecture.md, "MXU"; ``last`` as of a `Walk` of those loops.

    Timing
    ------
    Latency `LATENCY`; one word per cycle, also across commands.
    """

    command: stream.Interface
    o: stream.Interface

    LATENCY = Walk.LATENCY + Skid.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.tag = tag_layout(config)
        self.layout = command_layout(isa.Op.GEMM, hybrid=config.hybrid)
        super().__init__({
            "command": In(stream.Signature(self.layout)),
            "o": Out(stream.Signature(wanted_layout(self.tag))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(5)
        m.submodules.skid = skid = Skid(wanted_layout(self.tag))
        wiring.connect(m, skid.o, wiring.flipped(self.o))
        held = Signal(self.layout, reset_less=True)
        begins, step = Signal(), Signal()
        m.d.comb += [
            self.command.ready.eq(walk.i.ready),
            walk.i.valid.eq(self.command.valid),
            begins.eq(walk.i.valid & walk.i.ready),
            skid.i.valid.eq(walk.o.valid),
            walk.o.ready.eq(skid.i.ready),
            step.eq(walk.o.valid & walk.o.ready),
            skid.i.p.tag.last.eq(Cat(walk.o.p.last[0], walk.o.p.last[1], walk.o.p.last[4])),
            skid.i.p.tag.unsigned.eq(held.unsigned),
            skid.i.p.tag.relu.eq(held.relu_stream),
        ]
        with m.If(begins):
            m.d.sync += held.eq(self.command.p)
        self._describe(m, walk)
        offset, inside, word = self._place(m, walk, held, begins, step)
        address = walk.o.p.address
        pixel = Mux(inside, (address + offset)[: len(offset)], held.pad + word)
        m.d.comb += skid.i.p.address.eq(Mux(held.kernel == 0, address, pixel))
        return m

    def _describe(self, m: Module, walk: Walk) -> None:
        """Loop nest of the command; in an image the innermost loop only counts."""
        command = self.command.p
        taps = Mux(command.kernel == 0, 1, command.kernel)
        words = Mux(command.kernel == 0, command.k_tiles, command.tap_words)
        counts = [command.n_tiles, taps, taps, words, command.n_rows]
        strides = [
            0,
            command.image_stride,
            command.stream_stride >> command.step,
            1,
            Mux(command.kernel == 0, command.stream_stride, 0),
        ]
        m.d.comb += [
            walk.i.p.base.eq(command.stream),
            *(walk.i.p.counts[k].eq(count) for k, count in enumerate(counts)),
            *(walk.i.p.strides[k].eq(stride) for k, stride in enumerate(strides)),
        ]

    def _place(
        self, m: Module, walk: Walk, held: data.View, begins: Signal, step: Signal
    ) -> tuple[Signal, Value, Signal]:
        """Offset of the result's pixel, whether there is one under the tap, number of the word."""
        tap_row, tap_column = Signal(PLACE), Signal(PLACE)  # under the tap of the first result
        row, column = Signal(PLACE), Signal(PLACE)
        offset, line = Signal(16), Signal(16)  # of the result, of the first one of its row
        x = Signal.like(held.row_pixels)
        word = Signal.like(held.tap_words)
        next_row, next_column = Signal(PLACE), Signal(PLACE)
        end_of_words, end_of_taps = walk.o.p.ends[3], walk.o.p.ends[2]
        m.d.comb += [next_row.eq(tap_row), next_column.eq(tap_column)]
        with m.If(end_of_words):
            m.d.comb += next_column.eq(tap_column + 1)
            with m.If(end_of_taps):
                m.d.comb += [
                    next_column.eq(held.first_column),
                    next_row.eq(Mux(walk.o.p.ends[1], held.first_row, tap_row + 1)),
                ]
        below = Signal.like(line)
        m.d.comb += below.eq(line + (held.image_stride << held.step))
        with m.If(begins):
            first = self.command.p
            m.d.sync += [
                *(place.eq(first.first_row) for place in (row, tap_row)),
                *(place.eq(first.first_column) for place in (column, tap_column)),
                *(count.eq(0) for count in (offset, line, x, word)),
            ]
        with m.Elif(step & walk.o.p.last[4]):
            m.d.sync += [
                *(place.eq(next_row) for place in (row, tap_row)),
                *(place.eq(next_column) for place in (column, tap_column)),
                *(count.eq(0) for count in (offset, line, x)),
                word.eq(Mux(end_of_words, 0, word + 1)),
            ]
        with m.Elif(step & (x == held.row_pixels - 1)):
            m.d.sync += [
                *(place.eq(below) for place in (offset, line)),
                x.eq(0),
                row.eq(row + 1 + held.step),
                column.eq(tap_column),
            ]
        with m.Elif(step):
            m.d.sync += [
                offset.eq(offset + held.stream_stride),
                x.eq(x + 1),
                column.eq(column + 1 + held.step),
            ]
        inside = (row.as_unsigned() < held.height) & (column.as_unsigned() < held.width)
        return offset, inside, word
