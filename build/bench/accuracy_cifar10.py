"""Accuracy of the small EfficientViT on CIFAR-10's validation images, by scheme."""

import argparse

from cifar10_cases import CALIBRATION, CASES, MODEL, integers
from record import record

from golden.score import score
from vitaccel.sources import load_labelled, load_network

COLUMNS = (
    "scheme", "activations", "depthwise weights", "other weights", "division", "scales",
    "top-1, %", "loss, points",
)  # fmt: skip
GOAL = 1.0  # point, of M2Q


def main() -> None:
    """Quantise with every scheme and count what it gets right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="CIFAR-10's binary version")
    parser.add_argument("--model", default=MODEL, help="a checkpoint, else the one that ships")
    asked = parser.parse_args()
    network = load_network(asked.model)
    rows, n_images = [], 0
    for name, case in CASES.items():
        made = integers(network, case, asked.folder)
        labelled = load_labelled(asked.folder, network, None)
        n_images, scores = score(network, made, labelled.batches)
        exact, reached = (100 * scores[kind].top1 for kind in ("float", "golden"))
        config = case.config
        kinds = "8 bits or power-of-two of 4" if case.scheme == "m2q" else "8 bits"
        figures = (
            name,
            "8 bits, one scale" if case.scheme == "naive" else "8 bits, tables by channel",
            "4 bits" if case.scheme == "m2q" else "8 bits",
            kinds,
            "16-bit reciprocals" if config.division == "reciprocal" else "powers of two",
            "powers of two" if config.requant == "shift" else "16-bit multipliers",
            f"{reached:.2f}",
            f"{exact - reached:.2f}",
        )
        if not rows:
            blank = dict.fromkeys(COLUMNS, "")
            rows.append(blank | {"scheme": "float", "top-1, %": f"{exact:.2f}"})
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
        print(rows[-1], flush=True)
    how = (
        f"`build/bench/accuracy_cifar10.py FOLDER`: the shipped network on {n_images} images that "
        f"it was not trained on; {CALIBRATION} training images calibrate, none is trained on. "
        f"Goal: M2Q within {GOAL} point of float."
    )
    record("accuracy-cifar10", "Accuracy of the small EfficientViT", how, COLUMNS, rows)


if __name__ == "__main__":
    main()
