import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.datasets import digits, read_folder
from vitaccel.errors import ConfigError

SHAPE = (1, 8, 8)
PIXELS = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)


def picture(kind: str, pixels: np.ndarray = PIXELS) -> bytes:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def test_digits_are_split_without_overlap_the_same_way_every_time() -> None:
    data = digits()
    assert [len(part.labels) for part in data] == [1257, 180, 360]
    everything = torch.cat([part.images for part in data]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797
    assert torch.equal((everything * 16).round() / 16, everything)
    assert (everything.min(), everything.max()) == (0, 1)
    assert all(
        torch.equal(a, b)
        for p, q in zip(data, digits(), strict=True)
        for a, b in zip(p, q, strict=True)
    )
    assert data.test.labels[:12].tolist() == [8, 7, 3, 1, 2, 8, 6, 6, 7, 2, 9, 7]


def test_digits_are_stratified_in_every_part_and_every_prefix() -> None:
    data = digits()
    for part, least in zip(data, (120, 17, 34), strict=True):
        assert part.labels.bincount(minlength=10).min() >= least
    assert data.test.labels[:64].bincount(minlength=10).min() >= 2


def test_folder_reads_pictures_and_arrays_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(picture("png"))
    np.savez(tmp_path / "b.npz", x=PIXELS[None], y=np.full((2, *SHAPE), -0.5))
    np.save(tmp_path / "c.npy", np.full((3, *SHAPE), 2.0))
    (tmp_path / "labels.txt").write_text("not an image")
    images = read_folder(tmp_path, SHAPE)
    expected = torch.from_numpy(PIXELS / 255).float()
    assert images.shape == (7, *SHAPE)
    assert images.dtype == torch.float32
    assert torch.equal(images[0, 0], expected)
    assert torch.equal(images[1, 0], expected)
    assert images[2:].mean(dim=(1, 2, 3)).tolist() == [-0.5, -0.5, 2, 2, 2]


def test_folder_converts_grey_jpeg_to_three_channels(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture("jpeg"))
    images = read_folder(tmp_path, (3, 8, 8))
    assert torch.equal(images[:, 0], images[:, 2])


def test_folder_reads_no_more_than_it_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((3, *SHAPE), 2.0))
    np.save(tmp_path / "b.npy", np.full((3, *SHAPE), 3.0))
    (tmp_path / "c.png").write_bytes(b"broken")
    images = read_folder(tmp_path, SHAPE, count=5)
    assert images.mean(dim=(1, 2, 3)).tolist() == [2, 2, 2, 3, 3]
    assert len(read_folder(tmp_path, SHAPE, count=6)) == 6


def test_folder_refuses_a_missing_or_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^image folder {tmp_path / 'no'} does not exist$"):
        read_folder(tmp_path / "no", SHAPE)
    message = f"image folder {tmp_path} must have images (.png, .jpg, .jpeg, .npy, .npz), not none"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_folder(tmp_path, SHAPE)


def test_folder_refuses_an_image_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture("png"))
    message = f"image {path} must be 1 x 9 x 8 (channels first), not 1 x 8 x 8"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_folder(tmp_path, (1, 9, 8))


@pytest.mark.parametrize("kind", ["png", "jpeg", "npy", "npz"])
@pytest.mark.parametrize("share", [0, 0.3, 0.6])
def test_folder_refuses_a_truncated_file_by_name(tmp_path: Path, kind: str, share: float) -> None:
    np.save(tmp_path / "whole.npy", PIXELS[None])
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, np.random.default_rng(0).random(SHAPE))
    elif kind == "npz":
        np.savez(path, PIXELS[None])
    else:
        noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
        path.write_bytes(picture(kind, noise))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ConfigError, match=f"^image {path} is broken: .") as caught:
        read_folder(tmp_path, SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full(SHAPE, np.nan), "has NaN or infinite values"),
        (np.array(["text"]), "is broken: no numbers in it"),
        (np.zeros((8, 8)), "must be 1 x 8 x 8 (channels first), not 8 x 8"),
        (np.zeros((2, 2, *SHAPE)), "must be 1 x 8 x 8 (channels first), not 2 x 2 x 1 x 8 x 8"),
    ],
)
def test_folder_refuses_arrays_that_are_no_images(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    expected = re.escape(f"image {tmp_path / 'a.npy'} {message}")
    with pytest.raises(ConfigError, match=f"^{expected}$"):
        read_folder(tmp_path, SHAPE)
