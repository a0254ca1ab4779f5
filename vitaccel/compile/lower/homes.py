"""Tensors that cannot lie just anywhere: parts of concatenations, operands that are walked."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from golden.qnetwork import (
    QConcat,
    QConstant,
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLinear,
    QMatMul,
    QPool,
    QQuotient,
    QSlice,
)
from vitaccel.compile.unfold import QWindows

__all__ = [
    "Home",
    "homes",
    "is_walk",
    "origin",
    "row_pixels",
    "standing",
    "units",
]


class Home(NamedTuple):
    """First row and word of a part in the concatenation that it is written into."""

    whole: str
    row: int
    word: int


def homes(
    layers: Mapping[str, QLayer],
    users: Mapping[str, Sequence[QLayer]],
    layouts: Mapping[str, np.ndarray],
    rows: int,
) -> dict[str, Home]:
    """Home of every part of a concatenation, and of constants that wait for a sum there."""
    found: dict[str, Home] = {}
    for layer in layers.values():
        if isinstance(layer, QConcat):
            row = word = 0
            for part in layer.parts:
                found[part] = Home(layer.name, row, word)
                row += layers[part].out.shape[0] if layer.axis == 0 else 0
                word += len(layouts[part]) // rows if layer.axis == 1 else 0
    for layer in layers.values():
        if isinstance(layer, QLinear) and layer.name in found and layer.residual:
            constant = layers[layer.residual]
            if isinstance(constant, QConstant) and users[constant.name] == [layer]:
                found[constant.name] = found[layer.name]
    return found


def is_walk(layer: QConv) -> bool:
    """Whether a convolution reads other pixels than the one whose result it makes."""
    return (layer.kernel, layer.stride, layer.padding) != (1, 1, 0)


def row_pixels(layer: QLayer) -> int:
    """Pixels of a row of a convolution's results, or of its windows; 1 of anything else."""
    if isinstance(layer, QWindows):
        return layer.window.across
    if not isinstance(layer, QConv):
        return 1
    return (layer.width + 2 * layer.padding - layer.kernel) // layer.stride + 1


def units(layers: Mapping[str, QLayer]) -> dict[str, int]:
    """Rows of every tensor that are computed together: rows of pixels of what convolutions make."""
    found: dict[str, int] = {}
    for layer in layers.values():
        found[layer.name] = row_pixels(layer)
        if isinstance(layer, QLinear) and layer.out.shape[0] == layers[layer.x].out.shape[0]:
            found[layer.name] = found[layer.x]
    return found


def origin(layers: Mapping[str, QLayer], name: str) -> str:
    """Tensor that ``name`` is a part of."""
    while isinstance(layer := layers[name], QSlice):
        name = layer.x
    return name


def standing(layers: Mapping[str, QLayer], found: Mapping[str, Home]) -> frozenset[str]:
    """Tensors of which an instruction reads all rows, so that they lie in one piece."""
    whole = {origin(layers, name) for layer in layers.values() for name in _read_at_once(layer)}
    return frozenset(whole | {found[name].whole for name in whole if name in found})


def _read_at_once(layer: QLayer) -> tuple[str, ...]:
    match layer:
        case QMatMul():
            return (layer.b,)
        case QConv() if is_walk(layer):
            return (layer.x,)
        case QPool():
            return (layer.x,)
        case QKeyValue():
            return layer.k, layer.v
        case QKeySum():
            return (layer.k,)
        case QDivisor():
            return (layer.sums,)
        case QQuotient():
            return (layer.kv,)
        case _:
            return ()
