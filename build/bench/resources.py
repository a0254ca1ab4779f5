"""The model of FPGA resources beside synthesis, unit by unit; measures its coefficients."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from record import OUT, record

from vitaccel.config import PRESETS, AcceleratorConfig
from vitaccel.flow.synth import cells, comb_of
from vitaccel.resources import COEFFICIENTS, UNITS, fixed, resources, terms

TINY, W8A8, WIDE = PRESETS["tiny"], PRESETS["w8a8"], PRESETS["mixed-12x24"]
# What is measured: presets, and small arrays that tell apart what these have only together.
MEASURED: Mapping[str, AcceleratorConfig] = {
    **{name: PRESETS[name] for name in ("tiny", "demo", "w8a8", "w4a8", "w4a4", "shift")},
    "mixed-12x24": WIDE,
    "deit-12x12": PRESETS["deit-12x12"],
    "packed-12x24": PRESETS["deit-12x12"].replace(
        columns=24, weight_bits=4, activation_words=16384, post_words=256
    ),
    "ulx3s-85f": PRESETS["ulx3s-85f"],
    "demo in LUTs": PRESETS["demo"].replace(products="luts"),
    "tiny mixed": TINY.replace(products="mixed"),
    "tiny in parts": TINY.replace(products="luts", post_cycles=2, vector_cycles=2),
    "4x16": TINY.replace(columns=16),
    "4x16 half pot": TINY.replace(columns=16, pot_columns=8),
    "4x16 packed": TINY.replace(columns=16, weight_bits=4),
}
# What is predicted only.
HELD_OUT: Mapping[str, AcceleratorConfig] = {
    "w6a6": PRESETS["w6a6"],
    "6x12": TINY.replace(rows=6, columns=12),
    "6x12 half pot, log2": TINY.replace(rows=6, columns=12, pot_columns=6, log2_attention=True),
}
# A bit of an adder and its register, of a lane's register, a byte with a load multiplexer; an
# accumulator by itself. Arrays of these sizes do not tell them from each other.
KNOWN = {
    "bit of a streamed lane": (0, 1),
    "bit of a partial sum": (1, 1),
    "register of the transposer": (8, 8),
    "accumulator in LUTs": (174, 160),
    "accumulator in blocks": (201, 171),
}
COLUMNS = (
    "configuration", "unit", "COMB", "COMB, model", "error", "FF", "FF, model", "error of FF",
    "DSP", "DSP, model", "RAM", "RAM, model",
)  # fmt: skip
HOW = (
    "`build/bench/resources.py`: units synthesised by themselves with Yosys 0.70 (`synth_ecp5`, no "
    "routing), beside `vitaccel.resources`. COMB = LUT4 + 2 CCU2C + 6 DPR16X4, DSP = MULT18X18D, "
    "RAM = DP16KD. Coefficients of COMB and FF are least squares over all but {held}, "
    "which are predicted only; DSP and RAM have none."
)


def measure(names: Mapping[str, AcceleratorConfig]) -> dict[tuple[str, str], dict[str, int]]:
    """Cells of every unit of every configuration."""
    found = {}
    for name, config in names.items():
        for unit, make in UNITS.items():
            found[name, unit] = cells(make(config), unit, OUT / "cells")
            print(f"{name} {unit}: {comb_of(found[name, unit])} COMB", flush=True)
    return found


def fit(
    unit: str, found: Mapping[tuple[str, str], Mapping[str, int]]
) -> dict[str, tuple[float, float]]:
    """Coefficients of one unit that make relative errors least."""
    rows, wanted = [], []
    for name, config in MEASURED.items():
        exact, built = fixed(unit, config)
        counts = found[name, unit]
        rows.append(terms(unit, config, built))
        wanted.append((comb_of(counts) - exact.comb, counts.get("TRELLIS_FF", 0)))
    free = [term for term in rows[0] if term not in KNOWN]
    amounts = np.array([[row[term] for term in free] for row in rows], dtype=float)
    solved = []
    for n in (0, 1):
        measured = np.array(wanted, dtype=float)[:, n]
        weight = 1 / np.maximum(measured, 100)
        known = [sum(KNOWN[term][n] * row[term] for term in row if term in KNOWN) for row in rows]
        left = measured - np.array(known)
        solved.append(np.linalg.lstsq(amounts * weight[:, None], left * weight, rcond=None)[0])
    fitted = {
        term: (round(float(comb), 2), round(float(ff), 2))
        for term, comb, ff in zip(free, *solved, strict=True)
    }
    return {term: KNOWN.get(term) or fitted[term] for term in rows[0]}


def compare(name: str, config: AcceleratorConfig, found: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Rows of the table for one configuration: every unit and their sum."""
    rows, total = [], np.zeros(8, dtype=int)
    for unit, guess in resources(config).items():
        counts = found[name, unit]
        real = (comb_of(counts), *(counts.get(cell, 0) for cell in CELLS))
        pairs = [
            n
            for pair in zip(real, (guess.comb, guess.ff, guess.dsp, guess.ram), strict=True)
            for n in pair
        ]
        total += np.array(pairs)
        rows.append(_row(name, unit, pairs))
    return [*rows, _row(name, "all", [int(n) for n in total])]


CELLS = ("TRELLIS_FF", "MULT18X18D", "DP16KD")


def _row(name: str, unit: str, n: list[int]) -> dict[str, Any]:
    errors = [f"{n[at + 1] / n[at] - 1:+.1%}" if n[at] else "" for at in (0, 2)]
    return dict(
        zip(COLUMNS, (name, unit, *n[:2], errors[0], *n[2:4], errors[1], *n[4:]), strict=True)
    )


def main() -> None:
    """Synthesise, measure coefficients, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*MEASURED, *HELD_OUT]
    parser.add_argument("only", nargs="*", choices=[[], *names], default=[], help="keep the model")
    only = parser.parse_args().only
    everything = {
        name: config for name, config in {**MEASURED, **HELD_OUT}.items() if name in (only or names)
    }
    found = measure(everything)
    if not only:
        known = {unit: fit(unit, found) for unit in UNITS}
        COEFFICIENTS.write_text(json.dumps(known, indent=1) + "\n")
    rows = [row for name, config in everything.items() for row in compare(name, config, found)]
    held = ", ".join(HELD_OUT)
    record("resources", "Model of resources", HOW.format(held=held), COLUMNS, rows)


if __name__ == "__main__":
    main()
