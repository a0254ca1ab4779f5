"""Semantic checks of the tensors of a QNetwork: presence, dtype, shape and range."""

from collections.abc import Mapping

import torch
from torch import Tensor

from golden.ops import linear_range
from golden.qnetwork import (
    QConstant,
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLayerNorm,
    QLinear,
    QLookup,
    QMatMul,
    QNetwork,
    QPool,
    QQuotient,
    QSoftmax,
    QTensor,
)
from vitaccel.errors import ConfigError

__all__ = ["check_range", "require", "validate_tensors"]

T_BITS = 18  # of (acc + bias) >> pre_shift
SUM_BITS = 32  # of acc + bias

Shifted = QLinear | QConv | QPool | QMatMul | QKeyValue | QKeySum | QDivisor | QQuotient
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


def check_range(layer: Shifted, low: int, high: int) -> None:
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
        case QLinear() | QConv():
            return _of_product(layer, formats[layer.x])
        case QPool():
            return {"bias": (torch.int32, shape[1:]), "mul": (torch.int32, shape[1:])}
        case QLookup():
            return {"table": (torch.int16, (256,))}
        case QDivisor() if layer.out.format == "reciprocal":
            return {"table": (torch.int32, (256,))}
        case _:
            return {}


def _of_product(layer: QLinear | QConv, x: QTensor) -> Expected:
    n_out, n_in = layer.out.shape[1], x.shape[1]
    taps: tuple[int, ...] = (n_in,)
    if isinstance(layer, QConv):
        taps = (n_in // layer.groups, layer.kernel, layer.kernel)
    expected: Expected = {
        "weight": (torch.int16 if layer.pot_bits == 5 else torch.int8, (n_out, *taps)),
        "pot": (torch.bool, (n_out,)),
        "bias": (torch.int32, (n_out,)),
        "mul": (torch.int32, (n_out,)),
    }
    if layer.residual is not None:
        expected["residual_mul"] = (torch.int32, (n_out,))
    if layer.table:
        expected["table"] = (torch.int16, (256,) if layer.slots == 1 else (layer.slots, 256))
    if layer.slots > 1:
        expected["slot"] = (torch.int32, (n_out,))
    if isinstance(layer, QConv):
        expected["pad"] = (torch.int16, (n_in,))
    return expected


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
        case QLinear() | QConv():
            _check_product(layer, tensors, formats[layer.x])
        case QPool():
            x = formats[layer.x]
            _within(f"{layer.name}.mul", tensors["mul"], 0, 65535)
            ones = torch.ones(x.shape[1], 1, dtype=torch.int64) * x.shape[0]
            check_range(layer, *linear_range(ones, tensors["bias"], x.low, x.high))
        case QLookup():
            _within(f"{layer.name}.table", tensors["table"], layer.out.low, layer.out.high)
        case QDivisor() if tensors:
            _within(f"{layer.name}.table", tensors["table"], 0, 65535)


def _check_product(layer: QLinear | QConv, tensors: Mapping[str, Tensor], x: QTensor) -> None:
    for part in tensors.keys() & {"mul", "residual_mul"}:
        _within(f"{layer.name}.{part}", tensors[part], 0, 65535)
    if layer.slots > 1:
        _within(f"{layer.name}.slot", tensors["slot"], 0, layer.slots - 1)
    if isinstance(layer, QConv):
        _within(f"{layer.name}.pad", tensors["pad"], x.low, x.high)
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
    check_range(layer, *linear_range(weight.flatten(1), tensors["bias"], x.low, x.high))


def _within(name: str, tensor: Tensor, low: int, high: int) -> None:
    if tensor.numel():
        least, greatest = (int(value) for value in tensor.aminmax())
        worst = least if least < low else greatest
        require(
            low <= least and greatest <= high,
            f"tensor {name!r} must be within {low} .. {high}, not {worst}",
        )
