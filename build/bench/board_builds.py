"""Bitstreams of the digits network on boards: area and routed clock, beside the baselines."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from record import DOCS, OUT, ROOT, record

from boards.catalogue import BOARDS, find_board
from golden.evaluate import accuracy
from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import Scheme
from vitaccel.demo_networks import CALIBRATION
from vitaccel.flow.build import Options, build
from vitaccel.presets import PRESETS
from vitaccel.sources import load_images, load_network
from vitaccel.timing import Stopwatch

SCHEMES = {"tiny": "w8a8", "small": "w4a8", "icebreaker": "w8a8", "tang-nano-20k": "w8a8"}
NETWORKS = {"icebreaker": "digits-small", "tang-nano-20k": "digits-small"}
BASELINES = ROOT / "build" / "baselines" / "boards.json"
TOLERANCE = 0.05
SMALLER_IS_BETTER = {"LUT4": True, "FF": True, "DSP": True, "RAM": True, "MHz, median": False}
COLUMNS = (
    "board",
    "preset",
    "scheme",
    "top-1",
    "LUT4",
    "FF",
    "DSP",
    "RAM",
    "clock",
    "MHz, median",
    "MHz, worst",
    "MHz by seed",
    "cycles per image, estimate",
    "images per second, estimate",
    "longest path",
)
HOW = (
    "`make bench-boards`: the shipped digits ViT, on iCEBreaker and Tang Nano the small one, "
    "program and constants on chip, host link over the serial port. Cells after placement (LUT4: "
    "TRELLIS_COMB, carries and distributed memory included, or ICESTORM_LC), of those that the "
    "device has; DSP = "
    "MULT18X18D or SB_MAC16, RAM = DP16KD (18 kbit) or SB_RAM40_4K (4 kbit). "
    "Clock: that of the bitstream, MHz. Top-1 of the integers on the 360 held-out images. "
    "Tools: {tools}."
)


def main() -> int:
    """Measure the boards named on the command line, or all that have figures already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="*", choices=[[], *BOARDS], default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--accept", action="store_true", help="make the figures the new baseline")
    parser.add_argument("--check", action="store_true", help="only compare, record nothing")
    asked = parser.parse_args()
    path = DOCS / "boards.json"
    known = {row["board"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    worse: list[str] = []
    names = asked.boards or [*known] or ["ulx3s-25f", "ulx3s-85f"]
    unknown = [name for name in names if name not in _baselines()]
    if asked.check and unknown:
        parser.error(f"--check: no baseline of {', '.join(unknown)}; run without it once")
    for name in names:
        about = _measure(name, tuple(asked.seeds))
        known[name] = _row(about)
        if asked.accept or not (asked.check or name in _baselines()):
            _accept(known[name])
        worse += _beside_baseline(known[name])
        if asked.check:
            continue
        rows = [known[board] for board in BOARDS if board in known]
        tools = ", ".join(f"{tool} {version}" for tool, version in about["tools"].items())
        record("boards", "Boards", HOW.format(tools=tools), COLUMNS, rows)
    for line in worse:
        print(line, file=sys.stderr)
    return int(bool(worse))


def _measure(name: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    board = find_board(name)
    config = PRESETS[board.preset]
    scheme = Scheme.for_config(SCHEMES[board.preset], config)
    network = load_network(NETWORKS.get(name, "digits"))
    shape = network.layers[0].shape
    calibration = load_images("digits:train", shape, CALIBRATION).images
    integers = quantize(network, calibration, scheme)
    test = load_images("digits", shape)
    logits = execute(integers, test.images, keep=False)[integers.layers[-1].name]
    assert test.labels is not None
    share = accuracy(logits.reshape(len(logits), -1).float(), test.labels)
    watch = Stopwatch(
        lambda step, done: print(f"{name}: {step}", flush=True) if done is None else None
    )
    folder = OUT / "bench-boards" / name
    about, _ = build(integers, board, config, Options(OUT / "boards", seeds), folder, watch)
    return about | {"preset": board.preset, "scheme": scheme.name, "top-1": f"{share:.1%}"}


def _row(about: Mapping[str, Any]) -> dict[str, Any]:
    cells = {kind: about["resources"][kind] for kind in ("comb", "ff", "dsp", "ram")}
    return {
        "board": about["board"],
        "preset": about["preset"],
        "scheme": about["scheme"],
        "top-1": about["top-1"],
        **{
            title: f"{cells[kind]['used']} of {cells[kind]['available']}"
            for title, kind in (("LUT4", "comb"), ("FF", "ff"), ("DSP", "dsp"), ("RAM", "ram"))
        },
        "clock": about["clock_mhz"],
        "MHz, median": about["fmax_median_mhz"],
        "MHz, worst": about["fmax_worst_mhz"],
        "MHz by seed": about["fmax_mhz"],
        "cycles per image, estimate": about["estimated_cycles_per_image"],
        "images per second, estimate": about["estimated_images_per_second"],
        "longest path": about["critical_path"],
    }


def _baselines() -> dict[str, dict[str, float]]:
    return json.loads(BASELINES.read_text()) if BASELINES.exists() else {}


def _accept(row: Mapping[str, Any]) -> None:
    """Make the figures of ``row`` the baseline of its board."""
    baselines = _baselines() | {row["board"]: _figures(row)}
    BASELINES.parent.mkdir(parents=True, exist_ok=True)
    BASELINES.write_text(json.dumps(baselines, indent=1, sort_keys=True) + "\n")


def _beside_baseline(row: Mapping[str, Any]) -> Iterator[str]:
    """Everything that became worse than the baseline by more than `TOLERANCE`."""
    found = _figures(row)
    for title, before in _baselines()[row["board"]].items():
        change = found[title] - before
        if (change if SMALLER_IS_BETTER[title] else -change) > TOLERANCE * before:
            yield f"{row['board']}: {title} was {before:g}, is {found[title]:g}"


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    return {title: float(str(row[title]).split(" ")[0]) for title in SMALLER_IS_BETTER}


if __name__ == "__main__":
    sys.exit(main())
