"""Calibration data: the float tensors, and what quantisation has made of them so far."""

from collections.abc import Mapping

import torch
from torch import Tensor

from golden.evaluate import run_float
from golden.network import Add, Concat, Constant, Layer, Network, Patches, Slice
from golden.quantize.graph import by_name, users_of

__all__ = ["Calibration", "forward"]

TRIAL_IMAGES = 32  # images on which candidates are compared by the outputs they lead to


def forward(layer: Layer, operands: Mapping[str, Tensor], params: Mapping[str, Tensor]) -> Tensor:
    """Run one float layer on the tensors of its operands, each ``[images, *shape]``."""
    inputs = tuple(Constant(name, tuple(x.shape[1:])) for name, x in operands.items())
    images = next(iter(operands.values()))
    alone = Network("", (*inputs, layer), {**params, **operands})
    return run_float(alone, images)[layer.name]


class Calibration:
    """Tensors of the calibration images.

    ``floats`` has those of the float network; ``hats`` those of the quantised network as far as it
    is made, dequantised, in the order of the layers.
    """

    def __init__(self, network: Network, images: Tensor) -> None:
        self.network = network
        self.layers = by_name(network)
        self.users = users_of(network)
        self.floats = run_float(network, images)
        self.hats: dict[str, Tensor] = {}

    def run(self, layer: Layer) -> Tensor:
        """Float result of a layer on the dequantised tensors of its operands."""
        operands = {name: self.hats[name] for name in layer.operands}
        return forward(layer, operands, self.network.params)

    def disturbance(self, name: str, approximate: Tensor) -> float:
        """What it costs to replace a tensor: relative square error of all that reads it.

        Parameters
        ----------
        approximate
            ``[images, *shape]``, possibly of fewer images, for the tensor ``name``.
        """
        users = self.users[name]
        exact = self.floats[name][: len(approximate)]
        total = 0.0 if users else _relative(approximate, exact)
        for user in users:
            if isinstance(user, Add | Concat):
                total += _relative(approximate, exact)
                continue
            operands = {o: self.floats[o][: len(approximate)] for o in user.operands}
            result = forward(user, operands | {name: approximate}, self.network.params)
            if isinstance(user, Slice | Patches):
                total += self.disturbance(user.name, result)
            else:
                total += _relative(result, self.floats[user.name][: len(approximate)])
        return total

    def trial(self, name: str) -> Tensor:
        """Float tensor of the first images."""
        return self.floats[name][:TRIAL_IMAGES]


def _relative(x: Tensor, exact: Tensor) -> float:
    energy = exact.square().sum().clamp(min=torch.finfo(exact.dtype).tiny)
    return ((x - exact).square().sum() / energy).item()
