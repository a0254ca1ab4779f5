"""Pictures of a stretch of a run: which unit is at work when, on which layer."""

from collections.abc import Mapping, Sequence

from vitaccel.spans import Interval

__all__ = ["timeline_svg"]

WIDTH, LEFT, RIGHT, ROW = 960, 90, 40, 26
NUMBERED = 16  # pixels that a number takes
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #62666e }
.n { font-size: 10px; fill: #fff; text-anchor: middle }
.a { fill: #2563a8 } .b { fill: #5b93cc } .lost { fill: #d98a3d } line { stroke: #c8cac6 }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa0a8 } .a { fill: #6ea8e0 } .b { fill: #3f78ad } line { stroke: #3a3f45 }
  .n { fill: #14171c }
}
"""


def timeline_svg(
    rows: Mapping[str, Sequence[Interval]],
    begin: int,
    end: int,
    numbers: Mapping[str, int] | None = None,
) -> str:
    """Draw cycles ``begin`` to ``end``, a row for each unit that has work at any time.

    Parameters
    ----------
    rows
        Per unit its intervals; those that are not ``busy`` are drawn as lost.
    numbers
        Of layers, written into bars that are wide enough.
    """
    shown = {unit: found for unit, found in rows.items() if found}
    height = ROW * len(shown) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        f"<style>{STYLE}</style>",
    ]
    for n, (unit, found) in enumerate(shown.items()):
        parts.append(f'<text x="0" y="{n * ROW + 17}">{unit}</text>')
        parts += _bars(found, n * ROW + 4, begin, end, numbers or {})
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        cycles = f"{round((end - begin) * share):,}".replace(",", "\u2009")
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{height - 18}"/>')
        parts.append(f'<text x="{x}" y="{height - 4}" text-anchor="middle">{cycles}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _bars(
    found: Sequence[Interval], top: int, begin: int, end: int, numbers: Mapping[str, int]
) -> list[str]:
    scale = (WIDTH - LEFT - RIGHT) / (end - begin)
    names: dict[str, int] = {}
    bars: list[str] = []
    for start, stop, state, layer in _joined(found, begin, end):
        shade = "ab"[names.setdefault(layer, len(names)) % 2] if state == "busy" else "lost"
        x, width = LEFT + (start - begin) * scale, (stop - start) * scale
        title = f"<title>{layer}: {state}, {stop - start} cycles</title>"
        bars.append(
            f'<rect class="{shade}" x="{x:.1f}" y="{top}" width="{max(width, 0.3):.1f}" '
            f'height="{ROW - 8}">{title}</rect>'
        )
        if width >= NUMBERED and layer in numbers and state == "busy":
            at = f'x="{x + width / 2:.1f}" y="{top + 13}"'
            bars.append(f'<text class="n" {at}>{numbers[layer]}</text>')
    return bars


def _joined(found: Sequence[Interval], begin: int, end: int) -> list[Interval]:
    """What is inside, instructions of a layer that follow one another as one bar."""
    bars: list[Interval] = []
    gap = (end - begin) / WIDTH / 2  # less than that nobody sees
    for start, stop, state, layer in found:
        start, stop = max(start, begin), min(stop, end)
        if stop <= start:
            continue
        if bars and bars[-1][2:] == (state, layer) and start - bars[-1][1] <= gap:
            bars[-1] = (bars[-1][0], max(stop, bars[-1][1]), state, layer)
        else:
            bars.append((start, stop, state, layer))
    return bars
