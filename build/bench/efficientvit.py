"""EfficientViT: cycles of B1 at 224 x 224 by kind of layer, and whole networks in RTL."""

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hybrid_runs import described
from record import DOCS, OUT, record, table

from golden.qnetwork import QConv, QLayer, QLinear, QNetwork
from golden.quantize import quantize
from golden.scheme import SCHEMES, Scheme
from golden.storage import load, save
from vitaccel.account import account
from vitaccel.compile import compile_network
from vitaccel.compile.macs import layer_macs
from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.demo import demo
from vitaccel.demo_networks import DEMOS
from vitaccel.estimate import Timeline, estimate
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.presets import PRESETS
from vitaccel.sources import load_network
from vitaccel.timing import Stopwatch
from vitaccel.verify import Verdict, verify

MODEL, PRESET = "efficientvit_b1", "efficientvit-16x16"
UNIFORM = PRESETS[PRESET]
MIXED = UNIFORM.replace(columns=32, pot_columns=16)
FIVE_TAPS = MIXED.replace(depthwise_taps=5, depthwise_bits=4, accumulator_rows=128)
ARRAYS = {"trio": UNIFORM, "m2q": MIXED}
BATCHES = (1, 4, 8)
N_RTL = 2
SMALL = "small"
B1_RUNS = {  # scheme, array, images together
    "trio": ("trio", UNIFORM, 1),
    "m2q": ("m2q", MIXED, 1),
    "trio-4": ("trio", UNIFORM, 4),
    "m2q-4": ("m2q", FIVE_TAPS, 4),  # the fastest of hybrid.py
    "trio-8": ("trio", UNIFORM, 8),
}
DEPTHWISE = "depthwise convolutions, beside the array"
COLUMNS = ("layers", "cycles", "MACs", "useful")
BATCH_COLUMNS = ("images", "cycles per image", "classifiers", "useful")
RTL_COLUMNS = (
    "network", "scheme", "array", "bit-exact", "tensors", "images", "together",
    "cycles per image", "estimate", "off",
)  # fmt: skip


def kind(layer: QLayer) -> str:
    """Group that a layer is counted in."""
    match layer:
        case QConv() if layer.groups == layer.out.shape[1]:
            return DEPTHWISE
        case QConv() if layer.groups > 1:
            return "grouped 1 x 1 convolutions"
        case QConv():
            return "stem, 3 x 3"
        case QLinear() if layer.out.shape[0] == 1:
            return "classifiers, a row each"
        case QLinear():
            return "1 x 1 convolutions"
        case _:
            return "linear attention, mean, LayerNorm"


def b1(scheme: str) -> QNetwork:
    """B1 with random parameters, kept from one call to the next: cycles do not depend on them."""
    folder = OUT / "bench" / f"b1-{scheme}"
    if folder.exists():
        return load(folder)
    network = load_network(MODEL)
    image = torch.rand(1, *network.layers[0].shape, generator=torch.Generator().manual_seed(0))
    chosen = Scheme.for_config(scheme, ARRAYS[scheme])
    naive = SCHEMES["naive"]  # the quickest
    quick = {name: getattr(naive, name) for name in ("rounding", "correction", "observers")}
    save(quantize(network, image, chosen.replace(**quick)), folder)
    return load(folder)


def by_kind(network: QNetwork, program: Program, run: Timeline) -> list[dict[str, Any]]:
    """Cycles of the array and MACs of each kind of layer."""
    spent = account(program, UNIFORM, run.spans, run.cycles).layers
    cycles: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    each = layer_macs(network)
    for layer in network.layers:
        cycles[kind(layer)] += sum(spent.get(layer.name, {}).values())
        macs[kind(layer)] += each.get(layer.name, 0)
    busy = sum(span.end - span.start for span in run.spans if span.unit.name == "DEPTHWISE")
    others = sum(macs.values()) - macs[DEPTHWISE]
    rows = [(name, cycles[name], macs[name]) for name in cycles if cycles[name]]
    rows.append(("all on the array", run.cycles, others))
    peak = UNIFORM.rows * UNIFORM.columns
    found = [
        {"layers": name, "cycles": n, "MACs": m, "useful": f"{m / peak / n:.1%}"}
        for name, n, m in rows
    ]
    beside = {"cycles": round(busy), "MACs": macs[DEPTHWISE], "useful": None}
    return [*found, {"layers": DEPTHWISE} | beside]


