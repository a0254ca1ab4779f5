"""Where the cycles of DeiT-Tiny go, by the estimate: a table by cause, a picture of one block."""

import argparse
from collections.abc import Sequence
from typing import Any

from deit import CASES, TINY, build
from record import DOCS, record

from golden.qnetwork import QNetwork
from vitaccel.account import Cause
from vitaccel.compile import compile_network
from vitaccel.estimate import estimate
from vitaccel.memories import memory_timing
from vitaccel.profile import Profile, profile
from vitaccel.spans import Interval

BLOCK = "blocks.5."  # of the picture: neither the first nor the last
HOW = (
    "`build/bench/performance.py`, part of `make bench-deit`: DeiT-Tiny, one image, every cycle of "
    "the array by what became of it, in percent of the run; see [performance](../performance.md). "
    "By the estimate, which is within 2 % of the RTL."
)
WIDTH, LEFT, ROW = 960, 72, 26
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #62666e }
.a { fill: #2563a8 } .b { fill: #5b93cc } .lost { fill: #d98a3d } line { stroke: #c8cac6 }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa0a8 } .a { fill: #6ea8e0 } .b { fill: #3f78ad } line { stroke: #3a3f45 }
}
"""


def run(name: str, network: QNetwork) -> tuple[Profile, dict[str, list[Interval]]]:
    """Estimate one case: figures, and what array and units do."""
    case = CASES[name]
    timing = memory_timing(case.memory, case.config)
    program = compile_network(network, case.config, timing=timing)
    timed = estimate(program, case.config, timing)
    figures = profile(program, case.config, timing, timed.spans, timed.cycles)
    return figures, {"array": figures.array(), **timed.timeline()}


def picture(rows: dict[str, list[Interval]]) -> str:
    """SVG of the units while the array works on `BLOCK`."""
    inside = [row for row in rows["array"] if row[3].startswith(BLOCK)]
    begin, end = inside[0][0], inside[-1][1]
    shown = {unit: found for unit, found in rows.items() if found}
    height = ROW * len(shown) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        f"<style>{STYLE}</style>",
    ]
    for n, (unit, found) in enumerate(shown.items()):
        parts.append(f'<text x="0" y="{n * ROW + 17}">{unit}</text>')
        parts += _bars(found, n * ROW + 4, begin, end)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = LEFT + share * (WIDTH - LEFT - 40)
        cycles = f"{round((end - begin) * share):,}".replace(",", "\u2009")
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{height - 18}"/>')
        parts.append(f'<text x="{x}" y="{height - 4}" text-anchor="middle">{cycles}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _bars(found: Sequence[Interval], top: int, begin: int, end: int) -> list[str]:
    scale = (WIDTH - LEFT - 40) / (end - begin)
    names: dict[str, int] = {}
    bars: list[str] = []
    for start, stop, state, layer in found:
        if stop <= begin or start >= end or stop == start:
            continue
        shade = "ab"[names.setdefault(layer, len(names)) % 2] if state == "busy" else "lost"
        x, width = (
            LEFT + (max(start, begin) - begin) * scale,
            (min(stop, end) - max(start, begin)) * scale,
        )
        title = f"<title>{layer}: {state}, {stop - start} cycles</title>"
        bars.append(
            f'<rect class="{shade}" x="{x:.1f}" y="{top}" width="{max(width, 0.3):.1f}" '
            f'height="{ROW - 8}">{title}</rect>'
        )
    return bars


def main() -> None:
    """Estimate the cases named, or all of DeiT-Tiny; the picture is of the first."""
    names = [name for name, case in CASES.items() if case.model == TINY]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[[], *names], default=[])
    asked = parser.parse_args().cases or names
    found = {name: run(name, build(CASES[name])) for name in asked}
    rows: list[dict[str, Any]] = []
    for cause in Cause:
        shares = {n: f.account.totals().get(cause, 0) / f.cycles for n, (f, _) in found.items()}
        if any(shares.values()):
            rows.append({"cycles": str(cause)} | {n: f"{100 * s:.2f}" for n, s in shares.items()})
    rows.append({"cycles": "cycles in all"} | {n: f.cycles for n, (f, _) in found.items()})
    (DOCS / "performance.svg").write_text(picture(found[asked[0]][1]))
    record("performance", "Where the cycles go", HOW, ("cycles", *asked), rows)


if __name__ == "__main__":
    main()
