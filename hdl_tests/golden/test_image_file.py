"""Pictures of another size: resized as timm and Hugging Face do, or refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from golden.datasets.image_file import read_image
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError


def picture(folder: Path, height: int, width: int) -> Path:
    """Smooth colours with some noise, so that every filter gives something else."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    waves = [np.sin(x / 7) * np.cos(y / 5), x / width, y / height]
    noise = rng.normal(0, 0.1, (height, width, 3))
    pixels = (np.stack(waves, -1) * 0.4 + 0.5 + noise).clip(0, 1) * 255
    path = folder / f"{height}x{width}.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("resize", "size", "resized"),
    [
        (248, (300, 400), (248, 330)),  # 330.67
        (248, (401, 300), (331, 248)),
        (248, (100, 100), (248, 248)),
        ((20, 24), (300, 400), (20, 24)),
        (None, (300, 400), (300, 400)),
    ],
)
def test_size_after_resizing(resize: Any, size: tuple[int, int], resized: tuple[int, int]) -> None:
    assert Preprocess(resize=resize).resized(*size) == resized


@pytest.mark.parametrize("size", [(40, 40), (45, 61), (61, 45), (20, 27)])
@pytest.mark.parametrize(
    ("name", "values", "how"),
    [
        ("ViT", {}, Preprocess(resize=(32, 32), resample="bilinear")),
        ("ViT", {"resample": 1}, Preprocess(resize=(32, 32), resample="lanczos")),
        ("DeiT", {"size": {"height": 37, "width": 37}}, Preprocess(resize=(37, 37))),
        ("DeiT", {"size": {"shortest_edge": 36}}, Preprocess(resize=36)),
    ],
)
def test_pixels_are_those_of_transformers(
    name: str, values: dict[str, Any], how: Preprocess, size: tuple[int, int], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    side = {"height": 32, "width": 32}
    processor = getattr(transformers, f"{name}ImageProcessorPil")(
        **{"size": side, "crop_size": side, "do_normalize": False} | values
    )
    path = picture(tmp_path, *size)
    want = processor(Image.open(path), return_tensors="pt").pixel_values
    got = read_image(path, (3, 32, 32), how)
    assert want.shape == got.shape
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


def test_a_picture_of_the_right_size_is_left_alone(tmp_path: Path) -> None:
    path = picture(tmp_path, 16, 16)
    how = Preprocess(resize=20)
    assert torch.equal(read_image(path, (3, 16, 16), how), read_image(path, (3, 16, 16)))


@pytest.mark.parametrize("how", [None, Preprocess(resize=None), Preprocess(resize=12)])
def test_what_cannot_be_made_to_fit_is_refused(how: Preprocess | None, tmp_path: Path) -> None:
    path = picture(tmp_path, 20, 14)
    message = f"image {path} must be 3 x 16 x 16 (channels first), not 3 x 20 x 14"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_image(path, (3, 16, 16), how)


def test_arrays_are_not_resized(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 20), dtype=np.uint8))
    message = f"image {tmp_path / 'a.npy'} must be 3 x 16 x 16 (channels first), not 3 x 20 x 20"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_image(tmp_path / "a.npy", (3, 16, 16), Preprocess(resize=16))


def test_a_line_of_pixels_does_not_fill_the_memory(tmp_path: Path) -> None:
    Image.new("RGB", (60000, 1)).save(tmp_path / "a.png")
    message = f"image {tmp_path / 'a.png'} is broken: it would be resized to 248 x 14880000 pixels"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_image(tmp_path / "a.png", (3, 224, 224), Preprocess(resize=248))
