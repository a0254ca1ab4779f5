"""Train a ViT on the digits: ``python -m golden.train digits``; same seed, same bytes."""

import argparse
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from golden.datasets import Split, digits
from golden.models import (
    DIGITS,
    DIGITS_SMALL,
    Architecture,
    Record,
    VisionTransformer,
    save_checkpoint,
)

__all__ = ["DEMO", "SHIPPED", "SMALL", "accuracy_of", "augment", "main", "train"]

log = logging.getLogger("golden.train")

DEMO = Architecture(
    image_size=8, channels=1, patch_size=2, dim=48, depth=4, heads=3, mlp_ratio=2.0, classes=10
)  # every width a multiple of 16: no array in the presets wastes lanes

# For the iCE40UP5K: a sixth of the products.
SMALL = DEMO.replace(dim=24, depth=2, heads=2)
SHIPPED = {"digits": (DEMO, DIGITS), "digits-small": (SMALL, DIGITS_SMALL)}

BATCH = 64
WARMUP = 0.05  # of all steps
PEAK_RATE = 4e-3
EMA_DECAY = 0.998


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Rotate by up to 15 degrees, scale by up to 15 %, shift by up to one of 8 pixels."""
    n = images.shape[0]
    angle, scale, dx, dy = (torch.rand(4, n, generator=rng) * 2 - 1).unbind()
    angle = angle * math.radians(15)
    scale = 1 + 0.15 * scale
    cos, sin = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack((cos, -sin, dx / 4, sin, cos, dy / 4), dim=1).reshape(n, 2, 3)
    grid = nn.functional.affine_grid(affine, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def rate_at(step: int, steps: int) -> float:
    """Learning rate as a share of its peak: linear warm-up, then half a cosine to 0."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def batches(n_images: int, steps: int, rng: torch.Generator) -> list[Tensor]:
    """Indices of ``steps`` batches; every image once per pass, the last short batch dropped."""
    size = min(BATCH, n_images)
    chosen: list[Tensor] = []
    while len(chosen) < steps:
        order = torch.randperm(n_images, generator=rng)
        chosen += order[: n_images // size * size].split(size)
    return chosen[:steps]


@contextmanager
def reproducible(seed: int) -> Iterator[torch.Generator]:
    """One thread, deterministic kernels, own random numbers; afterwards everything as before."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # initial weights
            yield torch.Generator().manual_seed(seed)  # order and augmentation of the images
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def train(arch: Architecture, data: Split, *, steps: int, seed: int) -> VisionTransformer:
    """Train from scratch and return the moving average of the weights, in evaluation mode.

    AdamW, warm-up and cosine, label smoothing 0.1. The same seed gives the same bytes on the same
    build of PyTorch.
    """
    with reproducible(seed) as rng:
        model = VisionTransformer(arch)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
        optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.05)
        schedule = LambdaLR(optimizer, lambda step: rate_at(step, steps))
        for step, index in enumerate(batches(len(data.labels), steps, rng)):
            logits = model(augment(data.images[index], rng))
            loss = nn.functional.cross_entropy(logits, data.labels[index], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            if step % 500 == 0:
                log.info("step %d of %d: loss %.3f", step, steps, loss.item())
    trained = average.module
    assert isinstance(trained, VisionTransformer)
    return trained.eval()


@torch.no_grad()
def accuracy_of(model: nn.Module, data: Split) -> float:
    """Share of images whose greatest logit is their label's, 0 to 1."""
    return (model(data.images).argmax(-1) == data.labels).double().mean().item()


def main() -> None:
    """Train, print the accuracies, write the checkpoint."""
    parser = argparse.ArgumentParser(prog="golden.train", description=__doc__)
    parser.add_argument("network", nargs="?", choices=SHIPPED, default="digits")
    parser.add_argument("-o", "--out", type=Path, help="default: where it ships")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arch, shipped = SHIPPED[args.network]
    out = args.out or shipped
    data = digits()
    model = train(arch, data.train, steps=args.steps, seed=args.seed)
    test = accuracy_of(model, data.test)
    print(f"accuracy: train {accuracy_of(model, data.train):.4f}", end=", ")
    print(f"validation {accuracy_of(model, data.validation):.4f}, test {test:.4f}")
    out.parent.mkdir(parents=True, exist_ok=True)
    record = Record(architecture=arch, dataset="digits", seed=args.seed, accuracy=test)
    save_checkpoint(out, model, record)
    print(f"wrote {out}, {out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
