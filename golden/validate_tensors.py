"""Semantic checks of the tensors of a QNetwork: presence, dtype, shape and range."""

from collections.abc import Mapping

import torch
from torch import Tensor

from golden.ops import linear_range
from golden.qnetwork import (
    QConstant,
    QLayer,
    QLayerNorm,
    QLinear,
    QMatMul,
    QNetwork,
    QSoftmax,
    QTensor,
)
from vitaccel.errors import ConfigError

__all__ = ["check_range", "require", "validate_tensors"]

T_BITS = 18  # of (acc + bias) >> pre_shift
SUM_BITS = 32  # of acc + bias

Expected = dict[str, tuple[torch.dtype, tuple[int, ...]]]


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise ConfigError(message)


def validate_tensors(network: QNetwork, formats: Mapping[str, QTensor]) -> None:
    """Check the tensors of a network whose layers are valid.

    Parameters
    ----------
    formats
        Format of each layer's result by name.

    Raises
    ------
    ConfigError
        One line with the first thing that is wrong.
    """
    tensors, known = network.tensors, set[str]()
    for layer in network.layers:
        for part, (dtype, shape) in _expected(layer, formats).items():
            name = f"{layer.name}.{part}"
            known.add(name)
            require(name in tensors, f"tensor {name!r} is missing")
            _check_form(name, tensors[name], dtype, shape)
        own = {part: tensors[f"{layer.name}.{part}"] for part in _expected(layer, formats)}
        _check_values(layer, own, formats)
    for name in sorted(tensors.keys() - known):
        raise ConfigError(f"tensor {name!r} belongs to no layer")


def check_range(layer: QLinear | QMatMul, low: int, high: int) -> None:
    """Check that sums from ``low`` to ``high`` fit the accumulator and, shifted, 18 bits.

    Raises
    ------
    ConfigError
        Names the least pre_shift that would do.
    """
    bits = max(high, ~low).bit_length() + 1
    what = f"layer {layer.name!r}: sums from {low} to {high}"
    require(bits <= SUM_BITS, f"{what} must fit {SUM_BITS} bits; use fewer weight bits")
    least = max(0, bits - T_BITS)
    require(
        layer.pre_shift >= least,
        f"{what} need a pre_shift of at least {least}, not {layer.pre_shift}",
    )


def _expected(layer: QLayer, formats: Mapping[str, QTensor]) -> Expected:
    shape = layer.out.shape
    match layer:
        case QConstant():
            return {"value": (torch.int8, shape)}
        case QLayerNorm():
            return {"gain": (torch.int16, shape[1:]), "offset": (torch.int32, shape[1:])}
        case QSoftmax():
            return {"table": (torch.int32, (256,))}
        case QLinear():
            weight = torch.int16 if layer.pot_bits == 5 else torch.int8
            expected: Expected = {
                "weight": (weight, (shape[1], formats[layer.x].shape[1])),
                "pot": (torch.bool, shape[1:]),
                "bias": (torch.int32, shape[1:]),
                "mul": (torch.int32, shape[1:]),
            }
            if layer.residual is not None:
                expected["residual_mul"] = (torch.int32, shape[1:])
            if layer.table:
                expected["table"] = (torch.int16, (256,))
            return expected
        case _:
            return {}


def _check_form(name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    narrow = name.endswith(".weight") and tensor.dtype == torch.int8  # no 5-bit power-of-two used
    good = narrow or tensor.dtype == dtype
    require(good, f"tensor {name!r} must be {_name(dtype)}, not {_name(tensor.dtype)}")
    require(
        tuple(tensor.shape) == shape,
        f"tensor {name!r} must have shape {list(shape)}, not {list(tensor.shape)}",
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _check_values(
    layer: QLayer, tensors: Mapping[str, Tensor], formats: Mapping[str, QTensor]
) -> None:
    match layer:
        case QConstant():
            _within(f"{layer.name}.value", tensors["value"], layer.out.low, layer.out.high)
        case QSoftmax():
            name = f"{layer.name}.table"
            _within(name, tensors["table"], 0, 32768)
            first = int(tensors["table"][0])
            require(first == 32768, f"tensor {name!r} must begin with 32768, not {first}")
        case QLinear():
            _check_linear(layer, tensors, formats[layer.x])


def _check_linear(layer: QLinear, tensors: Mapping[str, Tensor], x: QTensor) -> None:
    for part in tensors.keys() & {"mul", "residual_mul"}:
        _within(f"{layer.name}.{part}", tensors[part], 0, 65535)
    if layer.table:
        _within(f"{layer.name}.table", tensors["table"], layer.out.low, layer.out.high)
    weight, pot = tensors["weight"], tensors["pot"]
    limit = 1 << layer.weight_bits - 1
    _within(f"{layer.name}.weight", weight[~pot], -limit, limit - 1)
    powers = weight[pot].to(torch.int32).abs()
    greatest = (1 << layer.pot_bits - 1) - 2
    wrong = powers[(powers & (powers - 1) != 0) | (powers > 1 << greatest)]
    if wrong.numel():
        raise ConfigError(
            f"tensor '{layer.name}.weight' must be 0 or ±2**e with e up to {greatest} in "
            f"power-of-two filters, not ±{int(wrong[0])}"
        )
    check_range(layer, *linear_range(weight, tensors["bias"], x.low, x.high))


def _within(name: str, tensor: Tensor, low: int, high: int) -> None:
    if tensor.numel():
        least, greatest = (int(value) for value in tensor.aminmax())
        worst = least if least < low else greatest
        require(
            low <= least and greatest <= high,
            f"tensor {name!r} must be within {low} .. {high}, not {worst}",
        )