def by_batch(network: QNetwork, batch: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Cycles of an image if ``batch`` images go together, by estimate; and those by kind."""
    program = compile_network(network, UNIFORM, batch=batch)
    run = estimate(program, UNIFORM, MemoryTiming())
    rows = by_kind(network, program, run)
    cycles = {row["layers"]: row["cycles"] for row in rows}
    macs = sum(row["MACs"] for row in rows[:-2])
    each = run.cycles / batch
    return {
        "images": batch,
        "cycles per image": round(each),
        "classifiers": round(cycles["classifiers, a row each"] / batch),
        "useful": f"{macs / UNIFORM.rows / UNIFORM.columns / each:.1%}",
    }, rows


def row(
    name: str, scheme: str, config: AcceleratorConfig, found: Mapping[str, Any], estimated: int
) -> dict[str, Any]:
    """Result of a simulation as a row of the table; ``estimated``: cycles of a run."""
    cycles, estimated = found["cycles_per_image"], round(estimated / found["batch"])
    return {
        "network": name,
        "scheme": scheme,
        "array": described(config),
        "bit-exact": found["bit_exact"],
        "tensors": found["tensors_compared"],
        "images": found["images"],
        "together": found["batch"],
        "cycles per image": cycles,
        "estimate": estimated,
        "off": f"{estimated / cycles - 1:+.2%}",
    }


def small_in_rtl(images: Path | None) -> dict[str, Any]:
    """The small network in RTL, every integer compared."""
    own = DEMOS["efficientvit"]
    config, folder = PRESETS[own.config], OUT / "bench" / "efficientvit"
    found, _ = demo(own.model, config, own.scheme, N_RTL, folder, Stopwatch(), images=images)
    run = estimate(Program.load(folder), config, MemoryTiming())
    return row("CIFAR-10's", own.scheme, config, found, run.cycles)


def b1_in_rtl(scheme: str, config: AcceleratorConfig, batch: int) -> dict[str, Any]:
    """B1 in RTL: every tensor of the first image, the logits and cycles of the others.

    If images go together there is one run of them, in which only logits are compared.
    """
    network = b1(scheme)
    traced = int(batch == 1)
    images = torch.rand(
        traced + batch, *network.layers[0].out.shape, generator=torch.Generator().manual_seed(1)
    )
    verdict: Verdict = verify(
        network, config, images, OUT / "models", Stopwatch(), traced, batch=batch
    )
    run = estimate(compile_network(network, config, batch=batch), config, MemoryTiming())
    return row("B1 at 224", scheme, config, verdict.summary(), run.cycles)


def rtl(names: list[str], images: Path | None) -> list[dict[str, Any]]:
    """Rows of simulations, those in ``names`` made anew and each written down at once."""
    path = DOCS / "efficientvit-rtl.json"
    known: dict[str, Any] = json.loads(path.read_text())
    for name in names:
        known[name] = small_in_rtl(images) if name == SMALL else b1_in_rtl(*B1_RUNS[name])
        path.write_text(json.dumps(known, indent=1) + "\n")
    return [known[name] for name in (*B1_RUNS, SMALL) if name in known]


def main() -> None:
    """Measure, or with ``--rtl`` keep what RTL gave last time but for some networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="CIFAR-10's binary version, else digits")
    names = [*B1_RUNS, SMALL]
    parser.add_argument("--rtl", nargs="*", choices=names, default=names, help="what to simulate")
    args = parser.parse_args()
    simulated = rtl(args.rtl, args.images)
    network = b1("trio")
    batches, kinds = zip(*(by_batch(network, batch) for batch in BATCHES), strict=True)
    how = (
        f"`make bench-efficientvit`. {MODEL} with random parameters on preset `{PRESET}`, W8A8 "
        "(scheme `trio`), a memory of 8 bytes a cycle, one image, by `vitaccel.estimate`: cycles "
        "in which the array was at work on a layer or waited for it, and the share of its "
        "multipliers' cycles that made a useful product. Depthwise convolutions run on their "
        "engine meanwhile."
    )
    together = (
        "The same for several images in one program: the 4 MB of the classifiers' weights, which "
        "alone keep the memory busy for 507,200 cycles, are loaded once for all of them."
    )
    compared = (
        "B1 with random parameters, and the shipped CIFAR-10 network on preset `efficientvit`: "
        "every tensor of the first image, the logits of the last, against golden; of images that "
        "go together, the logits of all."
    )
    more = ["", "## Several images at once", "", together, "", *table(BATCH_COLUMNS, batches)]
    more += ["", "## In RTL", "", compared, "", *table(RTL_COLUMNS, simulated), ""]
    record("efficientvit", "EfficientViT", how, COLUMNS, kinds[0], "\n".join(more))


if __name__ == "__main__":
    main()
