"""Arrays for DeiT on the ULX3S-85F with its SDRAM: area, routed clock, images per second."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from deit import CASES
from record import DOCS, OUT, record

from boards.catalogue import find_board
from boards.design import Design
from vitaccel.flow import tools
from vitaccel.flow.gateware import Gateware, build_gateware
from vitaccel.flow.sdram import make_controller
from vitaccel.flow.synth import comb_of
from vitaccel.timing import Stopwatch

BOARD = "ulx3s-85f"
MHZ = 80.0
ARRAYS = ("12x24 W4A8", "12x24 W4A8 + 12x24 PoT")
CELLS = {"FF": "TRELLIS_FF", "DSP": "MULT18X18D", "RAM": "DP16KD"}
COLUMNS = (
    "array",
    "MAC/cycle of the array",
    "LUT4",
    *CELLS,
    "cells counted",
    "MHz, median",
    "MHz, worst",
    "MHz by seed",
    "DeiT-T, cycles",
    "cycles by",
    "useful MACs",
    "useful GMAC/s",
    "DeiT-T, images/s",
    "longest path",
)
HOW = (
    f"`build/bench/board_arrays.py`: the whole of {BOARD}: accelerator, SDRAM through LiteDRAM, "
    f"host link over the serial port, routed for {MHZ:g} MHz, speed grade 6. LUT4: TRELLIS_COMB, "
    "carries and distributed memory included; without a clock the cells are those of synthesis "
    "(LUT4 + 2 CCU2C + 6 DPR16X4). Cycles, and the share of them that is useful, as in "
    "[DeiT](deit.md); GMAC/s and images/s at the median clock, without one at that asked for. "
    "Tools: {tools}."
)


def main() -> None:
    """Measure the arrays named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays", nargs="*", choices=[[], *ARRAYS], default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="none: no routing")
    asked = parser.parse_args()
    path = DOCS / "board-arrays.json"
    known = {row["array"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    versions = (f"{tool} {tools.version(tool)}" for tool in ("yosys", "nextpnr-ecp5", "litedram"))
    how = HOW.format(tools=", ".join(versions))
    names = asked.arrays or ARRAYS
    timed = {row["array"]: row for row in json.loads((DOCS / "deit.json").read_text())}
    for name in names:
        if name not in timed:
            parser.error(f"deit.json has no cycles of {name}; run build/bench/deit.py first")
    for name in names:
        known[name] = _measure(name, timed[name], tuple(asked.seeds))
        rows = [known[array] for array in ARRAYS if array in known]
        record("board-arrays", "Arrays on the ULX3S-85F", how, COLUMNS, rows)


def _measure(name: str, timed: Mapping[str, Any], seeds: tuple[int, ...]) -> dict[str, Any]:
    config = CASES[name].config
    gateware = _build(name, seeds)
    routed = bool(gateware.routings)
    mhz = gateware.median_mhz if routed else MHZ
    cycles = timed["cycles, RTL"] or timed["cycles, estimate"]
    macs = config.rows * config.columns
    slowest = min(gateware.routings.values(), key=lambda routing: routing.fmax_mhz, default=None)
    return {
        "array": name,
        "MAC/cycle of the array": macs,
        **_cells(gateware),
        "MHz, median": mhz if routed else None,
        "MHz, worst": gateware.worst_mhz if routed else None,
        "MHz by seed": {str(seed): found.fmax_mhz for seed, found in gateware.routings.items()},
        "DeiT-T, cycles": cycles,
        "cycles by": "RTL" if timed["cycles, RTL"] else "estimate",
        "useful MACs": timed["useful MACs"],
        "useful GMAC/s": round(macs * timed["useful MACs"] * mhz / 1e3, 1),
        "DeiT-T, images/s": round(mhz * 1e6 / cycles, 1),
        "longest path": slowest.critical_path if slowest else None,
    }


def _build(name: str, seeds: tuple[int, ...]) -> Gateware:
    """Synthesise the board's design and route it with each of ``seeds``."""
    board = find_board(BOARD)
    assert board.sdram is not None
    design = Design(board, CASES[name].config, board.sdram.size, sdram=True)
    pll = design.nearest(MHZ)
    cache = OUT / "boards"
    controller = make_controller(board.sdram, pll.mhz * 1e6, cache / "controllers")
    plan = design.plan(pll, controller)
    watch = Stopwatch(
        lambda step, done: print(f"{name}: {step}", flush=True) if done is None else None
    )
    return build_gateware(plan, cache / f"{BOARD}-{design.config.digest()}", seeds, watch)


def _cells(gateware: Gateware) -> Mapping[str, str]:
    """What the design takes of what the device has."""
    budget = find_board(BOARD).budget
    has = {"LUT4": budget.comb, "FF": budget.ff, "DSP": budget.dsp, "RAM": budget.ram}
    if gateware.routings:
        cells = {kind: used for kind, (used, _) in gateware.best.utilization.items()}
        used = {"LUT4": cells["TRELLIS_COMB"]}
    else:
        cells = dict(gateware.cells)
        used = {"LUT4": comb_of(cells)}
    used |= {title: cells.get(cell, 0) for title, cell in CELLS.items()}
    counted = "placement" if gateware.routings else "synthesis"
    shares = {title: f"{amount} of {has[title]}" for title, amount in used.items()}
    return shares | {"cells counted": counted}


if __name__ == "__main__":
    main()
