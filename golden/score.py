"""Accuracy of a float network and of the integers made of it, on the same images."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch

from golden.datasets import Split
from golden.evaluate import rank, run_float
from golden.execute import Executor
from golden.network import Network
from golden.qnetwork import QNetwork

__all__ = ["Score", "score"]

TOP = (1, 5)


class Score(NamedTuple):
    """Shares of the images, 0 to 1, whose class is the best or among the best five logits."""

    top1: float
    top5: float


def score(
    network: Network,
    integers: QNetwork,
    batches: Iterable[Split],
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[int, dict[str, Score]]:
    """Run both on labelled images, batch by batch; memory is that of one batch.

    Parameters
    ----------
    progress
        Told the number of images done so far.

    Returns
    -------
    tuple
        Number of images, and the scores of ``float`` and ``golden``.
    """
    executor, last = Executor(integers), network.layers[-1].name
    hits = torch.zeros(2, len(TOP), dtype=torch.int64)
    n_images = 0
    for images, labels in batches:
        floats = run_float(network, images, keep=False)[last]
        golden = executor.run(images, keep=False)[executor.output]
        ranks = torch.stack([rank(logits, labels) for logits in (floats, golden)])  # [2, n]
        hits += torch.stack([(ranks < k).sum(1) for k in TOP], 1)
        n_images += len(labels)
        progress(n_images)
    shares = (hits.double() / n_images).tolist()
    return n_images, {
        name: Score(*row) for name, row in zip(("float", "golden"), shares, strict=True)
    }
