"""DeiT on several arrays: cycles and useful multipliers, estimated and in RTL."""

import argparse
import json
import time
from typing import Any, NamedTuple

import torch
from published import comparison
from record import DOCS, OUT, record

from golden.models import ARCHITECTURES, VisionTransformer
from golden.qnetwork import QNetwork
from golden.quantize import quantize
from golden.scheme import Scheme
from golden.storage import load, save
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.estimate import estimate
from vitaccel.frontend import from_module
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS
from vitaccel.resources import resources
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

MHZ = 100


class Case(NamedTuple):
    """A network on an array; ``goal``: share of useful MACs, if there is one."""

    model: str
    scheme: str
    config: AcceleratorConfig
    memory: str
    goal: float | None
    rtl: bool = True
    depth: int = 12  # blocks of the network
    batch: int = 1  # images of a run


TINY, SMALL, BASE = (f"deit_{size}_patch16_224" for size in ("tiny", "small", "base"))
BOARD = PRESETS["ulx3s-85f"]
LARGE = BOARD.replace(
    activation_words=49152, weight_words=8192, vector_words=64, row_words=64, post_words=256
)
HALF = BOARD.replace(
    weight_bits=8, pot_columns=12, log2_attention=True, accumulator_bits=32, weight_words=8192
)
CASES = {
    "12x12 W8A8": Case(TINY, "w8a8", PRESETS["deit-12x12"], "sdram", 0.92),
    "12x24 W4A8": Case(TINY, "w4a8kv4", BOARD, "sdram", 0.90),
    "12x24 W4A8 + 12x24 PoT": Case(TINY, "w4a8kv4", PRESETS["ulx3s-85f-pot"], "sdram", None),
    "12x24 W4A8, batch of 4": Case(TINY, "w4a8kv4", BOARD, "sdram", 0.90, rtl=False, batch=4),
    "12x24 half pot, log2": Case(TINY, "mixed", HALF, "sdram", 0.90, rtl=False),
    "16x32 W8A8": Case(
        TINY,
        "w8a8",
        PRESETS["deit-12x12"].replace(
            rows=16, columns=32, axi_bytes=16, activation_words=32768, weight_words=8192
        ),
        "bus",
        0.85,
    ),
    "12x24 W4A8, small": Case(
        SMALL, "w4a8kv4", BOARD.replace(activation_words=28672), "sdram", 0.93
    ),
    "12x24 W4A8, small, memories of an 85F": Case(
        SMALL, "w4a8kv4", BOARD.replace(activation_words=20480), "sdram", 0.93
    ),
    "12x24 W4A8, 2 blocks of base": Case(BASE, "w4a8kv4", LARGE, "sdram", 0.94, depth=2),
    "12x24 W4A8, base": Case(BASE, "w4a8kv4", LARGE, "sdram", 0.94, rtl=False),
}
COLUMNS = (
    "network",
    "array",
    "memory",
    "block RAMs (85F: 208)",
    "goal",
    "useful MACs",
    "cycles, RTL",
    "cycles, estimate",
    f"images/s at {MHZ} MHz",
    "MB loaded, stored",
    "equal tensors, RTL",
    "s to compile, to build, to simulate an image",
)
HOW = (
    "`make bench-deit`: random parameters, 224 x 224 images, one at a time unless it says batch, "
    "from image bytes in external memory to logits there; all figures are per image. Useful MACs: "
    "those of the network over (MACs of the array x cycles). Rows without RTL figures are "
    "estimates (`vitaccel estimate`). W4A8: weights, K and V of 4 bits, two to a multiplier. Block "
    "RAMs: DP16KD of the whole accelerator without memory controller and host link, by "
    "`vitaccel.resources`."
)


def build(case: Case) -> QNetwork:
    """Quantised network, without the steps that only accuracy needs; kept for the next run."""
    scheme = Scheme.for_config(case.scheme, case.config)
    scheme = scheme.replace(rounding="nearest", correction="none")
    folder = OUT / "deit" / f"{case.model}-{case.depth}-{scheme.digest()}"
    if not folder.exists():
        arch = ARCHITECTURES[case.model].replace(depth=case.depth)
        size = arch.image_size
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = VisionTransformer(arch).eval()
        network = from_module(model, torch.zeros(1, 3, size, size), case.model)
        draw = torch.Generator().manual_seed(0)
        images = torch.rand(2, 3, size, size, generator=draw)
        save(quantize(network, images, scheme), folder)
    return load(folder)


def measure(name: str, case: Case, network: QNetwork) -> dict[str, Any]:
    """One row."""
    timing = memory_timing(case.memory, case.config)
    began = time.perf_counter()
    program = compile_network(network, case.config, timing=timing, batch=case.batch)
    compiled = time.perf_counter() - began
    guess = estimate(program, case.config, timing)
    about = guess.summary(program, case.config, MHZ)
    cycles = guessed = about["cycles_per_image"]
    useful = about["mac_utilization"]
    rtl, equal, seconds = "", "", f"{compiled:.1f}"
    if case.rtl:
        size = ARCHITECTURES[case.model].image_size
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
        watch = Stopwatch(lambda *_: None)
        verdict = verify(
            network,
            case.config,
            images,
            OUT / "models",
            watch,
            traced=1,
            timing=timing,
            batch=case.batch,
        )
        rtl = cycles = verdict.cycles_per_image
        useful = round(verdict.mac_utilization, 4)
        seconds += f", {watch.seconds['build']:.0f}, {cycles / verdict.simulation_hz:.0f}"
        equal = sum(verdict.tensors.values()) if verdict.bit_exact else "NOT EQUAL"
    row = (
        case.model,
        name,
        case.memory,
        sum(unit.ram for unit in resources(case.config).values()),
        case.goal,
        useful,
        rtl,
        guessed,
        round(MHZ * 1e6 / cycles, 2),
        f"{about['bytes_loaded'] / 1e6:.2f}, {about['bytes_stored'] / 1e6:.2f}",
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
    path = DOCS / "deit.json"
    former = json.loads(path.read_text()) if path.exists() else []
    known = {row["array"]: row for row in former if set(row) == set(COLUMNS)}
    configs = {name: (case.scheme, case.config) for name, case in CASES.items()}
    for name in [] if asked.page else asked.cases or CASES:
        began = time.perf_counter()
        known[name] = measure(name, CASES[name], build(CASES[name]))
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        rows = [known[case] for case in CASES if case in known]
        record("deit", "DeiT", HOW, COLUMNS, rows, comparison(rows, configs, MHZ))
    rows = [known[case] for case in CASES if case in known]
    record("deit", "DeiT", HOW, COLUMNS, rows, comparison(rows, configs, MHZ))


if __name__ == "__main__":
    main()
