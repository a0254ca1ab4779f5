"""Input: patches and quantisation."""

import pytest
import torch
from torch.nn import functional

from golden.ops import patches, quantize_input
from golden.qnetwork import QTensor

FORMAT = QTensor(shape=(1, 2, 2), bits=8, signed=False, scale=0.5, zero_point=3)
SHAPE = "images must have shape [batch, 1, 2, 2] with batch at least 1, not "


@pytest.mark.parametrize("size", [1, 2, 4])
def test_patches_feed_a_linear_like_a_convolution(size: int) -> None:
    image = torch.randint(-128, 128, (3, 2, 8, 4))
    kernel = torch.randint(-8, 8, (5, 2, size, size))
    want = functional.conv2d(image.double(), kernel.double(), stride=size)
    got = patches(image, size) @ kernel.flatten(1).T  # [3, patches, 5]
    assert torch.equal(got, want.flatten(2).mT.long())


def test_rounds_half_up_and_saturates() -> None:
    image = torch.tensor([[[[0.25, -0.25], [-0.75, 1000.0]]]])
    assert quantize_input(image, FORMAT).tolist() == [[[[4, 3], [2, 255]]]]


def test_integers_pass() -> None:
    image = torch.tensor([[[[0, 1], [2, 255]]]])
    got = quantize_input(image, FORMAT)
    assert got.dtype == torch.uint8
    assert torch.equal(got.long(), image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 2, 2), SHAPE + "[1, 2, 2]"),
        (torch.zeros(0, 1, 2, 2), SHAPE + "[0, 1, 2, 2]"),
        (torch.zeros(1, 3, 2, 2), SHAPE + "[1, 3, 2, 2]"),
        (
            torch.full((1, 1, 2, 2), torch.nan),
            "images must be finite, but at least one value is NaN or infinite",
        ),
        (torch.full((1, 1, 2, 2), 256), "integer images must be within 0 .. 255"),
        (torch.full((1, 1, 2, 2), -1), "integer images must be within 0 .. 255"),
    ],
)
def test_refuses_images(image: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match="^i") as caught:
        quantize_input(image, FORMAT)
    assert str(caught.value) == message
