"""Takes commands of the depthwise engine, measures and checks them."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.padded_walk import padded_layout
from vitaccel.hw.depthwise.results import scaling_layout
from vitaccel.hw.depthwise.window_walk import windows_layout
from vitaccel.hw.ports import command_layout
from vitaccel.hw.post.post_tiles import MAX_POST_SHIFT, MAX_PRE_SHIFT
from vitaccel.hw.primitives.times import times
from vitaccel.hw.streams.admission import Admission
from vitaccel.windows import KERNELS, STRIDES, steps

__all__ = ["Geometry"]

FIVE = KERNELS[-1]


class Geometry(wiring.Component):
    """Hold a command while it runs, in the terms of those who work on it.

    Parameters
    ----------
    config
        ``depthwise_*``, ``table_slots``.

    Members
    -------
    command : In(stream of command_layout(DEPTHWISE))
        Taken once the former command has ended.
    start : Out(1)
        Pulse: a command begins; what follows is constant until it has ended.
    runs : Out(1)
        From the cycle after on.
    ended : In(1)
        The command has done all its work, while ``runs``.
    image, windows, scaling, is_unsigned, dst, dst_stride : Out
        The command.
    fault : Out(Status)
        Held until reset, and no command is taken any more. ILLEGAL_FIELD: no pixel or channel word,
        no such kernel or stride, padded image smaller than a window or wider than
        ``depthwise_width``, ``pre_shift`` above 15, ``post_shift`` not 1 to 32, no such slot.
        LOCAL_ADDRESS: weights past ``depthwise_steps`` or parameters past ``depthwise_words``.
    busy : Out(1)
        A command was taken that has not ended.

    Timing
    ------
    ``start`` comes `LATENCY` cycles after a command was taken.
    """

    command: stream.Interface
    start: Signal
    runs: Signal
    ended: Signal
    image: data.View
    windows: data.View
    scaling: data.View
    is_unsigned: Signal
    dst: Signal
    dst_stride: Signal
    fault: Signal
    busy: Signal

    LATENCY = Admission.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.DEPTHWISE))),
            "start": Out(1),
            "runs": Out(1),
            "ended": In(1),
            "image": Out(padded_layout()),
            "windows": Out(windows_layout(config)),
            "scaling": Out(scaling_layout(config)),
            "is_unsigned": Out(1),
            "dst": Out(16),
            "dst_stride": Out(16),
            "fault": Out(isa.Status),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.admission = admission = Admission(command_layout(isa.Op.DEPTHWISE))
        wiring.connect(m, wiring.flipped(self.command), admission.command)
        fields = admission.held
        n_steps = self._measure(m, fields)
        self._hand_on(m, fields)
        m.d.comb += [
            admission.status.eq(self._check(m, fields, n_steps)),
            admission.ended.eq(self.ended),
            self.start.eq(admission.start),
            self.runs.eq(admission.runs),
            self.fault.eq(admission.fault),
            self.busy.eq(admission.busy),
        ]
        return m

    def _measure(self, m: Module, fields: data.View) -> Signal:
        """Size of the padded image; return the steps of all weights. One cycle later."""
        of_kernel = [times(fields.n_words, steps(self.config, kernel)) for kernel in KERNELS]
        n_steps = Signal(max(map(len, of_kernel)))
        m.d.sync += [
            n_steps.eq(Mux(fields.kernel == FIVE, of_kernel[1], of_kernel[0])),
            self.image.width.eq(fields.width + (fields.side << 1)),
            self.image.height.eq(fields.above + fields.height + fields.below),
            self.image.end_column.eq(fields.side + fields.width),
            self.image.end_row.eq(fields.above + fields.height),
        ]
        return n_steps

    def _hand_on(self, m: Module, fields: data.View) -> None:
        image, windows = self.image, self.windows
        same = ("src", "src_stride", "pad", "above", "side", "n_words")
        m.d.comb += [
            *(image[name].eq(fields[name]) for name in same),
            *(self.scaling[name].eq(fields[name]) for name, _ in self.scaling.shape()),
            windows.height.eq(image.height),
            windows.width.eq(image.width),
            windows.n_words.eq(fields.n_words),
            windows.five.eq(fields.kernel == FIVE),
            windows.by_two.eq(fields.stride == STRIDES[-1]),
            windows.weight.eq(fields.weights),
            self.is_unsigned.eq(fields.unsigned),
            self.dst.eq(fields.dst),
            self.dst_stride.eq(fields.dst_stride),
        ]
        # Parameters are read part by part.
        m.d.sync += windows.param.eq(times(fields.param, self.config.depthwise_cycles))

    def _check(self, m: Module, fields: data.View, n_steps: Signal) -> Value:
        """Return what is wrong with a command that has been measured."""
        config, image = self.config, self.image
        status = Signal(isa.Status)
        illegal = (
            (fields.height == 0) | (fields.width == 0) | (fields.n_words == 0)
            | ~_among(fields.kernel, KERNELS) | ~_among(fields.stride, STRIDES)
            | (image.width > config.depthwise_width)
            | (image.width < fields.kernel) | (image.height < fields.kernel)
            | (fields.pre_shift > MAX_PRE_SHIFT)
            | (fields.post_shift == 0) | (fields.post_shift > MAX_POST_SHIFT)
            | (fields.use_table & (fields.table >= config.table_slots))
        )  # fmt: skip
        with m.If(illegal):
            m.d.comb += status.eq(isa.Status.ILLEGAL_FIELD)
        with m.Elif(
            (fields.weights + n_steps > config.depthwise_steps)
            | (fields.param + fields.n_words > config.depthwise_words)
        ):
            m.d.comb += status.eq(isa.Status.LOCAL_ADDRESS)
        return status


def _among(value: Value, legal: tuple[int, ...]) -> Value:
    first, second = legal
    return (value == first) | (value == second)
