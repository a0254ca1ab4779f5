"""What division costs in POST: area of its requantisation without, and with either kind."""

from record import OUT, record

from vitaccel.flow.synth import cells, comb_of
from vitaccel.hw.post.requant import Requant
from vitaccel.presets import PRESETS

PRESET = "efficientvit"
CONFIG = PRESETS[PRESET]
KINDS = {
    "none (`hybrid` off)": CONFIG.replace(hybrid=False),
    "by powers of two (`log2`)": CONFIG,
    "by reciprocals of 16 bits (`reciprocal`)": CONFIG.replace(division="reciprocal"),
}
COLUMNS = ("division", "COMB", "FF", "DSP", "RAM")
HOW = (
    f"`build/bench/division.py`, part of `make bench-efficientvit`: the {CONFIG.post_lanes} lanes "
    f"of POST's requantisation on preset `{PRESET}`, by Yosys for the ECP5; COMB as in "
    "[units](units.md). Neither kind takes a multiplier or a memory: numerators go through the "
    "multiplier that scales, reciprocals come from POST's tables, which it has anyway."
)


def main() -> None:
    """Synthesise each kind."""
    rows = []
    for kind, config in KINDS.items():
        counts = cells(Requant(config), "requant", OUT / "cells" / "division")
        parts = (counts.get(cell, 0) for cell in ("TRELLIS_FF", "MULT18X18D", "DP16KD"))
        rows.append(dict(zip(COLUMNS, (kind, comb_of(counts), *parts), strict=True)))
    record("division", "Division in POST", HOW, COLUMNS, rows)


if __name__ == "__main__":
    main()
