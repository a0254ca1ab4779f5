"""Order in which the depthwise engine takes pixels in and multiplies windows."""

from collections.abc import Callable

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.padded_walk import SIZE_BITS
from vitaccel.windows import KERNELS, column_steps

__all__ = ["WindowWalk", "step_layout", "windows_layout"]

COLUMN_BITS = 3  # of the kernel


def windows_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Padded image and its windows."""
    return data.StructLayout({
        "height": SIZE_BITS,
        "width": range(config.depthwise_width + 1),
        "n_words": 12,
        "five": 1,  # kernel of 5 x 5, else 3 x 3
        "by_two": 1,  # stride 2, else 1
        "weight": range(config.depthwise_steps),
        "param": range(config.depthwise_words * config.depthwise_cycles),
    })


def step_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What happens in one cycle."""
    return data.StructLayout({
        "column": range(config.depthwise_width),
        "fresh": 1,  # the next word of the image goes below the pixels of the column
        "reads": 1,  # the column is read; else it is that of the step before
        "works": 1,  # part of it is multiplied:
        "group": range(column_steps(config, KERNELS[-1])),
        "weight": range(config.depthwise_steps),
        "first": 1,  # of a window
        "last": 1,
        "restart": 1,  # it is the first window of its channel word
        "param": range(config.depthwise_words * config.depthwise_cycles),
    })


