"""Area and routed clock of the parts that other designs have too, beside theirs and the goals."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.lib import wiring
from engines import Engine, PotArray
from record import DOCS, OUT, ROOT, record
from row_cycles import cycles_an_element

from vitaccel.config import AcceleratorConfig
from vitaccel.flow.synth import Report, cells, comb_of, synthesize
from vitaccel.hw.memory.lane_table import LaneTable
from vitaccel.hw.mxu.array import Array
from vitaccel.hw.post.requant_lane import RequantLane
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.hw.vector.softmax import Softmax
from vitaccel.presets import PRESETS

__all__ = ["BASELINES", "CELLS", "TOLERANCE", "Cell", "worse"]

CYCLES_GOAL = 0.5
BASELINES = ROOT / "build" / "baselines" / "cells.json"
TOLERANCE = 0.05
AREA = ("COMB", "FF", "DSP", "RAM")
SMALLER_IS_BETTER = dict.fromkeys(AREA, True) | {"MHz, median": False}

ARRAY = AcceleratorConfig(rows=8, columns=8, accumulator_bits=24, accumulator_rows=256)
TWELVE = PRESETS["deit-12x12"]
SIXTEEN = AcceleratorConfig(rows=16, columns=16)


@dataclass(frozen=True)
class Cell:
    """One part, what its area is divided by, what it should reach, how others do.

    Parameters
    ----------
    make
        The part.
    n
        Elements or lanes in it.
    goal
        COMB for each of them; 0: none.
    mhz
        Clock; 0: none.
    peers
        Other designs, in the same flow unless a source says otherwise.
    row
        Elements of the rows whose cycles are counted; 0: it does not work on rows.
    """

    make: Callable[[], wiring.Component]
    n: int
    goal: int
    mhz: int
    peers: str
    row: int = 0


CELLS: Mapping[str, Cell] = {
    "8x8 array, multiplier blocks": Cell(
        lambda: Engine(Array(ARRAY)), 64, 33, 115,
        "hps_accel 4x4x4: 54, 101 MHz; 8x8x1: 64, 114 MHz; axis-systolic-array: 98, 97 MHz; "
        "tiny-tpu-ViT, no accumulators: 33, 79 MHz",
    ),
    "8x8 array, power-of-two": Cell(
        lambda: Engine(PotArray(ARRAY)), 64, 80, 100, "plain shift and 32-bit accumulator: 113"
    ),
    "8x8 array, multipliers of LUTs": Cell(
        lambda: Engine(Array(ARRAY.replace(array_products="luts"))), 64, 160, 0,
        "hps_accel 368; axis-systolic-array 402, 93 MHz; tiny-tpu-ViT 528, 93 MHz",
    ),
    "requantiser lane": Cell(
        lambda: RequantLane(ARRAY), 1, 300, 100, "ITA 676, 38 MHz; tiny-tpu-ViT 1424, 46 MHz"
    ),
    "GELU by table, 16 lanes": Cell(
        lambda: LaneTable(SIXTEEN, slots=1, planes=1), 16, 0, 0,
        "EQ-ViT, 16 lanes: 100 LUT (its paper, AMD device); ITA, one lane: 206, 54 MHz",
    ),
    "softmax, 12 lanes": Cell(
        lambda: Softmax(TWELVE), 12, 0, 90,
        "tiny-tpu-ViT, one lane: 3269, 46 MHz, 3.2 cycles an element; "
        "ITA, 16 lanes: 3322 in all, 29 MHz", 197,
    ),
    "LayerNorm, 12 lanes": Cell(
        lambda: LayerNorm(TWELVE), 12, 0, 90,
        "tiny-tpu-ViT, one lane: 4827, 36 MHz, 3 cycles an element", 192,
    ),
}  # fmt: skip
COLUMNS = (
    "part", "COMB", "of each element or lane", "goal", "cycles an element", "goal, cycles", "FF",
    "DSP", "RAM", "MHz, median", "goal, MHz", "MHz by seed", "others: COMB each, MHz",
    "critical path",
)  # fmt: skip
HOW = (
    "`build/bench/cells.py`, in `make bench-boards`: each part synthesised by itself with Yosys "
    "0.70 (`synth_ecp5`) and routed in a registered harness with nextpnr-ecp5 on an LFE5U-85F of "
    "speed grade 6. COMB = LUT4 + 2 CCU2C + 6 DPR16X4 of the bare part, DSP = MULT18X18D, RAM = "
    "DP16KD (18 kbit). Arrays have two banks of 256 rows of 24-bit accumulators and are written to "
    "and drained at once. Cycles an element: simulated, rows of 197 (softmax) or 192 elements one "
    "after the other. Others were measured in the same flow and harness but where a source is "
    "named; theirs have 32-bit sums. The critical path is that of the slowest seed. Without "
    "clocks: not routed yet."
)


def row(name: str, counts: Mapping[str, int], report: Report | None = None) -> dict[str, Any]:
    """Figures of one part, without clocks unless there is a report."""
    cell, comb = CELLS[name], comb_of(counts)
    clocks = (None, None, None)
    cycles = round(cycles_an_element(cell.make(), cell.row), 3) if cell.row else None
    if report:
        clocks = report.fmax_median_mhz, dict(report.fmax_mhz), report.critical_path
    values = (
        name, comb, round(comb / cell.n, 1), cell.goal or None,
        cycles, CYCLES_GOAL if cell.row else None,
        *(counts.get(kind, 0) for kind in ("TRELLIS_FF", "MULT18X18D", "DP16KD")),
        clocks[0], cell.mhz or None, clocks[1], cell.peers, clocks[2],
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def measure(name: str, seeds: Sequence[int], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Synthesise one part and route it; without seeds, known clocks of the same area stay."""
    word = "cell_" + "_".join(name.replace(",", "").replace("-", "_").split()).lower()
    part = CELLS[name].make()
    if seeds:
        report = synthesize(part, word, OUT / "cells", seeds=seeds)
        return row(name, report.cells, report)
    found = row(name, cells(part, word, OUT / "cells" / "area"))
    same = known and all(known[title] == found[title] for title in AREA)
    return dict(known) if known and same else found


