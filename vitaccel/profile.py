"""What a run of a program did with array and memory, estimated or simulated: data of the report."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vitaccel.account import Account, Cause, account
from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.isa import Unit
from vitaccel.spans import Interval, Span
from vitaccel.traffic import Traffic, bandwidth, traffic

__all__ = ["Profile", "busy_cycles", "profile"]


@dataclass(frozen=True)
class Profile:
    """Figures of one run: of one image, or of a batch.

    Parameters
    ----------
    layers
        Per layer ``name``, ``kind``, ``shape``, ``bits``, ``macs``, ``bytes`` moved,
        ``ideal_cycles`` with every multiplier useful, ``array_cycles`` that the array worked or
        waited for it, ``utilization`` of these, ``busy_cycles`` of the unit that has most, and
        ``lost`` by cause.
    peak
        MACs per cycle of the array.
    bandwidth
        Bytes per cycle of the external memory.
    busy
        Share of the cycles in which each unit was at work.
    """

    cycles: int
    macs: int
    peak: int
    bandwidth: float
    account: Account
    traffic: Traffic
    busy: Mapping[str, float]
    layers: Sequence[Mapping[str, Any]]

    def summary(self) -> dict[str, Any]:
        """Totals as JSON takes them."""
        return {
            "cycles_by_cause": {str(c): n for c, n in self.account.totals().items()},
            "bytes_by_kind": dict(self.traffic.kinds),
            "busy": {unit: round(share, 4) for unit, share in self.busy.items()},
        }

    def lines(self) -> list[str]:
        """The same in words."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.traffic.kinds.items() if n)
        busy = ", ".join(f"{unit} {share:.0%}" for unit, share in self.busy.items())
        return [f"busy: {busy}", f"bytes: {kinds}", *self.account.lines()]

    def array(self) -> list[Interval]:
        """What the array did, as a row of the timeline."""
        return [
            (start, end, "busy" if cause == Cause.USEFUL else str(cause), layer)
            for start, end, cause, layer in self.account.segments
        ]


def profile(
    program: Program,
    config: AcceleratorConfig,
    timing: MemoryTiming,
    spans: Sequence[Span],
    cycles: int,
) -> Profile:
    """Gather the figures of a run of ``cycles`` whose instructions worked when ``spans`` say."""
    accounted, moved = account(program, config, spans, cycles), traffic(program, config)
    peak = config.rows * config.columns
    at_work: dict[tuple[str, Unit], list[Span]] = defaultdict(list)
    for span in spans:
        at_work[span.layer, span.unit].append(span)
    return Profile(
        cycles=cycles,
        macs=sum(layer["macs"] for layer in program.layers),
        peak=peak,
        bandwidth=bandwidth(config, timing),
        account=accounted,
        traffic=moved,
        busy={u.name: busy_cycles([s for s in spans if s.unit == u]) / cycles for u in Unit},
        layers=[
            _layer(layer, peak, accounted, moved)
            | {"busy_cycles": round(max(busy_cycles(at_work[layer["name"], u]) for u in Unit))}
            for layer in program.layers
        ],
    )


def busy_cycles(spans: Sequence[Span]) -> float:
    """Cycles that ``spans`` of one unit, in order of time, cover."""
    total, last = 0.0, 0.0
    for span in spans:
        total += max(0.0, span.end - max(span.start, last))
        last = max(last, span.end)
    return total


def _layer(
    layer: Mapping[str, Any], peak: int, accounted: Account, moved: Traffic
) -> dict[str, Any]:
    causes = accounted.layers.get(layer["name"], {})
    array = sum(causes.values())
    return {
        **layer,
        "bytes": moved.layers.get(layer["name"], 0),
        "ideal_cycles": -(-layer["macs"] // peak),
        "array_cycles": array,
        "utilization": layer["macs"] / (peak * array) if array else None,
        "lost": {str(c): n for c, n in causes.items() if n and c != Cause.USEFUL},
    }
