"""The model of FPGA resources beside synthesis, unit by unit; measures its coefficients."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from record import DOCS, OUT, record

from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources
from vitaccel.flow.synth import cells, comb_of
from vitaccel.presets import PRESETS
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
    "demo in LUTs": PRESETS["demo"].replace(post_products="luts", vector_products="luts"),
    "tiny mixed": TINY.replace(post_products="mixed", vector_products="mixed"),
    "tiny in parts": TINY.replace(
        post_products="luts", vector_products="luts", post_cycles=2, vector_cycles=2
    ),
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
EVERYTHING = {**MEASURED, **HELD_OUT}
KINDS = ("COMB", "FF", "DSP", "RAM")
CELLS = ("TRELLIS_FF", "MULT18X18D", "DP16KD")
# A bit of an adder and its register, of a lane's register, a byte with a load multiplexer; an
# accumulator of 32 bits by itself, and what an element of a column by itself takes more if its
# multiplier is made of LUTs. Arrays of these sizes do not tell them from each other.
KNOWN = {
    "bit of a streamed lane": (0, 1),
    "bit of a partial sum": (1, 1),
    "register of the transposer": (8, 8),
    "accumulator in LUTs": (174, 192),
    "accumulator in blocks": (112, 140),
    "uniform element of LUTs": (81, 61),
    "packed element of LUTs": (72, 80),
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


Found = dict[tuple[str, str], Resources]


def stored() -> Found:
    """What earlier runs measured, by configuration and unit."""
    path = DOCS / "resources.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    return {
        (row["configuration"], row["unit"]): Resources(*(row[kind] for kind in KINDS))
        for row in rows
        if row["configuration"] in EVERYTHING and row["unit"] in UNITS
    }


def measure(name: str, unit: str) -> Resources:
    """Synthesise one unit of one configuration."""
    counts = cells(UNITS[unit](EVERYTHING[name]), unit, OUT / "cells")
    comb = comb_of(counts)
    print(f"{name} {unit}: {comb} COMB", flush=True)
    return Resources(comb, *(counts.get(cell, 0) for cell in CELLS))


def fit(unit: str, found: Found) -> dict[str, tuple[float, float]]:
    """Coefficients of one unit that make relative errors least."""
    rows, wanted = [], []
    for name, config in MEASURED.items():
        if (name, unit) in found:
            exact, built = fixed(unit, config)
            rows.append(terms(unit, config, built))
            wanted.append((found[name, unit].comb - exact.comb, found[name, unit].ff))
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


def compare(name: str, found: Found) -> list[dict[str, Any]]:
    """Rows of the table for one configuration: units, and their sum if all are measured."""
    guesses = resources(EVERYTHING[name])
    units = [unit for unit in UNITS if (name, unit) in found]
    rows = [_row(name, unit, found[name, unit], guesses[unit]) for unit in units]
    if len(units) == len(UNITS):
        real = sum((found[name, unit] for unit in units), Resources())
        rows.append(_row(name, "all", real, sum(guesses.values(), Resources())))
    return rows


def _row(name: str, unit: str, real: Resources, guess: Resources) -> dict[str, Any]:
    errors = [f"{g / r - 1:+.1%}" if r else "" for r, g in
              ((real.comb, guess.comb), (real.ff, guess.ff))]  # fmt: skip
    values = (name, unit, real.comb, guess.comb, errors[0], real.ff, guess.ff, errors[1],
              real.dsp, guess.dsp, real.ram, guess.ram)  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    """Synthesise, fit the units asked for, record; everything else stays as it is stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *EVERYTHING], default=[])
    parser.add_argument("--units", nargs="+", choices=list(UNITS), default=list(UNITS))
    parser.add_argument("--keep", action="store_true", help="keep the coefficients")
    asked = parser.parse_args()
    found = stored()
    for name in asked.names or EVERYTHING:
        for unit in asked.units:
            found[name, unit] = measure(name, unit)
    known = json.loads(COEFFICIENTS.read_text())
    known |= {unit: fit(unit, found) for unit in asked.units if not asked.keep}
    COEFFICIENTS.write_text(json.dumps(known, indent=1) + "\n")
    rows = [row for name in EVERYTHING for row in compare(name, found)]
    held = ", ".join(HELD_OUT)
    record("resources", "Model of resources", HOW.format(held=held), COLUMNS, rows)


if __name__ == "__main__":
    main()
