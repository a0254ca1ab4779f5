"""DeiT on several arrays: cycles and useful multipliers, estimated and in RTL."""

import argparse
import json
import time
from typing import Any, NamedTuple

import torch
from published import comparison
from record import DOCS, OUT, record

from golden.models import ARCHITECTURES, named_model
from golden.qnetwork import QNetwork
from golden.quantize import quantize
from golden.scheme import Scheme
from vitaccel.compile import compile_network
from vitaccel.config import PRESETS, AcceleratorConfig
from vitaccel.estimate import estimate
from vitaccel.frontend import from_module
from vitaccel.memories import memory_timing
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

MHZ = 100


class Case(NamedTuple):
    """A network on an array; ``goal``: share of useful MACs."""

    model: str
    scheme: str
    config: AcceleratorConfig
    memory: str
    goal: float
    rtl: bool


TINY, SMALL = "deit_tiny_patch16_224", "deit_small_patch16_224"
NARROW = PRESETS["deit-12x12"]
WIDE = NARROW.replace(columns=24, activation_words=65536, weight_words=8192, post_words=256)
CASES = {
    "12x12 uniform 8": Case(TINY, "w8a8", NARROW, "sdram", 0.92, rtl=True),
    "16x32 uniform 8": Case(
        TINY,
        "w8a8",
        NARROW.replace(rows=16, columns=32, axi_bytes=16, weight_words=8192),
        "bus",
        0.85,
        rtl=True,
    ),
    "12x24 uniform 8": Case(TINY, "w8a8", WIDE, "sdram", 0.90, rtl=False),
    "12x24 uniform 4": Case(TINY, "w4a8", WIDE.replace(weight_bits=4), "sdram", 0.90, rtl=False),
    "12x24 half pot, log2": Case(
        TINY,
        "mixed",
        WIDE.replace(pot_columns=12, log2_attention=True),
        "sdram",
        0.90,
        rtl=False,
    ),
    "12x24 uniform 8, small": Case(
        SMALL, "w8a8", WIDE.replace(weight_words=16384), "sdram", 0.93, rtl=False
    ),
}
COLUMNS = (
    "network",
    "array",
    "memory",
    "goal",
    "useful MACs",
    "cycles, RTL",
    "cycles, estimate",
    f"images/s at {MHZ} MHz",
    "MB loaded",
    "equal tensors, RTL",
    "s to build, to simulate an image",
)
HOW = (
    "`make bench-deit`: random parameters, 224 x 224 images, one at a time, from image bytes in "
    "external memory to logits there. Useful MACs: those of the network over (MACs of the array x "
    "cycles). Rows without RTL figures are estimates (`vitaccel estimate`)."
)


def build(case: Case, known: dict[tuple[str, str], QNetwork]) -> QNetwork:
    """Quantised network, without the steps that only accuracy needs."""
    key = case.model, case.scheme
    if key not in known:
        size = ARCHITECTURES[case.model].image_size
        network = from_module(named_model(case.model), torch.zeros(1, 3, size, size), case.model)
        scheme = Scheme.for_config(case.scheme, case.config)
        scheme = scheme.replace(rounding="nearest", correction="none")
        draw = torch.Generator().manual_seed(0)
        known[key] = quantize(network, torch.rand(2, 3, size, size, generator=draw), scheme)
    return known[key]


def measure(name: str, case: Case, network: QNetwork) -> dict[str, Any]:
    """One row."""
    timing = memory_timing(case.memory, case.config)
    program = compile_network(network, case.config)
    guess = estimate(program, case.config, timing)
    about = guess.summary(program, case.config, MHZ)
    cycles, useful = guess.cycles, about["mac_utilization"]
    simulated: tuple[object, ...] = ("", "", "")
    if case.rtl:
        size = ARCHITECTURES[case.model].image_size
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
        watch = Stopwatch(lambda *_: None)
        verdict = verify(
            network, case.config, images, OUT / "models", watch, traced=1, timing=timing
        )
        cycles, useful = verdict.cycles_per_image, round(verdict.mac_utilization, 4)
        seconds = f"{watch.seconds['build']:.0f}, {cycles / verdict.simulation_hz:.0f}"
        equal = sum(verdict.tensors.values()) if verdict.bit_exact else "NOT EQUAL"
        simulated = (cycles, equal, seconds)
    rtl, equal, seconds = simulated
    row = (
        case.model,
        name,
        case.memory,
        case.goal,
        useful,
        rtl,
        guess.cycles,
        round(MHZ * 1e6 / cycles, 2),
        round(guess.loaded / 1e6, 2),
        equal,
        seconds,
    )
    return dict(zip(COLUMNS, row, strict=True))


def main() -> None:
    """Measure all cases, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], default=[])
    parser.add_argument("--page", action="store_true", help="write the page from the JSON again")
    asked = parser.parse_args()
    rows, known = [], {}
    if asked.page:
        rows = json.loads((DOCS / "deit.json").read_text())
    for name in [] if asked.page else asked.cases or CASES:
        began = time.perf_counter()
        rows.append(measure(name, CASES[name], build(CASES[name], known)))
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    configs = {name: (case.scheme, case.config) for name, case in CASES.items()}
    record("deit", "DeiT", HOW, COLUMNS, rows, comparison(rows, configs, MHZ))


if __name__ == "__main__":
    main()
