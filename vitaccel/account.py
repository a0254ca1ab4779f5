"""Where the cycles of the array went: each is a useful beat or lost, and every loss has a cause."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.spans import Span, producers, working_steps
from vitaccel.tiles import load_cycles, usable_columns
from vitaccel.traffic import load_kind

if TYPE_CHECKING:  # the compiler itself times programs
    from vitaccel.compile.program import Decoded, Program

__all__ = ["Account", "Cause", "Segment", "account"]

START = 4  # cycles from the last token of a GEMM until the array has taken its command
LATE = 8  # cycles by which a GEMM that has its tokens may start later for other reasons


class Cause(StrEnum):
    """What became of a cycle of the array, in words."""

    USEFUL = "useful beats"
    PADDING = "beats on rows and columns that hold no operand"
    NARROW = "beats on columns that 8-bit operands cannot use"
    RELOAD = "next tile takes longer to load than this one's rows"
    BANKS = "both accumulator banks full: waiting for POST"
    RESULT = "waiting for a result from POST"
    NORM = "waiting for LayerNorm"
    SOFTMAX = "waiting for softmax"
    DEPTHWISE = "waiting for a depthwise convolution"
    WEIGHTS = "waiting for weights from memory"
    IMAGE = "waiting for the image from memory"
    ACTIVATIONS = "waiting for activations from memory"
    STORE = "waiting for STORE"
    PROGRAM = "waiting for instructions"
    END = "last results on their way out"


class Segment(NamedTuple):
    """Cycles ``start`` to ``end`` of the array, in the service of ``layer``."""

    start: int
    end: int
    cause: Cause
    layer: str


@dataclass(frozen=True)
class Account:
    """Cycles of one run by cause.

    Parameters
    ----------
    cycles
        Of the run.
    layers
        Per layer its cycles by cause. What the array waited for before the first beat of a layer
        counts for this layer. All of them add up to ``cycles``.
    segments
        The same in the order of time; beats are `Cause.USEFUL` there, whatever part of the array
        they use, and beats and reloads of a GEMM are put together.
    """

    cycles: int
    layers: Mapping[str, Counter[Cause]]
    segments: Sequence[Segment]

    def totals(self) -> dict[Cause, int]:
        """Cycles by cause over all layers; they add up to ``cycles``."""
        total: Counter[Cause] = Counter()
        for causes in self.layers.values():
            total.update(causes)
        return {cause: total[cause] for cause in Cause if total[cause]}

    def lines(self) -> list[str]:
        """The totals in words, largest loss first."""
        totals = self.totals()
        order = sorted(totals, key=lambda cause: (cause != Cause.USEFUL, -totals[cause]))
        width = len(str(self.cycles))
        return [f"{totals[c]:>{width}} cycles, {totals[c] / self.cycles:6.2%}: {c}" for c in order]


def account(
    program: "Program", config: AcceleratorConfig, spans: Sequence[Span], cycles: int
) -> Account:
    """Say for every cycle of a run what the array did or waited for.

    A GEMM streams at most one beat per cycle, so what its time has more than beats is lost: before
    its first tile was there because of the token that came last, then as long as tiles outlast
    their rows, and what is left because no accumulator bank was free.

    Parameters
    ----------
    spans
        Of every instruction but HALT, in program order, from `estimate` or a trace.
    cycles
        Of the run.
    """
    steps = working_steps(program)
    tokens = producers(steps)
    segments: list[Segment] = []
    now = 0
    for n, step in enumerate(steps):
        if step.op != isa.Op.GEMM:
            continue
        end = min(max(round(spans[n].end), now), cycles)
        for length, cause in _window(config, program, steps, spans, tokens, n, now, end):
            if length:
                segments.append(Segment(now, now + length, cause, step.layer))
                now += length
    last = segments[-1].layer if segments else ""
    segments.append(Segment(now, cycles, Cause.END, last))
    return Account(cycles, _by_layer(program, config, segments), segments)


def _window(
    config: AcceleratorConfig,
    program: "Program",
    steps: "Sequence[Decoded]",
    spans: Sequence[Span],
    tokens: Sequence[Sequence[int]],
    n: int,
    now: int,
    end: int,
) -> list[tuple[int, Cause]]:
    """Divide the cycles ``now`` to ``end`` in which GEMM ``n`` had the array."""
    fields, span = steps[n].fields, spans[n]
    words, tiles = load_cycles(config, fields), fields["k_tiles"] * fields["n_tiles"]
    beats = min(tiles * fields["n_rows"], end - now)
    lost = end - now - beats

    last = max(tokens[n], key=lambda p: spans[p].end, default=None)
    arrived = spans[last].end + START if last is not None else 0.0
    begun = max(arrived, span.start if span.start > now else 0.0)
    late = begun > arrived + LATE and begun > now + LATE
    cause = Cause.PROGRAM if last is None or late else _cause(program, steps[last])
    waited = min(max(round(begun) + Mxu.START_CYCLES + words - now, 0), lost)

    tile = max(fields["n_rows"], words + 1, Accumulators.HAZARD)
    reload = min(tiles * (tile - fields["n_rows"]), lost - waited)
    return [
        (waited, cause),
        (beats, Cause.USEFUL),
        (reload, Cause.RELOAD),
        (lost - waited - reload, Cause.BANKS),
    ]


def _cause(program: "Program", producer: "Decoded") -> Cause:
    match producer.op:
        case isa.Op.LOAD:
            kind = load_kind(program, producer.fields)
            by_kind = {"weights": Cause.WEIGHTS, "image": Cause.IMAGE}
            return by_kind.get(kind, Cause.ACTIVATIONS)
        case isa.Op.STORE:
            return Cause.STORE
        case isa.Op.NORM:
            return Cause.NORM
        case isa.Op.SOFTMAX:
            return Cause.SOFTMAX
        case isa.Op.DEPTHWISE:
            return Cause.DEPTHWISE
        case _:
            return Cause.RESULT


def _by_layer(
    program: "Program", config: AcceleratorConfig, segments: Sequence[Segment]
) -> dict[str, Counter[Cause]]:
    """Add segments up, and divide beats by how much of the array they used."""
    layers: dict[str, Counter[Cause]] = {}
    for segment in segments:
        causes = layers.setdefault(segment.layer, Counter())
        causes[segment.cause] += segment.end - segment.start
    usable = Counter[str]()  # beats times the columns that their operand can use
    for step in working_steps(program):
        if step.op == isa.Op.GEMM:
            f = step.fields
            usable[step.layer] += (
                f["n_rows"] * f["k_tiles"] * f["n_tiles"] * usable_columns(config, f)
            )
    for layer in program.layers:
        causes = layers.get(layer["name"])
        if causes is None:
            continue
        beats = causes[Cause.USEFUL]
        useful = min(beats, round(layer["macs"] / (config.rows * config.columns)))
        narrow = min(beats - useful, beats - round(usable[layer["name"]] / config.columns))
        causes[Cause.USEFUL] = useful
        causes[Cause.NARROW] = narrow
        causes[Cause.PADDING] = beats - useful - narrow
    return layers
