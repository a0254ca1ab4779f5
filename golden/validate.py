"""Semantic checks of a QNetwork: what must hold beyond the types of its fields."""

import math

from golden.execute import matmul_bound, operands
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
from golden.validate_tensors import check_range, require, validate_tensors

__all__ = ["validate"]

Formats = dict[str, QTensor]
MAX_ROW = 2048  # elements of a row of LayerNorm and softmax


def validate(network: QNetwork) -> None:
    """Check that a network means something and that the hardware computes it exactly.

    Operands come before their use, formats and shapes agree, every tensor of every layer is there
    with its dtype, shape and range and no other, power-of-two filters are powers of two, and
    ``(acc + bias) >> pre_shift`` fits 18 bits for every possible input.

    Raises
    ------
    ConfigError
        One line with the first thing that is wrong.
    """
    require(bool(network.layers), "network must have layers")
    formats: Formats = {}
    for layer in network.layers:
        require(layer.name not in formats, f"layer {layer.name!r} appears twice")
        is_first = not formats
        require(
            isinstance(layer, QInput) == is_first,
            f"layer {layer.name!r}: the input must be the first layer and no other",
        )
        for name in operands(layer):
            require(
                name in formats,
                f"layer {layer.name!r}: operand {name!r} must be the name of an earlier layer",
            )
        _Check(layer).format(layer.out)
        _check_layer(layer, formats)
        formats[layer.name] = layer.out
    validate_tensors(network, formats)


class _Check:
    """Requirements on the fields of one layer."""

    def __init__(self, layer: QLayer) -> None:
        self.layer = layer

    def field(self, name: str, value: object, domain: str, ok: bool) -> None:
        message = f"layer {self.layer.name!r}: {name} must be {domain}, not {value}"
        require(ok, message)

    def within(self, name: str, low: int, high: int) -> None:
        value = getattr(self.layer, name)
        self.field(name, value, f"{low} to {high}", low <= value <= high)

    def shape(self, name: str, shape: tuple[int, ...], domain: tuple[int, ...] | str) -> None:
        text = domain if isinstance(domain, str) else list(domain)
        self.field(f"shape of {name}", list(shape), str(text), shape == domain)

    def rank(self, name: str, x: QTensor, rank: int) -> None:
        self.field(f"shape of {name}", list(x.shape), f"{rank} numbers", len(x.shape) == rank)

    def format(self, out: QTensor) -> None:
        """Limits of every format."""
        self.field("shape", list(out.shape), "above 0", min(out.shape, default=0) > 0)
        self.field("scale", out.scale, "finite and above 0", 0 < out.scale < math.inf)
        domain = f"{out.low} to {out.high}"
        self.field("zero_point", out.zero_point, domain, out.low <= out.zero_point <= out.high)
        if out.shifts is not None:
            good = len(out.shifts) == out.shape[-1] and all(0 <= s <= 3 for s in out.shifts)
            domain = f"{out.shape[-1]} numbers from 0 to 3"
            self.field("shifts", list(out.shifts), domain, good)
        if out.format == "log2":
            good = isinstance(self.layer, QSoftmax) and (out.bits, out.scale) == (4, 1.0)
            self.field("format", "log2", "uniform except of a softmax with bits 4, scale 1", good)

    def same(self, name: str, x: QTensor, *fields: str) -> None:
        """A pure movement of data keeps the format."""
        for part in fields:
            value, domain = getattr(x, part), getattr(self.layer.out, part)
            self.field(f"{part} of {name!r}", value, f"{domain} as of the result", value == domain)

    def signed(self, name: str, x: QTensor) -> None:
        """Operand that the hardware reads as int8."""
        self.field(f"operand {name!r}", "unsigned", "signed", x.signed)

    def no_zero_point(self, name: str, x: QTensor) -> None:
        """Operand whose zero point nothing takes off."""
        self.field(f"zero_point of {name!r}", x.zero_point, "0", x.zero_point == 0)

    def no_shifts(self, name: str, x: QTensor) -> None:
        """Tensor with one scale for all channels."""
        self.field(f"shifts of {name!r}", x.shifts, "None", x.shifts is None)


def _check_layer(layer: QLayer, formats: Formats) -> None:
    check = _Check(layer)
    match layer:
        case QInput():
            check.rank("the image", layer.out, 3)
            check.no_shifts(layer.name, layer.out)
        case QConstant():
            check.rank("the constant", layer.out, 2)
            check.field("signed", layer.out.signed, "true", layer.out.signed)
        case QPatches():
            _check_patches(check, layer, formats[layer.x])
        case QLinear():
            _check_linear(check, layer, formats)
        case QMatMul():
            _check_matmul(check, layer, formats[layer.a], formats[layer.b])
        case QSoftmax():
            _check_softmax(check, layer, formats[layer.x])
        case QLayerNorm():
            _check_layernorm(check, layer, formats[layer.x])
        case QConcat():
            _check_concat(check, layer, formats)
        case QSlice():
            _check_slice(check, layer, formats[layer.x])


