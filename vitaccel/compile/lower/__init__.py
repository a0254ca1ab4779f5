"""Layers to instructions: one pass over the network, memory not yet placed."""

from collections.abc import Callable, Mapping
from typing import Any

from golden.qnetwork import (
    QConcat,
    QConstant,
    QInput,
    QLayerNorm,
    QLinear,
    QMatMul,
    QNetwork,
    QPatches,
    QSlice,
    QSoftmax,
)
from vitaccel.compile.lower import attention, linear, moves, rows
from vitaccel.compile.lower.state import Lowering, Step, Stored
from vitaccel.config import AcceleratorConfig

__all__ = ["Lowering", "Step", "Stored", "lower"]

HANDLERS: Mapping[type, Callable[[Lowering, Any], None]] = {
    QInput: lambda low, layer: None,
    QConcat: lambda low, layer: None,  # its parts are written in place
    QPatches: moves.patches,
    QConstant: moves.constant,
    QSlice: moves.slice_view,
    QLinear: linear.linear,
    QMatMul: attention.matmul,
    QSoftmax: rows.softmax,
    QLayerNorm: rows.layernorm,
}


def lower(network: QNetwork, config: AcceleratorConfig, keep: bool) -> Lowering:
    """Lower every layer; with ``keep`` every computed tensor is stored to external memory too.

    Raises
    ------
    ConfigError
        If a layer does not map: names it, the reason, and what would work.
    """
    low = Lowering(network, config)
    last = network.layers[-1].name
    for layer in network.layers:
        if not isinstance(layer, QMatMul | QSoftmax):
            low.flush()
        HANDLERS[type(layer)](low, layer)
        computed = isinstance(layer, QLinear | QMatMul | QSoftmax | QLayerNorm)
        if (keep and computed) or layer.name == last:
            low.store(layer)
    low.flush()
    return low
