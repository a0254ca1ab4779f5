from pathlib import Path

import pytest
import torch

from golden.datasets import digits
from golden.models import (
    DIGITS,
    DIGITS_SMALL,
    Record,
    load_checkpoint,
    read_record,
    save_checkpoint,
)
from golden.train import DEMO, SMALL, accuracy_of, augment, batches, rate_at, train


def trained(path: Path, seed: int) -> bytes:
    model = train(DEMO, digits().train, steps=2, seed=seed)
    save_checkpoint(path, model, Record(architecture=DEMO, dataset="digits", seed=0, accuracy=0.0))
    return path.read_bytes()


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    torch.rand(7)  # the state of the global generator must not matter
    first = trained(tmp_path / "a", seed=5)
    assert trained(tmp_path / "b", seed=5) == first
    assert trained(tmp_path / "c", seed=6) != first


def test_shipped_checkpoint_reaches_97_percent_on_held_out_images() -> None:
    accuracy = accuracy_of(load_checkpoint(), digits().test)
    assert accuracy >= 0.97
    assert read_record(DIGITS).accuracy == pytest.approx(accuracy, abs=0.5 / 360)


def test_small_checkpoint_reaches_95_percent_on_held_out_images() -> None:
    accuracy = accuracy_of(load_checkpoint(DIGITS_SMALL), digits().test)
    assert accuracy >= 0.95
    assert read_record(DIGITS_SMALL).accuracy == pytest.approx(accuracy, abs=0.5 / 360)
    assert read_record(DIGITS_SMALL).architecture == SMALL


def test_shipped_checkpoint_has_the_architecture_that_training_makes() -> None:
    assert read_record(DIGITS).architecture == DEMO


def test_rate_rises_to_one_and_falls_to_zero() -> None:
    rates = [rate_at(step, 100) for step in range(101)]
    assert max(rates) == rates[5] == 1
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[100] == pytest.approx(0)


def test_every_image_is_once_in_every_pass() -> None:
    chosen = batches(130, 5, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in chosen] == [64] * 5
    for first in (0, 2):
        assert len(torch.cat(chosen[first : first + 2]).unique()) == 128


def test_augmentation_keeps_blank_images_and_moves_ink_by_little() -> None:
    rng = torch.Generator().manual_seed(0)
    image = torch.zeros(200, 1, 8, 8)
    assert not augment(image, rng).any()
    image[:, :, 3:5, 3:5] = 1
    moved = augment(image, rng)[:, 0]
    position = torch.arange(8.0)
    centre = (moved.sum(1) * position).sum(1) / moved.sum((1, 2))
    assert (centre - 3.5).abs().max() <= 1.2
    assert centre.std() > 0.3
