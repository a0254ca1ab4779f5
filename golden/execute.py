"""Bit-exact execution of a QNetwork in PyTorch integers."""

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from golden import ops
from golden.qnetwork import (
    QConcat,
    QConstant,
    QInput,
    QLayer,
    QLayerNorm,
    QLinear,
    QMatMul,
    QNetwork,
    QPatches,
    QSlice,
    QSoftmax,
    QTensor,
)
from vitaccel.errors import ConfigError

__all__ = ["Executor", "execute", "matmul_bound", "operands"]

Step: TypeAlias = Callable[..., Tensor]  # tensors of the operands, in order -> tensor of the layer

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
        case QLinear() if layer.residual is not None:
            return layer.x, layer.residual
        case _:
            return (layer.x,)


def matmul_bound(layer: QMatMul, a: QTensor, b: QTensor) -> int:
    """Greatest sum of the absolute values of the terms of one output, before requantisation.

    Parameters
    ----------
    layer
        Product of operands with formats ``a`` and ``b``; log2 codes come from a softmax.
    """
    if a.format == "log2":
        return ops.LOG2_ROW_SUM * _magnitude(b)
    terms = a.shape[1] // layer.heads if layer.transpose_b else a.shape[2]
    return terms * _magnitude(a) * _magnitude(b)


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
            (layer.name, operands(layer), _step(layer, network.tensors, formats))
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


def _magnitude(x: QTensor) -> int:
    return max(-x.low, x.high)


def _step(layer: QLayer, tensors: dict[str, Tensor], formats: dict[str, QTensor]) -> Step:
    """Bind what a layer computes to its constants."""
    match layer:
        case QLinear():
            return _linear(layer, tensors, formats[layer.x])
        case QMatMul():
            return _matmul(layer, formats[layer.a], formats[layer.b])
        case QSoftmax():
            table, log2 = tensors[f"{layer.name}.table"], layer.out.format == "log2"
            return partial(ops.softmax, table=table, bits=layer.out.bits, log2=log2)
        case QLayerNorm():
            return _layernorm(layer, tensors, formats[layer.x])
        case QConstant():
            value = tensors[f"{layer.name}.value"][None]
            return lambda: value
        case QPatches():
            return partial(ops.patches, size=layer.size)
        case QConcat():
            return lambda *parts: torch.cat(parts, dim=1)
        case QSlice():
            return lambda x: x.narrow(layer.axis + 1, layer.start, layer.stop - layer.start)
        case _:
            raise TypeError(f"{layer.kind} is the first layer only")


def _linear(layer: QLinear, tensors: dict[str, Tensor], x: QTensor) -> Step:
    weight, bias, mul = (tensors[f"{layer.name}.{part}"] for part in ("weight", "bias", "mul"))
    bound = ops.linear_bound(weight, bias, _magnitude(x))
    weight, bias = (tensor.to(ops.exact_dtype(bound)) for tensor in (weight, bias))
    residual_mul = tensors.get(f"{layer.name}.residual_mul")
    table = tensors[f"{layer.name}.table"] if layer.table else None
    # a table takes signed 8-bit values with zero point 0
    requant = _requant(layer, layer.out if table is None else QTensor(shape=layer.out.shape))
    dtype = torch.int8 if layer.out.signed else torch.uint8

    def step(x: Tensor, residual: Tensor | None = None) -> Tensor:
        acc = ops.linear(x, weight, bias, bound)
        y = requant(acc, mul=mul, residual=residual, residual_mul=residual_mul)
        return y if table is None else ops.lookup(y, table.to(dtype))

    return step


def _matmul(layer: QMatMul, a: QTensor, b: QTensor) -> Step:
    bound = matmul_bound(layer, a, b)
    mul, requant = torch.tensor([layer.mul]), _requant(layer, layer.out)
    log2 = a.format == "log2"

    def split(x: Tensor) -> Tensor:  # [batch, tokens, heads * dim] to [batch, heads, tokens, dim]
        return x.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    def step(a: Tensor, b: Tensor) -> Tensor:
        if layer.transpose_b:
            acc = ops.matmul(split(a), split(b).transpose(2, 3), bound)  # [batch, heads, m, n]
        elif log2:
            acc = ops.log2_matmul(a, split(b), ops.LOG2_ROW_SUM)  # [batch, heads, m, dim]
        else:
            acc = ops.matmul(a, split(b), bound)  # [batch, heads, m, dim]
        y = requant(acc, mul=mul)
        return y if layer.transpose_b else y.transpose(1, 2).flatten(2)

    return step


def _layernorm(layer: QLayerNorm, tensors: dict[str, Tensor], x: QTensor) -> Step:
    return partial(
        ops.layernorm,
        gain=tensors[f"{layer.name}.gain"],
        offset=tensors[f"{layer.name}.offset"],
        shifts=None if x.shifts is None else torch.tensor(x.shifts),
        post_shift=layer.post_shift,
        low=layer.out.low,
        high=layer.out.high,
    )


def _requant(layer: QLinear | QMatMul, out: QTensor) -> Step:
    """`ops.requant` of sums that include the bias, to the format ``out``."""
    return partial(
        ops.requant,
        bias=None,
        pre_shift=layer.pre_shift,
        post_shift=layer.post_shift,
        zero_point=out.zero_point,
        low=out.low,
        high=out.high,
    )
