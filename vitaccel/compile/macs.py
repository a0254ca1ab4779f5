"""Useful multiply-accumulates of a network."""

from collections.abc import Mapping
from math import prod

from golden.qnetwork import (
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLinear,
    QMatMul,
    QNetwork,
    QPool,
    QQuotient,
)

__all__ = ["layer_macs"]


def layer_macs(network: QNetwork) -> Mapping[str, int]:
    """Useful multiply-accumulates of every layer that has any."""
    by_name = {layer.name: layer for layer in network.layers}
    macs = {}
    for layer in network.layers:
        each = _macs(layer, {name: other.out.shape for name, other in by_name.items()})
        if each:
            macs[layer.name] = each
    return macs


def _macs(layer: QLayer, shapes: Mapping[str, tuple[int, ...]]) -> int:
    results = prod(layer.out.shape)
    match layer:
        case QLinear():
            return results * shapes[layer.x][1]
        case QConv():
            return results * shapes[layer.x][1] // layer.groups * layer.kernel**2
        case QMatMul():
            return shapes[layer.a][-2] * prod(shapes[layer.b])
        case QKeyValue() | QKeySum():
            return results * shapes[layer.k][0]
        case QDivisor():
            return prod(shapes[layer.q])
        case QQuotient():
            return results * shapes[layer.kv][0]
        case QPool():
            return prod(shapes[layer.x])
        case _:
            return 0
