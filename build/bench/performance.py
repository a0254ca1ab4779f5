"""Where the cycles of DeiT-Tiny go, by the estimate: a table by cause, a picture of one block."""

import argparse
from typing import Any

from deit import CASES, TINY, build
from picture import timeline_svg
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
    return timeline_svg(rows, inside[0][0], inside[-1][1])


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