class WindowWalk(wiring.Component):
    """Decide, cycle by cycle, which column of the line buffer is filled, which one multiplied.

    A row of the padded image that ends no windows just goes in. In another one the first
    ``kernel - stride`` pixels go in; then for every window ``stride`` columns are filled and
    multiplied at once and the others, which the windows before have filled, multiplied again. So
    the line buffer is read once and written at most once in a cycle, and a column never less than
    3 steps after it was filled but in the next step of the same column.

    Parameters
    ----------
    config
        ``depthwise_taps``: a column takes ``ceil(kernel / depthwise_taps)`` steps.

    Members
    -------
    image : In(windows_layout)
        Constant from ``start`` on while ``running``; not smaller than a window.
    start : In(1)
        Begin; not while ``running``.
    word : In(1)
        The next word of the image is there; taken with a step that is ``fresh``.
    room : In(1)
        There is room for the result of a window, taken with its first step.
    step : Out(step_layout)
        A step, of which ``weight`` counts on from window to window of a channel word anew.
    go : Out(1)
        It happens in this cycle.
    running : Out(1)
        There are steps left.

    Timing
    ------
    First step `LATENCY` cycles after ``start``, then one per cycle: in all `windows.walk_cycles`.
    Combinational from ``word`` and ``room`` to ``go``.
    """

    image: data.View
    start: Signal
    word: Signal
    room: Signal
    step: data.View
    go: Signal
    running: Signal

    LATENCY = 1

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "image": In(windows_layout(config)),
            "start": In(1),
            "word": In(1),
            "room": In(1),
            "step": Out(step_layout(config)),
            "go": Out(1),
            "running": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        filling = Signal()  # no window is under way
        index = Signal(COLUMN_BITS)  # of the columns of a window, in the order of steps
        group = Signal.like(self.step.group)
        arriving = Signal()  # the column's pixel has not come yet
        begins = Signal()  # a window
        window_ends = Signal()
        m.d.comb += [
            self.go.eq(self.running & (self.word | ~arriving) & (self.room | ~begins)),
            self.step.fresh.eq(arriving),
            self.step.reads.eq(group == 0),
            self.step.works.eq(~filling),
            self.step.group.eq(group),
            self.step.first.eq(begins),
            self.step.last.eq(window_ends),
        ]
        works = self.go & ~filling
        moves = Signal()  # to the next column of the window
        m.d.comb += [
            moves.eq(works & (group == self._select(lambda k: column_steps(self.config, k) - 1))),
            window_ends.eq(moves & (index == self._select(lambda k: k - 1))),
        ]
        with m.If(window_ends):
            m.d.sync += [index.eq(0), group.eq(0)]
        with m.Elif(moves):
            m.d.sync += [index.eq(index + 1), group.eq(0)]
        with m.Elif(works):
            m.d.sync += group.eq(group + 1)
        again = moves & (index >= self._stride())
        row_ends, ends_windows = self._columns(m, filling, begins, arriving, again, window_ends)
        with m.If(self.start | row_ends | window_ends):
            m.d.sync += arriving.eq(1)
        with m.Elif(moves):
            m.d.sync += arriving.eq(index + 1 < self._stride())
        with m.Elif(works):
            m.d.sync += arriving.eq(0)
        word_ends = self._rows(m, row_ends, ends_windows)
        self._words(m, word_ends, works, window_ends)
        return m

    def _select(self, of_kernel: Callable[[int], int]) -> Value:
        small, large = map(of_kernel, KERNELS)
        return Mux(self.image.five, large, small)

    def _stride(self) -> Value:
        return Mux(self.image.by_two, 2, 1)

    def _columns(
        self,
        m: Module,
        filling: Signal,
        begins: Signal,
        arriving: Signal,
        again: Value,
        window_ends: Signal,
    ) -> tuple[Value, Signal]:
        """Fill columns from the left; return whether the row ends and whether it ends windows."""
        image, stride = self.image, self._stride()
        fresh = Signal.like(self.step.column)  # to be filled next
        left = Signal.like(image.width)  # still to be filled
        base = Signal.like(self.step.column)  # of the window
        former = Signal.like(self.step.column)  # to be multiplied again next
        ends_windows = Signal()
        row_ends, window_waits = Signal(), Signal()
        arrives = self.go & arriving
        m.d.comb += [
            self.step.column.eq(Mux(arriving, fresh, former)),
            row_ends.eq(Mux(filling, arrives & (left == 1), window_ends & (left == 0))),
            window_waits.eq(ends_windows & (fresh == self._select(lambda k: k - 1) - stride)),
        ]
        with m.If(self.start | row_ends):
            m.d.sync += [
                fresh.eq(0), base.eq(0), former.eq(0), left.eq(image.width), filling.eq(1),
                begins.eq(0),
            ]  # fmt: skip
        with m.Else():
            with m.If(self.go):
                m.d.sync += begins.eq(0)
            with m.If(arrives):
                m.d.sync += [fresh.eq(fresh + 1), left.eq(left - 1)]
            with m.If(window_ends):
                m.d.sync += [base.eq(base + stride), former.eq(base + stride)]
                m.d.sync += [filling.eq(left < stride), begins.eq(left >= stride)]
            with m.Elif(again):
                m.d.sync += former.eq(former + 1)
            with m.If(filling & arrives & window_waits):
                m.d.sync += [filling.eq(0), begins.eq(1)]
        return row_ends, ends_windows

    def _rows(self, m: Module, row_ends: Value, ends_windows: Signal) -> Signal:
        """Count rows; return whether the channel word ends."""
        image = self.image
        left = Signal.like(image.height)
        skipped = Signal(COLUMN_BITS)  # rows to go in until one ends windows
        word_ends = Signal()
        m.d.comb += [ends_windows.eq(skipped == 0), word_ends.eq(row_ends & (left == 1))]
        with m.If(self.start | word_ends):
            m.d.sync += [left.eq(image.height), skipped.eq(self._select(lambda k: k - 1))]
        with m.Elif(row_ends):
            m.d.sync += [
                left.eq(left - 1),
                skipped.eq(Mux(ends_windows, image.by_two, skipped - 1)),
            ]
        return word_ends

    def _words(self, m: Module, word_ends: Signal, works: Value, window_ends: Signal) -> None:
        """Count channel words; their weights and parameters."""
        image = self.image
        left = Signal.like(image.n_words)
        weight, param = Signal.like(image.weight), Signal.like(image.param)
        first, following = Signal.like(weight), Signal.like(weight)  # of this word, of the next
        restart = Signal()
        m.d.comb += [
            self.step.weight.eq(weight),
            self.step.param.eq(param),
            self.step.restart.eq(restart),
        ]
        with m.If(window_ends):
            m.d.sync += [following.eq(weight + 1), weight.eq(first), restart.eq(0)]
        with m.Elif(works):
            m.d.sync += weight.eq(weight + 1)
        with m.If(self.start):
            m.d.sync += [
                self.running.eq(1),
                left.eq(image.n_words),
                weight.eq(image.weight),
                first.eq(image.weight),
                param.eq(image.param),
                restart.eq(1),
            ]
        with m.Elif(word_ends):
            after = Mux(window_ends, weight + 1, following)
            m.d.sync += [
                self.running.eq(left != 1),
                left.eq(left - 1),
                weight.eq(after),
                first.eq(after),
                param.eq(param + self.config.depthwise_cycles),
                restart.eq(1),
            ]
