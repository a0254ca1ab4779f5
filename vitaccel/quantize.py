"""From a float model to a folder of integers, and how often both are right."""

from pathlib import Path
from typing import Any

from golden.network import Network
from golden.quantize import quantize
from golden.scheme import Scheme
from golden.score import Score, score
from golden.storage import save
from vitaccel.sources import load_images, load_labelled
from vitaccel.timing import Stopwatch

__all__ = ["quantize_into"]


def quantize_into(
    folder: Path,
    network: Network,
    scheme: Scheme,
    watch: Stopwatch,
    *,
    calibration: str,
    count: int,
    evaluation: str | None = None,
    strict: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """Quantise, save, evaluate.

    Parameters
    ----------
    calibration, count
        Images to choose scales on, and how many at most; see `vitaccel.sources.load_images`.
    evaluation
        Labelled images to run float and integers on; see `vitaccel.sources.load_labelled`.
    strict
        Refuse pictures of another size instead of resizing them.

    Returns
    -------
    tuple
        What was done, as JSON takes it, and in words.

    Raises
    ------
    ConfigError
        The images are not there or do not suit the network, or it cannot be quantised.
    """
    preprocess = None if strict else network.preprocess
    images = load_images(calibration, network.layers[0].shape, count, preprocess).images
    labelled = load_labelled(evaluation, network, preprocess) if evaluation else None
    with watch("quantize"):
        integers = quantize(network, images, scheme, lambda n, total: watch.tell(n / total))
    save(integers, folder)
    about = {
        "network": integers.name,
        "scheme": scheme.name,
        "layers": len(integers.layers),
        "trained": integers.trained,
        "out": str(folder),
    }
    lines = [f"{integers.name}: {scheme.name}, in {folder}", *integers.remarks]
    if labelled is not None:
        with watch("evaluate"):
            n_images, scores = score(
                network, integers, labelled.batches, lambda n: watch.tell(n / labelled.total)
            )
        about["evaluation"] = {"images": n_images} | {k: s._asdict() for k, s in scores.items()}
        lines += _lines(n_images, scores)
    return about, lines


def _lines(n_images: int, scores: dict[str, Score]) -> list[str]:
    shares = {
        "top-1": {name: each.top1 for name, each in scores.items()},
        "top-5": {name: each.top5 for name, each in scores.items()},
    }
    return [
        f"{kind} of {n_images} images: "
        + ", ".join(f"{name} {share:.1%}" for name, share in both.items())
        for kind, both in shares.items()
    ]
