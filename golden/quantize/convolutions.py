"""Integer convolutions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from golden.network import Conv
from golden.padding import padded
from golden.qnetwork import QConv, QLinear
from golden.quantize.products import BIAS_LIMIT, ProductQuantizer
from golden.quantize.weights import Weight, quantize_grouped
from golden.quantizers import round_half_up

__all__ = ["ConvQuantizer"]

PIXELS = 1 << 13  # at which inputs are gathered, evenly spaced over the calibration images


class ConvQuantizer(ProductQuantizer):
    """Makes one `QConv` of a Conv and what is fused to it.

    Inside, ``rows`` are the inputs under the kernel at some pixels: ``[samples, in * taps]``; a
    filter's taps are those of its group.
    """

    def _prepare(self) -> None:
        layer = self.conv
        n_in = len(self.factors)
        edge = self.calibration.network.params[f"{layer.name}.pad"].double()
        pad = (round_half_up(edge / self.steps) + self.zeros).clamp(self.x.low, self.x.high)
        self.pad = pad.expand(n_in)
        image = (self.calibration.hats[layer.x].double() / self.steps).mT
        image = image.unflatten(2, (layer.height, layer.width))
        self.image = padded(image, self.pad - self.zeros, layer.padding)
        taps = layer.kernel**2
        self.weight = self.weight.flatten(1)  # [out, in / groups * taps]
        self.factors = self.factors.repeat_interleave(taps)
        self.zeros = self.zeros.expand(n_in).repeat_interleave(taps)
        self.rows = self._gathered()

    @property
    def conv(self) -> Conv:
        """The float layer."""
        layer = self.product.linear
        assert isinstance(layer, Conv)
        return layer

    def _gathered(self) -> Tensor:
        layer = self.conv
        windows = self.image.unfold(2, layer.kernel, layer.stride)
        windows = windows.unfold(3, layer.kernel, layer.stride)  # [n, in, rows, columns, k, k]
        n, _, rows, columns = windows.shape[:4]
        self.picked = torch.arange(0, n * rows * columns, max(1, n * rows * columns // PIXELS))
        at = (self.picked // (rows * columns), self.picked // columns % rows, self.picked % columns)
        return windows[at[0], :, at[1], at[2]].flatten(1)  # [samples, in * taps]

    def _target(self) -> Tensor:
        target = super()._target()
        return target[self.picked] if len(target) != len(self.rows) else target

    def _grouped(self, taps: Tensor) -> Tensor:
        """Values ``[.., in * taps]`` as filters see them: ``[.., out, in / groups * taps]``."""
        each = taps.unflatten(-1, (self.conv.groups, -1))
        return each.repeat_interleave(len(self.weight) // self.conv.groups, dim=-2)

    def _weight(self) -> Weight:
        if self.conv.groups == 1:
            return super()._weight()
        weight = self.weight * self._grouped(self.factors) * self.x.scale
        rows = self.rows if self.scheme.correction == "none" else self.rows - self.rows.mean(0)
        moment = self._grouped(rows.square().mean(0))
        least = self.bias.abs() / BIAS_LIMIT
        return quantize_grouped(weight, moment, least, self._weight_bits(), self.scheme)

    def _weight_bits(self) -> int:
        depthwise = self.conv.groups == len(self.pad) > 1
        return self.scheme.depthwise_bits if depthwise else self.scheme.weight_bits

    def _response(self, integers: Tensor, level: Tensor) -> Tensor:
        return (integers * self._grouped(level)).sum(1)

    def _accumulators(self, integers: Tensor) -> Tensor:
        layer = self.conv
        weight = self._shaped(integers)
        acc = functional.conv2d(self.image, weight, stride=layer.stride, groups=layer.groups)
        return acc.flatten(2).mT.flatten(0, 1)

    def _shaped(self, integers: Tensor) -> Tensor:
        kernel = self.conv.kernel
        return integers.unflatten(1, (-1, kernel, kernel))

    def _layer(self, fields: dict[str, Any], tensors: dict[str, Tensor]) -> QLinear | QConv:
        layer = self.conv
        tensors[f"{layer.name}.pad"] = self.pad.to(torch.int16)
        parts = ("height", "width", "kernel", "stride", "padding", "groups")
        return QConv(**fields, **{part: getattr(layer, part) for part in parts})
