"""Bit-exact execution of a QNetwork in PyTorch integers."""

import math

import torch
from torch import Tensor

from golden import ops
from golden.bounds import matmul_bound
from golden.qnetwork import (
    QConcat,
    QConstant,
    QConv,
    QDivisor,
    QInput,
    QKeySum,
    QKeyValue,
    QLayer,
    QLinear,
    QMatMul,
    QNetwork,
    QQuotient,
)
from golden.steps import step_of
from vitaccel.errors import ConfigError

__all__ = ["Executor", "execute", "matmul_bound", "operands"]

CHUNK = 1 << 20  # elements of the largest tensor in one pass; fewer cost more calls


def operands(layer: QLayer) -> tuple[str, ...]:
    """Names of the tensors that a layer reads, in the order in which its step takes them."""
    match layer:
        case QInput() | QConstant():
            return ()
        case QConcat():
            return layer.parts
        case QMatMul():
            return layer.a, layer.b
        case QLinear() | QConv() if layer.residual is not None:
            return layer.x, layer.residual
        case QKeyValue():
            return layer.k, layer.v
        case QKeySum():
            return (layer.k,)
        case QDivisor():
            return layer.q, layer.sums
        case QQuotient():
            return layer.q, layer.kv, layer.divisor
        case _:
            return (layer.x,)


def execute(network: QNetwork, images: Tensor, keep: bool = True) -> dict[str, Tensor]:
    """Run a network once; see `Executor.run`."""
    return Executor(network).run(images, keep)


class Executor:
    """A network prepared for many runs: weights converted, exactness of products proven.

    Between the quantised input and the logits, floats hold integers only, in ranges where every
    operation is exact; see `golden.ops`.

    Parameters
    ----------
    network
        Valid (`golden.storage.validate`); its first layer is the input.
    """

    def __init__(self, network: QNetwork) -> None:
        self.input, *layers = network.layers
        self.output = network.layers[-1].name
        formats = {layer.name: layer.out for layer in network.layers}
        self._steps = [
            (layer.name, operands(layer), step_of(layer, network.tensors, formats))
            for layer in layers
        ]
        self._last_use = {name: i for i, (_, names, _) in enumerate(self._steps) for name in names}
        largest = max(math.prod(out.shape) for out in formats.values())
        self._chunk = max(1, CHUNK // largest)

    @torch.inference_mode()
    def run(self, images: Tensor, keep: bool = True) -> dict[str, Tensor]:
        """Compute the tensors of all layers for a batch of images.

        Parameters
        ----------
        images
            ``[batch, channels, height, width]``: floats, which the input layer quantises, or
            integers, which are taken as already quantised.
        keep
            Return every tensor; otherwise only the last one, and an intermediate tensor lives
            until its last use.

        Returns
        -------
        dict
            Layer name to ``[batch, *shape]``, int8, or uint8 where the format is unsigned.

        Raises
        ------
        ConfigError
            Images of another shape, with NaN or infinity, or integers outside the format.
        """
        try:
            quantized = ops.quantize_input(images, self.input.out)
        except ValueError as bad:
            raise ConfigError(str(bad)) from bad
        chunks = [self._run_chunk(part, keep) for part in quantized.split(self._chunk)]
        return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def _run_chunk(self, image: Tensor, keep: bool) -> dict[str, Tensor]:
        tensors = {self.input.name: image}
        for i, (name, names, step) in enumerate(self._steps):
            result = step(*(tensors[operand] for operand in names))
            tensors[name] = result.expand(len(image), *result.shape[1:])  # constants have batch 1
            if not keep:
                for operand in set(names):
                    if self._last_use[operand] == i:
                        del tensors[operand]
        return tensors if keep else {self.output: tensors[self.output]}
