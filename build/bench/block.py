"""One block of EfficientViT-B1 on its way through the units: two pictures and a table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hybrid_runs import B1, Run, run
from picture import timeline_svg
from record import DOCS, record

from vitaccel.hw.mxu.accumulators import accumulators_latency
from vitaccel.hw.post.post import Post
from vitaccel.isa import Unit
from vitaccel.spans import Interval, Span

BLOCK = "stages.2.blocks.1."  # 14 x 14 pixels, 128 channels: attention, then MBConv
ATTENTION = ("key_sum", "key_value", "divisor", "quotient")  # of the second picture
NAME = "efficientvit-block"
COLUMNS = (
    "no.", "layer", "kind", "result", "first cycle", "last cycle", "array", "other units",
    "MACs useful, %",
)  # fmt: skip
HOW = (
    f"`build/bench/block.py`, part of `make bench-efficientvit`: layers `{BLOCK}*` of B1 at 224 x "
    "224 with scheme `trio` on preset `efficientvit-16x16`, a memory of 8 bytes a cycle, by "
    "`vitaccel.estimate`. Cycles count from the first one in which a unit works for the block; "
    "array: in which it worked on the layer, or waited for something to do it; other units: cycles "
    "of each at work. What it means: [a block, step by step](../efficientvit-block.md)."
)


def numbered(found: Run) -> dict[str, int]:
    """Layers of the block that have instructions, in order."""
    busy = {span.layer for span in found.timed.spans}
    names = [row["name"] for row in found.profile.layers if row["name"] in busy]
    return {name: n for n, name in enumerate((x for x in names if x.startswith(BLOCK)), 1)}


def stretch(spans: Sequence[Span], layers: Collection[str]) -> tuple[int, int]:
    """From the first to the last cycle in which MXU, POST, VECTOR or DEPTHWISE work for layers."""
    own = [s for s in spans if s.layer in layers and s.unit not in (Unit.LOAD, Unit.STORE)]
    return round(min(span.start for span in own)), round(max(span.end for span in own))


def table(found: Run, numbers: Mapping[str, int], begin: int) -> list[dict[str, Any]]:
    """One row for each layer."""
    about = {row["name"]: row for row in found.profile.layers}
    rows = []
    for name, number in numbers.items():
        own = [span for span in found.timed.spans if span.layer == name]
        work: dict[str, float] = {}
        for span in own:
            work[span.unit.name] = work.get(span.unit.name, 0.0) + span.end - span.start
        first, last = stretch(found.timed.spans, [name])
        layer = about[name]
        share = layer["utilization"]
        others = ", ".join(f"{u} {round(n)}" for u, n in work.items() if u != "MXU")
        figures = (
            number, name.removeprefix(BLOCK), layer["kind"], " x ".join(map(str, layer["shape"])),
            first - begin, last - begin, layer["array_cycles"], others,
            f"{100 * share:.1f}" if share and layer["macs"] else "",
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
    return rows


def main() -> None:
    """Compile B1, time it, draw the block and its attention."""
    model, config = B1
    found = run(model, "trio", config)
    numbers = numbered(found)
    units: dict[str, Sequence[Interval]] = {
        "array": found.profile.array(),
        **found.timed.timeline(),
    }
    kinds = {row["name"]: row["kind"] for row in found.profile.layers}
    attention = [name for name in numbers if kinds[name] in ATTENTION]
    begin, end = stretch(found.timed.spans, numbers)
    for name, bounds in {
        NAME: (begin, end),
        f"{NAME}-attention": stretch(found.timed.spans, attention),
    }.items():
        (DOCS / f"{name}.svg").write_text(timeline_svg(units, *bounds, numbers))
    latencies = (
        f"From the last beat of a column of tiles until all its sums are in the accumulators it "
        f"takes {accumulators_latency(config)} cycles, from a row's reading there until POST "
        f"offers its first word to the memory {Post(config).latency}."
    )
    rows = table(found, numbers, begin)
    record(NAME, "A block of EfficientViT-B1", HOW, COLUMNS, rows, f"\n{latencies}\n")


if __name__ == "__main__":
    main()