def _check_patches(check: _Check, layer: QPatches, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 3)
    channels, height, width = x.shape
    fits = layer.size > 0 and height % layer.size == width % layer.size == 0
    check.field("size", layer.size, f"a divisor of height {height} and width {width}", fits)
    area = layer.size**2
    check.shape("the result", layer.out.shape, (height * width // area, channels * area))
    check.same(layer.x, x, "bits", "signed", "scale", "zero_point", "format", "shifts")


def _check_linear(check: _Check, layer: QLinear, formats: Formats) -> None:
    x, out = formats[layer.x], layer.out
    check.rank(f"operand {layer.x!r}", x, 2)
    check.field(f"format of {layer.x!r}", x.format, "uniform", x.format == "uniform")
    check.rank("the result", out, 2)
    check.shape("the result", out.shape, (x.shape[0], out.shape[1]))
    if layer.residual is not None:
        check.shape(f"operand {layer.residual!r}", formats[layer.residual].shape, out.shape)
        check.signed(layer.residual, formats[layer.residual])
    if layer.table:
        check.no_shifts(layer.name, out)
    check.within("weight_bits", 2, 8)
    check.within("pot_bits", 3, 5)
    _check_shifts(check)


def _check_shifts(check: _Check) -> None:
    check.within("pre_shift", 0, 15)
    check.within("post_shift", 1, 32)


def _check_matmul(check: _Check, layer: QMatMul, a: QTensor, b: QTensor) -> None:
    check.signed(layer.b, b)
    check.rank(f"operand {layer.b!r}", b, 2)
    fits = layer.heads > 0 and b.shape[1] % layer.heads == 0
    check.field("heads", layer.heads, f"a divisor of {b.shape[1]} channels", fits)
    tokens, channels = b.shape
    if layer.transpose_b:
        uniform = a.format == "uniform"
        check.field(f"format of {layer.a!r}", a.format, "uniform with transpose_b", uniform)
        check.shape(f"operand {layer.a!r}", a.shape, (a.shape[0], channels))
        shape = (layer.heads, a.shape[0], tokens)
    else:
        check.rank(f"operand {layer.a!r}", a, 3)
        check.shape(f"operand {layer.a!r}", a.shape, (layer.heads, a.shape[1], tokens))
        shape = (a.shape[1], channels)
    check.shape("the result", layer.out.shape, shape)
    for name, x in ((layer.a, a), (layer.b, b)):
        check.no_zero_point(name, x)
        check.no_shifts(name, x)
    check.no_shifts(layer.name, layer.out)
    check.within("mul", 0, 65535)
    _check_shifts(check)
    bound = matmul_bound(layer, a, b)
    check_range(layer, -bound, bound)


def _check_softmax(check: _Check, layer: QSoftmax, x: QTensor) -> None:
    out = layer.out
    check.rank(f"operand {layer.x!r}", x, 3)
    check.signed(layer.x, x)
    check.field("row length", x.shape[-1], f"at most {MAX_ROW}", x.shape[-1] <= MAX_ROW)
    check.shape("the result", out.shape, x.shape)
    check.field("signed", out.signed, "False", not out.signed)
    check.no_zero_point(layer.name, out)
    check.no_shifts(layer.name, out)
    if out.format == "uniform":
        scale = 2.0**-out.bits
        check.field("scale", out.scale, f"2**-{out.bits}", out.scale == scale)


def _check_layernorm(check: _Check, layer: QLayerNorm, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 2)
    check.signed(layer.x, x)
    if x.shifts is not None:
        check.no_zero_point(layer.x, x)
    length = x.shape[1]
    check.field("row length", length, f"2 to {MAX_ROW}", 2 <= length <= MAX_ROW)
    check.shape("the result", layer.out.shape, x.shape)
    check.no_shifts(layer.name, layer.out)
    check.within("post_shift", 1, 32)


def _check_concat(check: _Check, layer: QConcat, formats: Formats) -> None:
    check.rank("the result", layer.out, 2)
    check.field("parts", "()", "at least one tensor", bool(layer.parts))
    tokens, channels = layer.out.shape
    for name in layer.parts:
        x = formats[name]
        check.rank(f"operand {name!r}", x, 2)
        check.shape(f"operand {name!r}", x.shape, (x.shape[0], channels))
        check.same(name, x, "bits", "signed", "scale", "zero_point", "format", "shifts")
    total = sum(formats[name].shape[0] for name in layer.parts)
    check.field("tokens", tokens, f"{total}, the sum over the parts", tokens == total)


def _check_slice(check: _Check, layer: QSlice, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 2)
    size = x.shape[layer.axis]
    good = 0 <= layer.start < layer.stop <= size
    check.field("start and stop", f"{layer.start}, {layer.stop}", f"ordered within {size}", good)
    shape = list(x.shape)
    shape[layer.axis] = layer.stop - layer.start
    check.shape("the result", layer.out.shape, tuple(shape))
    check.same(layer.x, x, "bits", "signed", "zero_point", "format")
    shifts = x.shifts[layer.start : layer.stop] if x.shifts and layer.axis else x.shifts
    check.field(
        "shifts", layer.out.shifts, f"{shifts} as of {layer.x!r}", layer.out.shifts == shifts
    )
