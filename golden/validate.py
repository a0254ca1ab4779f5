"""Semantic checks of a QNetwork: what must hold beyond the types of its fields."""

from golden.bounds import matmul_bound
from golden.check import Check, Formats
from golden.execute import operands
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
from golden.validate_hybrid import check_hybrid, check_product, check_shifts
from golden.validate_tensors import check_range, require, validate_tensors

__all__ = ["validate"]

MAX_ROW = 2048  # elements of a row of softmax
MAX_NORM = 4096  # of LayerNorm


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
        Check(layer).format(layer.out)
        _check_layer(layer, formats)
        formats[layer.name] = layer.out
    validate_tensors(network, formats)


def _check_layer(layer: QLayer, formats: Formats) -> None:
    check = Check(layer)
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
        case _:
            check_hybrid(check, layer, formats)


def _check_patches(check: Check, layer: QPatches, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 3)
    channels, height, width = x.shape
    fits = layer.size > 0 and height % layer.size == width % layer.size == 0
    check.field("size", layer.size, f"a divisor of height {height} and width {width}", fits)
    area = layer.size**2
    check.shape("the result", layer.out.shape, (height * width // area, channels * area))
    check.same(layer.x, x, "bits", "signed", "scale", "zero_point", "format", "shifts")


def _check_linear(check: Check, layer: QLinear, formats: Formats) -> None:
    x, out = formats[layer.x], layer.out
    check.rank(f"operand {layer.x!r}", x, 2)
    check.rank("the result", out, 2)
    check.shape("the result", out.shape, (x.shape[0], out.shape[1]))
    check_product(check, layer, formats)


def _check_matmul(check: Check, layer: QMatMul, a: QTensor, b: QTensor) -> None:
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
    check_shifts(check)
    bound = matmul_bound(layer, a, b)
    check_range(layer, -bound, bound)


def _check_softmax(check: Check, layer: QSoftmax, x: QTensor) -> None:
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


def _check_layernorm(check: Check, layer: QLayerNorm, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 2)
    check.signed(layer.x, x)
    if x.shifts is not None or x.zero_points is not None:
        check.no_zero_point(layer.x, x)
    length = x.shape[1]
    check.field("row length", length, f"2 to {MAX_NORM}", 2 <= length <= MAX_NORM)
    check.shape("the result", layer.out.shape, x.shape)
    check.no_shifts(layer.name, layer.out)
    check.within("post_shift", 1, 32)


def _check_concat(check: Check, layer: QConcat, formats: Formats) -> None:
    axis, parts = layer.axis, [formats[name] for name in layer.parts]
    check.rank("the result", layer.out, 2)
    check.field("parts", "()", "at least one tensor", bool(layer.parts))
    for name, x in zip(layer.parts, parts, strict=True):
        check.rank(f"operand {name!r}", x, 2)
        shape = list(layer.out.shape)
        shape[axis] = x.shape[axis]
        check.shape(f"operand {name!r}", x.shape, tuple(shape))
        check.same(name, x, "bits", "signed", "scale", "zero_point", "format", "zero_points")
        if axis == 0:
            check.same(name, x, "shifts")
        else:
            check.no_shifts(name, x)
    total, own = sum(x.shape[axis] for x in parts), layer.out.shape[axis]
    what = ("tokens", "channels")[axis]
    check.field(what, own, f"{total}, the sum over the parts", own == total)


def _check_slice(check: Check, layer: QSlice, x: QTensor) -> None:
    check.rank(f"operand {layer.x!r}", x, 2)
    size = x.shape[layer.axis]
    good = 0 <= layer.start < layer.stop <= size
    check.field("start and stop", f"{layer.start}, {layer.stop}", f"ordered within {size}", good)
    shape = list(x.shape)
    shape[layer.axis] = layer.stop - layer.start
    check.shape("the result", layer.out.shape, tuple(shape))
    check.same(layer.x, x, "bits", "signed", "zero_point", "format", "zero_points")
    shifts = x.shifts[layer.start : layer.stop] if x.shifts and layer.axis else x.shifts
    check.field(
        "shifts", layer.out.shifts, f"{shifts} as of {layer.x!r}", layer.out.shifts == shifts
    )
