"""Roofline of a run: MACs per cycle over MACs per byte, one dot per layer, as SVG coordinates."""

import math
from dataclasses import dataclass

from vitaccel.profile import Profile

__all__ = ["Dot", "Roofline", "roofline"]

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 88, 16, 44  # margins; layers without traffic stand in the right one


@dataclass(frozen=True)
class Dot:
    """A layer, or the whole network, and where it stands."""

    x: float
    y: float
    text: str
    whole: bool = False
    resident: bool = False  # moves nothing to or from external memory


@dataclass(frozen=True)
class Roofline:
    """What the template draws.

    Parameters
    ----------
    roof
        Points of the line of what memory and array allow.
    x_ticks, y_ticks
        Position and text.
    dots
        One per layer that has MACs, then the whole network.
    """

    width: int
    height: int
    plot: tuple[float, float, float, float]  # left, top, right, bottom
    roof: list[tuple[float, float]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    dots: list[Dot]
    ridge: float  # MACs per byte at which the memory just suffices


def roofline(profile: Profile) -> Roofline:
    """Place the layers of ``profile`` on logarithmic axes."""
    rows = [row for row in profile.layers if row["macs"] and row["array_cycles"]]
    ridge = profile.peak / profile.bandwidth
    moved = sum(profile.traffic.kinds.values())
    whole = (profile.macs / max(moved, 1), profile.macs / profile.cycles)
    xs = [row["macs"] / row["bytes"] for row in rows if row["bytes"]] + [ridge, whole[0]]
    ys = [row["macs"] / row["array_cycles"] for row in rows] + [profile.peak, whole[1]]
    x, y = _Axis(xs, LEFT, WIDTH - RIGHT), _Axis(ys, HEIGHT - BOTTOM, TOP)
    low = 10**x.low
    roof = [(low, low * profile.bandwidth), (ridge, profile.peak), (10**x.high, profile.peak)]
    if roof[0][1] < 10**y.low:  # the slope enters the picture from below
        roof[0] = (10**y.low / profile.bandwidth, 10**y.low)
    dots = []
    for row in rows:
        reached = row["macs"] / row["array_cycles"]
        dense = f"{row['macs'] / row['bytes']:.3g} MAC/byte" if row["bytes"] else "no traffic"
        text = f"{row['name']}: {reached:.1f} MAC/cycle, {row['utilization']:.1%}, {dense}"
        at = x.at(row["macs"] / row["bytes"]) if row["bytes"] else WIDTH - RIGHT / 2
        dots.append(Dot(at, y.at(reached), text, resident=not row["bytes"]))
    text = f"whole network: {whole[1]:.1f} MAC/cycle, {whole[0]:.3g} MAC/byte"
    dots.append(Dot(x.at(whole[0]), y.at(whole[1]), text, whole=True))
    return Roofline(
        WIDTH,
        HEIGHT,
        (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        [(x.at(a), y.at(b)) for a, b in roof],
        x.ticks(),
        y.ticks(),
        dots,
        ridge,
    )


class _Axis:
    """Logarithmic axis with room for ``values``, drawn from ``begin`` to ``end``."""

    def __init__(self, values: list[float], begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self.low = math.log10(min(values)) - 0.15
        self.high = math.log10(max(values)) + 0.15

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Powers of ten, and between them 2 and 5 where there are few."""
        digits = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        values = [digit * 10.0**n for n in decades for digit in digits]
        shown = [v for v in values if self.low <= math.log10(v) <= self.high]
        return [(self.at(value), f"{value:,.10g}".replace(",", "\u2009")) for value in shown]
