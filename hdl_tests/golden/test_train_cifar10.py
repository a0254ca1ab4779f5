"""Training of the small EfficientViT: resumable, reproducible; CIFAR-10's files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from golden.datasets import Split, cifar10
from golden.models import (
    CIFAR10,
    EfficientViT,
    EfficientViTArchitecture,
    load_checkpoint,
    read_record,
)
from golden.train import reproducible
from golden.train_cifar10 import SHIFT, SMALL, Training, accuracy_of, augment, read
from vitaccel.errors import ConfigError

TINY = EfficientViTArchitecture(
    image_size=32,
    widths=(4, 4, 8),
    depths=(0, 1, 1),
    head_dim=8,
    local_stages=1,
    head_widths=(8, 8),
    classes=10,
)


def images(n: int) -> Split:
    rng = torch.Generator().manual_seed(3)
    labels = torch.randint(10, (n,), generator=rng)
    pixels = torch.randint(256, (n, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return Split(pixels, labels)


def binary(folder: Path, data: Split, name: str) -> None:
    rows = np.concatenate([data.labels.numpy()[:, None], data.images.numpy().reshape(-1, 3072)], 1)
    rows.astype(np.uint8).tofile(folder / name)


def test_a_resumed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    data = images(300)

    def trained(state: Path, until: int) -> EfficientViT:
        with reproducible(5):
            training = Training(TINY, data, epochs=2, seed=5, state=state)
            model = training.run(until)
        assert (training.step, training.steps) == (until, 4)
        return model

    whole = trained(tmp_path / "whole.pt", 4)
    for until in (1, 3):
        trained(tmp_path / "parts.pt", until)
    parts = trained(tmp_path / "parts.pt", 4).state_dict()
    assert all(torch.equal(value, parts[key]) for key, value in whole.state_dict().items())
    assert 0 <= accuracy_of(whole, data) <= 1


def test_augmentation_only_shifts_and_mirrors() -> None:
    rng, image = torch.Generator().manual_seed(0), torch.zeros(400, 1, 32, 32)
    image[:, :, 10, 12] = 1
    at = augment(image, rng)[:, 0].nonzero()  # image, row, column
    assert len(at) == 400
    rows, columns = at[:, 1] - 10, at[:, 2]
    mirrored = columns > 15 + 1
    columns = torch.where(mirrored, 31 - columns, columns) - 12
    for moved in (rows, columns):
        assert (int(moved.min()), int(moved.max())) == (-SHIFT, SHIFT)
    assert 150 < int(mirrored.sum()) < 250


def test_binary_version_and_folders_hold_the_same(tmp_path: Path) -> None:
    data = images(6)
    data = Split(data.images, torch.arange(6))
    binary(tmp_path, data, "data_batch_1.bin")
    binary(tmp_path, Split(data.images[:2], data.labels[:2]), "test_batch.bin")
    got = read(tmp_path, train=True)
    assert torch.equal(got.images, data.images)
    assert torch.equal(got.labels, data.labels)
    assert len(read(tmp_path, train=False).labels) == 2
    folder = tmp_path / "own"
    for n in range(10):
        place = folder / "train" / str(n)
        place.mkdir(parents=True)
        pixels = data.images[n % 6].permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / "0.png")
    own = read(folder, train=True)
    assert torch.equal(own.images[:6], data.images)
    assert own.labels.tolist() == list(range(10))


def test_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "test_batch.bin"
    with pytest.raises(ConfigError) as refused:
        cifar10(tmp_path, train=False)
    assert str(refused.value) == f"file {path} cannot be read: No such file or directory"
    with pytest.raises(ConfigError) as refused:
        cifar10(tmp_path, train=True)
    text = f"folder {tmp_path} has no data_batch_*.bin of CIFAR-10's binary version"
    assert str(refused.value) == text
    path.write_bytes(bytes(100))
    with pytest.raises(ConfigError) as refused:
        cifar10(tmp_path, train=False)
    text = f"file {path} must have records of 3073 bytes, not 100 bytes in all"
    assert str(refused.value) == text
    path.write_bytes(bytes([10] * 3073))
    with pytest.raises(ConfigError) as refused:
        cifar10(tmp_path, train=False)
    assert str(refused.value) == f"file {path} must have labels up to 9, not 10"


def test_shipped_checkpoint_is_small_and_what_training_makes() -> None:
    """Its accuracy on CIFAR-10's held-out images is what training wrote down."""
    assert CIFAR10.stat().st_size <= 2 << 20
    record = read_record(CIFAR10)
    assert (record.architecture, record.dataset) == (SMALL, "cifar10")
    assert record.accuracy >= 0.8
    logits = load_checkpoint(CIFAR10)(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()
