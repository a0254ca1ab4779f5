"""Train the small EfficientViT on CIFAR-10: ``python -m golden.train_cifar10 DIR``."""

import argparse
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from golden.datasets import Split, cifar10, labelled_files, read_labelled
from golden.datasets.cifar10 import CLASSES, SHAPE, is_cifar10
from golden.models import (
    CIFAR10,
    EfficientViT,
    EfficientViTArchitecture,
    Record,
    save_checkpoint,
)
from golden.train import rate_at, reproducible

__all__ = ["SMALL", "Training", "accuracy_of", "augment", "main", "read"]

log = logging.getLogger("golden.train_cifar10")

SMALL = EfficientViTArchitecture(
    image_size=32,
    widths=(16, 32, 64, 128),
    depths=(0, 2, 1, 1),
    head_dim=16,
    local_stages=1,
    stem_stride=1,
    head_widths=(256, 256),
    classes=CLASSES,
)

BATCH = 128
PEAK_RATE = 4e-3
DECAY = 0.05  # of the weights that are matrices or kernels
SMOOTHING = 0.05
EMA_DECAY = 0.998
SHIFT = 4  # pixels, at most, in every direction
SMALL_SIDE, SMALL_SHARE = 24, 0.6  # pixels of the images in this share of the steps: half the time
SAVE_EVERY = 100  # steps


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to 4 pixels, black beyond the edge, and mirror half of the images."""
    n, side = len(images), images.shape[-1]
    wide = nn.functional.pad(images, (SHIFT,) * 4)
    top, left = torch.randint(2 * SHIFT + 1, (2, n), generator=rng)
    line = torch.arange(side)
    column = torch.where(torch.rand(n, 1, generator=rng) < 0.5, line.flip(0), line)
    rows, columns = top[:, None] + line, left[:, None] + column  # [n, side]
    picked = wide[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)  # channels last in memory


class Training:
    """A training that can be left and resumed at any step: the same result, bit by bit.

    AdamW, warm-up and cosine, label smoothing, moving average of the weights; smaller images
    first. All randomness of a step follows from ``seed`` and the number of the step.

    Parameters
    ----------
    data
        uint8 images ``[n, 3, 32, 32]`` and labels.
    state
        File that the training is resumed from if it exists, and saved to.
    """

    def __init__(
        self, arch: EfficientViTArchitecture, data: Split, *, epochs: int, seed: int, state: Path
    ) -> None:
        self.data, self.seed, self.state = data, seed, state
        self.per_epoch = max(1, len(data.labels) // BATCH)
        self.steps, self.step = epochs * self.per_epoch, 0
        torch.manual_seed(seed)
        model = EfficientViT(arch).train()
        for parameter in model.parameters():  # the faster of the two for depthwise convolutions
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.model = model
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        plain = [p for p in model.parameters() if p.ndim < 2]
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices}, {"params": plain, "weight_decay": 0.0}], weight_decay=DECAY
        )
        if state.exists():
            self._load()

    def run(self, until: int | None = None) -> EfficientViT:
        """Train to step ``until`` or to the end; the averaged model, in evaluation mode."""
        last = self.steps if until is None else min(until, self.steps)
        while self.step < last:
            loss = self._advance()
            if self.step % SAVE_EVERY == 0 or self.step == last:
                log.info("step %d of %d: loss %.3f", self.step, self.steps, loss)
                self._save()
        trained = self.average.module
        assert isinstance(trained, EfficientViT)
        return trained.eval()

    def _advance(self) -> float:
        images, labels = self._batch()
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate_at(self.step, self.steps)
        loss = nn.functional.cross_entropy(self.model(images), labels, label_smoothing=SMOOTHING)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return loss.item()

    def _batch(self) -> Split:
        epoch, place = divmod(self.step, self.per_epoch)
        order = torch.randperm(len(self.data.labels), generator=self._rng(epoch, 0))
        index = order[place * BATCH : (place + 1) * BATCH]
        images = augment(self.data.images[index].float() / 255, self._rng(self.step, 1))
        if self.step < SMALL_SHARE * self.steps:
            images = nn.functional.interpolate(images, SMALL_SIDE, mode="bilinear", antialias=True)
        return Split(images, self.data.labels[index])

    def _rng(self, number: int, use: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed << 32) + 2 * number + use)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "average": self.average, "optimizer": self.optimizer}

    def _save(self) -> None:
        held = {name: part.state_dict() for name, part in self._parts().items()}
        new = self.state.with_suffix(".new")
        torch.save(held | {"step": self.step}, new)
        new.replace(self.state)  # whole or not at all

    def _load(self) -> None:
        held = torch.load(self.state, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(held[name])
        self.step = held["step"]
        log.info("resumed at step %d of %d", self.step, self.steps)


@torch.no_grad()
def accuracy_of(model: nn.Module, data: Split) -> float:
    """Share of images, uint8, whose greatest logit is their label's, 0 to 1."""
    hits = 0
    for images, labels in zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True):
        hits += int((model(images.float() / 255).argmax(-1) == labels).sum())
    return hits / len(data.labels)


def read(folder: Path, *, train: bool) -> Split:
    """Images of CIFAR-10's binary version, or of ``train/`` and ``test/`` with a folder a class.

    Raises
    ------
    ConfigError
        The folder has neither, or something in it is broken.
    """
    if is_cifar10(folder):
        return cifar10(folder, train=train)
    files = labelled_files(folder / ("train" if train else "test"), CLASSES)
    parts = list(read_labelled(files, SHAPE))
    images = torch.cat([part.images for part in parts]).mul(255).round().to(torch.uint8)
    return Split(images, torch.cat([part.labels for part in parts]))


def main() -> None:
    """Train, print the accuracies, write the checkpoint."""
    parser = argparse.ArgumentParser(prog="golden.train_cifar10", description=__doc__)
    parser.add_argument("data", type=Path, help="CIFAR-10's binary version, or train/ and test/")
    parser.add_argument("-o", "--out", type=Path, default=CIFAR10, help="default: %(default)s")
    parser.add_argument("--state", type=Path, default=Path("build/out/cifar10-training.pt"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=int, help="stop after this step; resume later")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    data, held_out = read(args.data, train=True), read(args.data, train=False)
    args.state.parent.mkdir(parents=True, exist_ok=True)
    with reproducible(args.seed):
        training = Training(SMALL, data, epochs=args.epochs, seed=args.seed, state=args.state)
        model = training.run(args.until)
        accuracy = accuracy_of(model, held_out)
    print(f"accuracy: held out {accuracy:.4f}")
    if training.step < training.steps:
        print(f"stopped at step {training.step} of {training.steps}, saved in {args.state}")
        return
    record = Record(architecture=SMALL, dataset="cifar10", seed=args.seed, accuracy=accuracy)
    save_checkpoint(args.out, model, record)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
