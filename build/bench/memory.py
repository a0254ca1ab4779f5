"""EfficientViT-B1 behind a slow memory: batches, 4-bit weights, layers that the memory bounds."""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from hybrid_runs import B1, MHZ, Run, run
from record import DOCS, record, table

from vitaccel.account import Cause
from vitaccel.flow.pages import render
from vitaccel.flow.roofline import roofline

NAME = "efficientvit-memory"
MEMORY = "sdram"  # of the ULX3S: 16 bits
COLUMNS = (
    "array and weights", "batch", "cycles", f"images/s at {MHZ} MHz", "MB moved", "weights, MB",
    "least cycles by the memory", "cycles waiting for it, %", "useful MACs, %",
)  # fmt: skip
BOUND = ("layers", "batch", "MACs per byte", "cycles", "of these waiting for memory", "bound by")
WAITS = (Cause.WEIGHTS, Cause.IMAGE, Cause.ACTIVATIONS, Cause.STORE, Cause.PROGRAM)
HOW = (
    "`build/bench/memory.py`, part of `make bench-efficientvit`: efficientvit_b1 at 224 x 224 on "
    "the units of preset `efficientvit-16x16` behind the ULX3S's 16-bit SDRAM (2 bytes a cycle, "
    "less refresh); all figures are per image and by `vitaccel.estimate`. The arrays have the same "
    "number of multipliers: with 4-bit weights each makes two products, with M2Q as many "
    "power-of-two columns are beside them."
)


def cases() -> dict[str, tuple[str, Any]]:
    """Name, scheme, accelerator."""
    base = B1[1]
    twice = {"columns": 2 * base.columns}
    return {
        "16 x 16, 8 bits": ("trio", base),
        "16 x 32, 4 bits": ("trio", base.replace(**twice, weight_bits=4)),
        "16 x 16 + 16 pot, M2Q": ("m2q", base.replace(**twice, pot_columns=base.columns)),
    }


def row(name: str, found: Run) -> dict[str, Any]:
    """Figures of one run."""
    batch, shape = found.program.batch, found.profile
    waiting = sum(shape.account.totals().get(cause, 0) for cause in WAITS)
    figures = (
        name,
        batch,
        found.cycles,
        round(found.images_per_second, 2),
        f"{found.megabytes:.2f}",
        f"{shape.traffic.kinds['weights'] / batch / 1e6:.2f}",
        round(found.megabytes * 1e6 / shape.bandwidth),
        f"{100 * waiting / shape.cycles:.1f}",
        f"{100 * shape.macs / shape.peak / shape.cycles:.1f}",
    )
    return dict(zip(COLUMNS, figures, strict=True))


def group(layer: Mapping[str, Any]) -> str:
    """Where a layer belongs: the stage of its name, or what it is after them."""
    head, *rest = layer["name"].split(".")
    return f"{head}.{rest[0]}" if head == "stages" else head


def bound(found: Run) -> list[dict[str, Any]]:
    """Which layers move more than the memory brings while the array works on them."""
    shape, sums = found.profile, defaultdict(lambda: [0, 0, 0, 0])
    for layer in shape.layers:
        waiting = sum(layer["lost"].get(str(cause), 0) for cause in WAITS)
        work = (layer["macs"], layer["bytes"], layer["array_cycles"], waiting)
        own = sums[group(layer)]
        own[:] = [a + b for a, b in zip(own, work, strict=True)]
    rows = []
    for name, (macs, moved, cycles, waiting) in sums.items():
        if not cycles and not moved:
            continue
        by = "memory" if moved / shape.bandwidth > cycles - waiting else "array"
        dense = f"{macs / moved:.1f}" if moved else "no bytes"
        each = (round(n / found.program.batch) for n in (cycles, waiting))
        figures = (name, found.program.batch, dense, *each, by)
        rows.append(dict(zip(BOUND, figures, strict=True)))
    return rows


def drawn(found: Run) -> str:
    """Roofline of a run."""
    svg = render("roofline.svg", roof=roofline(found.profile))
    style = (
        "<style>text { font: 12px system-ui, sans-serif; fill: #62666e } .grid { stroke: #c8cac6 }"
        " .roof { fill: none; stroke: #d98a3d; stroke-width: 2 } .dot { fill: #5b93cc }"
        " .whole { fill: #2563a8 }</style>"
    )
    first, rest = svg.split(">", 1)
    return f'{first} xmlns="http://www.w3.org/2000/svg">{style}{rest}'


def main() -> None:
    """Time every case in every batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    batches = parser.parse_args().batches
    rows, bounds = [], []
    for name, (scheme, config) in cases().items():
        for batch in batches:
            found = run(B1[0], scheme, config, MEMORY, batch)
            rows.append(row(name, found))
            print(rows[-1], flush=True)
            if config == B1[1]:
                bounds += bound(found)
                (DOCS / f"{NAME}-{batch}.svg").write_text(drawn(found))
    said = (
        "Of the first array, by stage of the network: with less than "
        "MACs per cycle over bytes per cycle (256 / 2) MACs for every byte, a layer takes longer "
        "to load than to compute; whether the array waits for it depends on what is loaded ahead."
    )
    pictures = [f"![Roofline, batch {n}]({NAME}-{n}.svg)\n" for n in batches]
    more = ["", "## Which layers the memory bounds", "", said, "", *table(BOUND, bounds), ""]
    record(NAME, "EfficientViT behind a slow memory", HOW, COLUMNS, rows,
           "\n".join([*more, *pictures]))  # fmt: skip


if __name__ == "__main__":
    main()
