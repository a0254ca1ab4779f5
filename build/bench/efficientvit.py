"""EfficientViT: cycles of B1 at 224 x 224 by kind of layer, and the small one in RTL."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from record import DOCS, OUT, record, table

from golden.qnetwork import QConv, QLayer, QLinear, QNetwork
from golden.quantize import quantize
from golden.scheme import SCHEMES
from vitaccel.account import account
from vitaccel.compile import compile_network
from vitaccel.compile.macs import layer_macs
from vitaccel.demo import demo
from vitaccel.demo_networks import DEMOS
from vitaccel.estimate import estimate
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.presets import PRESETS
from vitaccel.sources import load_network
from vitaccel.timing import Stopwatch

MODEL, PRESET = "efficientvit_b1", "efficientvit-16x16"
COLUMNS = ("layers", "cycles", "MACs", "useful")
RTL_COLUMNS = ("scheme", "bit-exact", "tensors", "images", "cycles per image")
N_RTL = 2
DEPTHWISE = "depthwise convolutions, on the array"


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


def b1() -> QNetwork:
    """B1 with random parameters: cycles do not depend on them."""
    network = load_network(MODEL)
    image = torch.rand(1, *network.layers[0].shape, generator=torch.Generator().manual_seed(0))
    return quantize(network, image, SCHEMES["trio"])


def by_kind() -> list[dict[str, Any]]:
    """Cycles of the array and MACs of each kind of layer, by estimate."""
    network, config = b1(), PRESETS[PRESET]
    program = compile_network(network, config)
    run = estimate(program, config, MemoryTiming())
    spent = account(program, config, run.spans, run.cycles).layers
    cycles: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    each = layer_macs(network)
    for layer in network.layers:
        cycles[kind(layer)] += sum(spent.get(layer.name, {}).values())
        macs[kind(layer)] += each.get(layer.name, 0)
    others = Counter({name: n for name, n in cycles.items() if name != DEPTHWISE})
    sums = {"all": cycles, "all but depthwise": others}
    rows = [(name, cycles[name], macs[name]) for name in cycles if cycles[name]]
    rows += [(name, sum(part.values()), sum(macs[k] for k in part)) for name, part in sums.items()]
    peak = config.rows * config.columns
    return [
        {"layers": name, "cycles": n, "MACs": m, "useful": f"{m / peak / n:.1%}"}
        for name, n, m in rows
    ]


def in_rtl(images: Path | None) -> list[dict[str, Any]]:
    """The small network in RTL, every integer compared."""
    own = DEMOS["efficientvit"]
    folder = OUT / "bench" / "efficientvit"
    about, _ = demo(
        own.model, PRESETS[own.config], own.scheme, N_RTL, folder, Stopwatch(), images=images
    )
    return [
        {
            "scheme": own.scheme,
            "bit-exact": about["bit_exact"],
            "tensors": about["tensors_compared"],
            "images": about["images"],
            "cycles per image": about["cycles_per_image"],
        }
    ]


def main() -> None:
    """Measure, or with ``--estimate`` keep what RTL gave last time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="CIFAR-10's binary version, else digits")
    parser.add_argument("--estimate", action="store_true", help="do not simulate")
    args = parser.parse_args()
    last = DOCS / "efficientvit-rtl.json"
    rtl = json.loads(last.read_text()) if args.estimate else in_rtl(args.images)
    last.write_text(json.dumps(rtl, indent=1) + "\n")
    how = (
        f"`make bench-efficientvit`. {MODEL} with random parameters on preset `{PRESET}`, W8A8 "
        "(scheme `trio`), a memory of 8 bytes a cycle, by `vitaccel.estimate`: cycles in which the "
        "array was at work on a layer or waited for it, and the share of its multipliers' cycles "
        "that made a useful product. Depthwise convolutions run on the array here, as diagonal "
        "tiles: one multiplier in sixteen is at work."
    )
    said = (
        "The shipped CIFAR-10 network on preset `efficientvit`, 8 x 16 columns, half of them "
        "power-of-two: every tensor of the first image, the logits of the last, against golden."
    )
    lines = ["", "## The small one in RTL", "", said, "", *table(RTL_COLUMNS, rtl), ""]
    record("efficientvit", "EfficientViT", how, COLUMNS, by_kind(), "\n".join(lines))


if __name__ == "__main__":
    main()
