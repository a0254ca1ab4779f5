"""EfficientViT on uniform columns, and on as many power-of-two columns again beside them."""

import argparse
import json
from typing import Any

from hybrid_runs import B1, MHZ, SMALL, Run, described, run
from record import DOCS, record

from vitaccel.config import AcceleratorConfig

NAME = "hybrid"
CASES: dict[str, tuple[str, AcceleratorConfig]] = {"B1 at 224": B1, "small, CIFAR-10": SMALL}
COLUMNS = (
    "network", "batch", "array, accumulators, engine", "scheme", "multipliers", "cycles",
    f"images/s at {MHZ} MHz", "frames against uniform", "uJ", "uJ ms", "energy x delay saved, %",
)  # fmt: skip
HOW = (
    "`build/bench/hybrid.py`, part of `make bench-efficientvit`: a memory of 8 bytes a cycle, all "
    "figures are per image and by `vitaccel.estimate`. The uniform array runs Trio-ViT's scheme, "
    "all weights of 8 bits; the other one has as many power-of-two columns again, no multiplier "
    "more, and runs M2Q: half of the filters are power-of-two of 4 bits, and depthwise weights "
    "have 4 bits. A third array has a depthwise engine of five taps instead of three, which with 4 "
    "bits are fewer bits to multiply by (20 for 24), and as many accumulators as the uniform one, "
    "by half the rows. Energy is that of a 45 nm chip by the table in `vitaccel/energy.py` "
    "(Horowitz, ISSCC 2014; ShiftAddNet for shifts), without clock and leakage. Goal: 1.6 "
    "times the frames (Auto-ViT-Acc reports 1.59 to 1.74), which B1 reaches in batches of four; "
    "one by one the classifiers' weights keep the memory busy. M2-ViT reports 80 % of the "
    "energy-delay product saved against Trio-ViT's accelerator."
)


def arrays(uniform: AcceleratorConfig) -> list[tuple[str, AcceleratorConfig]]:
    """Schemes and the arrays that they are for."""
    columns = {"columns": 2 * uniform.columns, "pot_columns": uniform.columns}
    mixed = uniform.replace(**columns, depthwise_bits=4)
    made = [("trio", uniform), ("m2q", mixed)]
    if not uniform.depthwise_taps:
        return made
    same = {"depthwise_taps": 5, "accumulator_rows": uniform.accumulator_rows // 2}
    return [*made, ("m2q", mixed.replace(**same))]


def compared(name: str, model: str, uniform: AcceleratorConfig, batch: int) -> list[dict[str, Any]]:
    """One row for each array."""
    rows: list[dict[str, Any]] = []
    first: Run | None = None
    for scheme, config in arrays(uniform):
        found = run(model, scheme, config, batch=batch)
        first = first or found
        saved = 1 - found.microjoules * found.cycles / (first.microjoules * first.cycles)
        figures = (
            name, batch, described(config), scheme, config.multipliers, found.cycles,
            round(found.images_per_second, 1), f"{first.cycles / found.cycles:.2f}",
            round(found.microjoules, 1), round(found.microjoules * found.cycles / MHZ / 1e3, 1),
            f"{100 * saved:.0f}",
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
        print(rows[-1], *found.profile.account.lines(), sep="\n  ", flush=True)
    return rows


def main() -> None:
    """Compare the arrays on the networks and batches named; others keep their rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    asked = parser.parse_args()
    path = DOCS / f"{NAME}.json"
    known = json.loads(path.read_text()) if path.exists() else []
    for name in asked.networks:
        for batch in asked.batches:
            known = [row for row in known if (row["network"], row["batch"]) != (name, batch)]
            known += compared(name, *CASES[name], batch)
            known.sort(key=lambda row: (list(CASES).index(row["network"]), row["batch"]))
            record(NAME, "Power-of-two columns beside uniform ones", HOW, COLUMNS, known)


if __name__ == "__main__":
    main()
