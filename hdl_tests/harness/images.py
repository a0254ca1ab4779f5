"""Random networks of pointwise and depthwise convolutions on small images."""

from typing import Any

import torch
from torch import Tensor

from golden.ops import linear_range
from golden.qnetwork import QConv, QInput, QLayer, QLinear, QNetwork, QPatches, QTensor

__all__ = ["image_qnetwork"]

SPREAD = 40.0  # wanted standard deviation of results


class _Images:
    """Collects layers and tensors; ``x`` is the layer made last, of ``size`` pixels."""

    def __init__(self, size: tuple[int, int], channels: int, bits: int, seed: int) -> None:
        self.draw = torch.Generator().manual_seed(seed)
        self.bits = bits  # of depthwise weights
        self.size = size
        self.tensors: dict[str, Tensor] = {}
        image = QTensor(shape=(channels, *size), zero_point=-128)
        pixels = image.replace(shape=(size[0] * size[1], channels))
        self.layers: list[QLayer] = [
            QInput(name="image", out=image),
            QPatches(name="pixels", out=pixels, x="image", size=1),
        ]

    @property
    def x(self) -> QLayer:
        return self.layers[-1]

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high + 1, shape, generator=self.draw)

    def scaled(self, name: str, weight: Tensor, out: QTensor) -> dict[str, Any]:
        """Draw bias and multipliers for filters ``[out, ...]``; return the shifts."""
        x = self.x.out
        taps = weight.flatten(1)
        deviation = taps.double().square().sum(1).sqrt().clamp(min=1) * SPREAD
        bias = -taps.sum(1) * x.zero_point + self.integers(-500, 500, len(taps))
        low, high = linear_range(taps, bias, x.low, x.high)
        pre_shift = max(0, max(high, ~low).bit_length() - 17)
        mul = (SPREAD / deviation * 2.0 ** (16 + pre_shift)).round().clamp(1, 65535)
        self.tensors |= {
            f"{name}.weight": weight.to(torch.int8),
            f"{name}.pot": torch.zeros(len(taps), dtype=torch.bool),
            f"{name}.bias": bias.to(torch.int32),
            f"{name}.mul": mul.to(torch.int32),
        }
        return {"pre_shift": pre_shift, "post_shift": 16}

    def linear(self, name: str, channels: int) -> None:
        out = QTensor(shape=(self.size[0] * self.size[1], channels))
        weight = self.integers(-60, 60, channels, self.x.out.shape[1])
        shifts = self.scaled(name, weight, out)
        self.layers.append(QLinear(name=name, out=out, x=self.x.name, **shifts))

    def depthwise(self, name: str, kernel: int, stride: int, slots: int = 0) -> None:
        """With ``slots`` tables, if any, that its channels take in turn."""
        x, padding, (height, width) = self.x, kernel // 2, self.size
        channels = x.out.shape[1]
        self.size = tuple((n + 2 * padding - kernel) // stride + 1 for n in self.size)
        out = QTensor(shape=(self.size[0] * self.size[1], channels), signed=not slots)
        top = (1 << self.bits - 1) - 1
        weight = self.integers(-top - 1, top, channels, 1, kernel, kernel)
        shifts = self.scaled(name, weight, out)
        self.tensors[f"{name}.pad"] = self.integers(x.out.low, x.out.high, channels).to(torch.int16)
        if slots:
            shape = (slots, 256) if slots > 1 else (256,)
            self.tensors[f"{name}.table"] = self.integers(0, 255, *shape).to(torch.int16)
        if slots > 1:
            self.tensors[f"{name}.slot"] = (torch.arange(channels) % slots).to(torch.int32)
        self.layers.append(
            QConv(
                name=name, out=out, x=x.name, table=slots > 0, slots=max(1, slots),
                weight_bits=self.bits, height=height, width=width, kernel=kernel, stride=stride,
                padding=padding, groups=channels, **shifts,
            )
        )  # fmt: skip


def image_qnetwork(
    size: tuple[int, int] = (7, 6), channels: int = 10, bits: int = 4, slots: int = 1, seed: int = 0
) -> QNetwork:
    """Pixels of three channels; 1 x 1, 3 x 3, 5 x 5 with stride 2, 1 x 1 convolutions.

    Parameters
    ----------
    size
        Height and width of the image.
    channels
        Of the depthwise convolutions.
    bits
        Of their weights.
    slots
        Tables of the first of them.
    """
    made = _Images(size, 3, bits, seed)
    made.linear("expand", channels)
    made.depthwise("small", 3, 1, slots)
    made.depthwise("large", 5, 2)
    made.linear("project", 5)
    return QNetwork(
        name=f"image-{seed}",
        layers=tuple(made.layers),
        tensors=made.tensors,
        classes=tuple("abcde"),
        scheme="random",
    )
