"""What division costs in POST: area and routed clock of its requantisation, by kind."""

import argparse

from record import OUT, record

from vitaccel.flow.synth import TARGET_MHZ, synthesize
from vitaccel.hw.post.requant import Requant
from vitaccel.presets import PRESETS

PRESET = "efficientvit"
CONFIG = PRESETS[PRESET]
KINDS = {
    "none (`hybrid` off)": CONFIG.replace(hybrid=False),
    "by powers of two (`log2`)": CONFIG,
    "by reciprocals of 16 bits (`reciprocal`)": CONFIG.replace(division="reciprocal"),
}
COLUMNS = ("division", "COMB", "FF", "DSP", "MHz, median")
HOW = (
    f"`build/bench/division.py`: the {CONFIG.post_lanes} lanes of POST's requantisation on preset "
    f"`{PRESET}`, by Yosys and nextpnr for an LFE5U-85F of speed grade 6, target {TARGET_MHZ} MHz; "
    "COMB as in [units](units.md). Neither kind takes a multiplier or a memory: numerators go "
    "through the multiplier that scales, reciprocals come from POST's tables."
)


def main() -> None:
    """Synthesise and route each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    seeds = parser.parse_args().seeds
    rows = []
    for kind, config in KINDS.items():
        name = f"requant_{config.division if config.hybrid else 'plain'}"
        made = synthesize(Requant(config), name, OUT / "synth" / "division", seeds=seeds)
        figures = (kind, made.comb, made.ff, made.dsp, made.fmax_median_mhz)
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
    record("division", "Division in POST", HOW, COLUMNS, rows)


if __name__ == "__main__":
    main()