def worse(found: Mapping[str, Any], baseline: Mapping[str, float]) -> Iterator[str]:
    """Everything that is worse than the baseline by more than `TOLERANCE`."""
    for title, before in baseline.items():
        if found[title] is None:  # not routed
            continue
        change = (found[title] - before) / max(before, 1)
        if (change if SMALLER_IS_BETTER[title] else -change) > TOLERANCE:
            yield f"{found['part']}: {title} was {before:g}, is {found[title]:g}"


def main() -> int:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *CELLS], default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="none: area")
    parser.add_argument("--accept", action="store_true", help="make the figures the new baseline")
    asked = parser.parse_args()
    path = DOCS / "cells.json"
    known = {one["part"]: one for one in json.loads(path.read_text())} if path.exists() else {}
    baselines = json.loads(BASELINES.read_text()) if BASELINES.exists() else {}
    lines: list[str] = []
    for name in asked.parts or CELLS:
        known[name] = found = measure(name, asked.seeds, known.get(name))
        baseline = {t: found[t] for t in SMALLER_IS_BETTER if found[t] is not None}
        if asked.accept or not baseline.keys() <= baselines.get(name, {}).keys():
            baselines[name] = baseline
            BASELINES.parent.mkdir(parents=True, exist_ok=True)
            BASELINES.write_text(json.dumps(baselines, indent=1, sort_keys=True) + "\n")
        lines += worse(found, baselines[name])
        record("cells", "Parts on ECP5", HOW, COLUMNS, [known[n] for n in CELLS if n in known])
    for line in lines:
        print(line, file=sys.stderr)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
