"""Folders with one subfolder per class."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.datasets import labelled_files, read_labelled
from vitaccel.errors import ConfigError

SHAPE = (1, 4, 4)


def tree(folder: Path, counts: dict[str, int]) -> Path:
    """A file for each image; its pixels say which one it is."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for n in range(count):
            np.save(folder / name / f"{n:02}.npy", np.full(SHAPE, n / 32))
    (folder / "README").write_text("not a class")
    (folder / ".cache").mkdir()
    return folder


def labels(folder: Path, n_classes: int, names: tuple[str, ...] = ()) -> list[int]:
    return [file.label for file in labelled_files(folder, n_classes, names)]


def test_classes_are_in_alphabetical_order(tmp_path: Path) -> None:
    folder = tree(tmp_path / "set", {"n02": 2, "n10": 1, "n01": 3})
    assert labels(folder, 3) == [0, 0, 0, 1, 1, 2]
    assert labels(folder, 3, ("tench", "goldfish", "shark")) == [0, 0, 0, 1, 1, 2]


def test_names_of_the_classes_come_first_and_may_be_fewer(tmp_path: Path) -> None:
    folder = tree(tmp_path / "set", {"cat": 1, "dog": 2})
    assert labels(folder, 2, ("dog", "cat")) == [1, 0, 0]
    assert labels(folder, 4, ("fox", "dog", "emu", "cat")) == [3, 1, 1]


def test_images_come_in_batches_with_their_labels(tmp_path: Path) -> None:
    folder = tree(tmp_path / "set", {"a": 20, "b": 1})
    np.save(folder / "b" / "more.npy", np.ones((2, *SHAPE)))
    batches = list(read_labelled(labelled_files(folder, 2), SHAPE))
    assert [len(batch.images) for batch in batches] == [16, 7]
    assert torch.cat([batch.labels for batch in batches]).tolist() == [0] * 20 + [1] * 3
    values = torch.cat([batch.images for batch in batches])[:, 0, 0, 0]
    assert values.tolist() == [*(n / 32 for n in range(20)), 0, 1, 1]


@pytest.mark.parametrize(
    ("counts", "names", "message"),
    [
        ({}, (), "must have one subfolder for each of the 3 classes, not 0"),
        ({"a": 1, "b": 1}, (), "must have one subfolder for each of the 3 classes, not 2"),
        (
            {"a": 1, "d": 1},
            ("a", "b", "c"),
            (
                "must have one subfolder for each of the 3 classes, or some that bear their "
                "names, not 2"
            ),
        ),
    ],
)
def test_other_layouts_are_refused(
    counts: dict[str, int], names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    folder = tree(tmp_path / "set", counts)
    with pytest.raises(ConfigError, match=f"^{re.escape(f'image folder {folder} {message}')}$"):
        labelled_files(folder, 3, names)


def test_a_missing_folder_and_a_class_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^image folder {tmp_path / 'no'} does not exist$"):
        labelled_files(tmp_path / "no", 2)
    folder = tree(tmp_path / "set", {"a": 1, "b": 0})
    message = f"image folder {folder / 'b'} must have images (.png, .jpg, .jpeg, .npy, .npz)"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}, not none$"):
        labelled_files(folder, 2)
