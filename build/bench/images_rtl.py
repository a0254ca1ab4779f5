"""The small EfficientViT in RTL on many images, every tensor of every image against golden."""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import torch
from cifar10_cases import CASES, MODEL, integers
from record import DOCS, OUT, record
from torch import Tensor

from golden.qnetwork import QNetwork
from golden.storage import load, save
from vitaccel.sources import load_labelled, load_network
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

COLUMNS = (
    "scheme", "array", "bit-exact", "images whole", "tensors", "cycles per image", "processes",
    "minutes",
)  # fmt: skip
HOW = (
    "`build/bench/images_rtl.py FOLDER`: the shipped network on held-out images of CIFAR-10, by "
    "Verilator under cocotb: one simulator, several processes. Of every image all tensors that "
    "the gateware computes are stored and compared with `golden.execute`; beside them the logits "
    "of one image more for each process's share."
)
NAME = "efficientvit-images"


class Found(NamedTuple):
    """What a share of the images showed."""

    images: int
    tensors: int
    cycles: int
    mismatches: tuple[str, ...]


def check(case: str, folder: str, images: Tensor) -> Found:
    """Run images, but the last one, with every tensor kept."""
    torch.set_num_threads(1)
    network = _network(case, folder)
    config = CASES[case].config
    whole = len(images) - 1
    verdict = verify(network, config, images, OUT / "models", Stopwatch(), traced=whole)
    found = tuple(str(mismatch) for mismatch in verdict.mismatches)
    return Found(whole, verdict.tensors_compared, verdict.cycles_per_image, found)


def _network(case: str, folder: str) -> QNetwork:
    """Quantised once; the others read it."""
    place = OUT / "bench" / "images" / CASES[case].scheme / CASES[case].config.digest()
    if not place.exists():
        save(integers(load_network(MODEL), CASES[case], folder), place)
    return load(place)


def _images(folder: str, count: int) -> Tensor:
    network = load_network(MODEL)
    batches = load_labelled(folder, network, None).batches
    return torch.cat([images for images, _ in batches])[:count]


def measure(case: str, folder: str, count: int, processes: int, share: int) -> dict[str, Any]:
    """One row; the first image makes the simulator that all processes use."""
    images = _images(folder, count + 1)
    began = time.perf_counter()
    parts = [images[first : first + share + 1] for first in range(0, len(images) - 1, share)]
    check(case, folder, images[:2])
    found: list[Found] = []
    with ProcessPoolExecutor(processes) as pool:
        for each in pool.map(check, [case] * len(parts), [folder] * len(parts), parts):
            found.append(each)
            print(f"{case}: {sum(f.images for f in found)} images", *each.mismatches, flush=True)
    wrong = [text for each in found for text in each.mismatches]
    config = CASES[case].config
    uniform = config.columns - config.pot_columns
    figures = (
        case,
        f"{config.rows} x {uniform}" + f" + {config.pot_columns} pot" * (config.pot_columns > 0),
        wrong[0] if wrong else "yes",
        sum(each.images for each in found),
        sum(each.tensors for each in found),
        found[0].cycles,
        processes,
        round((time.perf_counter() - began) / 60, 1),
    )
    return dict(zip(COLUMNS, figures, strict=True))


def main() -> None:
    """Run the cases named, or all; the others keep their rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="CIFAR-10's binary version")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--share", type=int, default=25, help="images of a process at a time")
    asked = parser.parse_args()
    path = DOCS / f"{NAME}.json"
    known = {row["scheme"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    for case in asked.cases:
        known[case] = measure(case, asked.folder, asked.images, asked.processes, asked.share)
        rows = [known[name] for name in CASES if name in known]
        record(NAME, "The small EfficientViT in RTL", HOW, COLUMNS, rows)


if __name__ == "__main__":
    main()
