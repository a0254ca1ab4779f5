"""Semantic checks of the layers of convolutional networks with linear attention."""

from golden.bounds import magnitude, quotient_bound, relu_magnitude
from golden.check import Check, Formats
from golden.qnetwork import (
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLinear,
    QLookup,
    QPool,
    QQuotient,
)
from golden.validate_tensors import check_range

__all__ = ["check_hybrid", "check_product", "check_shifts"]

MAX_KERNEL = 7
MAX_CODE = 15  # of a log2 divisor
MAX_EXPONENT = 16  # of a reciprocal
MAX_SHIFT = 32


def check_hybrid(check: Check, layer: QLayer, formats: Formats) -> None:
    """Check one layer of those kinds."""
    match layer:
        case QConv():
            _check_conv(check, layer, formats)
        case QPool():
            _check_pool(check, layer, formats)
        case QLookup():
            _check_lookup(check, layer, formats)
        case QKeyValue():
            _check_key_value(check, layer, formats)
        case QKeySum():
            _check_key_sum(check, layer, formats)
        case QDivisor():
            _check_divisor(check, layer, formats)
        case QQuotient():
            _check_quotient(check, layer, formats)
        case _:
            raise TypeError(f"unknown layer {layer!r}")


def check_shifts(check: Check) -> None:
    """Check the shifts of a requantisation."""
    check.within("pre_shift", 0, 15)
    check.within("post_shift", 1, MAX_SHIFT)


def check_product(check: Check, layer: QLinear | QConv, formats: Formats) -> None:
    """Check what QLinear and QConv have in common."""
    x, out = formats[layer.x], layer.out
    check.field(f"format of {layer.x!r}", x.format, "uniform", x.format == "uniform")
    if layer.residual is not None:
        check.shape(f"operand {layer.residual!r}", formats[layer.residual].shape, out.shape)
        check.signed(layer.residual, formats[layer.residual])
    if layer.table and layer.slots == 1:
        check.no_shifts(layer.name, out)
    if not layer.table:
        check.field("slots", layer.slots, "1 without a table", layer.slots == 1)
        check.field("zero_points", out.zero_points, "None without a table", out.zero_points is None)
    check.within("weight_bits", 2, 8)
    check.within("pot_bits", 3, 5)
    check_shifts(check)


def _check_conv(check: Check, layer: QConv, formats: Formats) -> None:
    x, out = formats[layer.x], layer.out
    check.rank(f"operand {layer.x!r}", x, 2)
    check.rank("the result", out, 2)
    check.within("kernel", 1, MAX_KERNEL)
    check.within("stride", 1, 2)
    check.within("padding", 0, layer.kernel - 1)
    tokens, n_in = x.shape
    size = (layer.height, layer.width)
    check.field("height and width", size, f"those of {tokens} pixels", size[0] * size[1] == tokens)
    fits = layer.groups > 0 and n_in % layer.groups == out.shape[1] % layer.groups == 0
    check.field("groups", layer.groups, f"a divisor of {n_in} and {out.shape[1]} channels", fits)
    rows, columns = ((n + 2 * layer.padding - layer.kernel) // layer.stride + 1 for n in size)
    check.field("kernel", layer.kernel, "within the image", rows > 0 and columns > 0)
    check.shape("the result", out.shape, (rows * columns, out.shape[1]))
    check_product(check, layer, formats)


def _check_pool(check: Check, layer: QPool, formats: Formats) -> None:
    x = formats[layer.x]
    check.rank(f"operand {layer.x!r}", x, 2)
    check.field(f"format of {layer.x!r}", x.format, "uniform", x.format == "uniform")
    check.shape("the result", layer.out.shape, (1, x.shape[1]))
    check.field("zero_points", layer.out.zero_points, "None", layer.out.zero_points is None)
    check_shifts(check)


def _check_lookup(check: Check, layer: QLookup, formats: Formats) -> None:
    x = formats[layer.x]
    check.signed(layer.x, x)
    check.plain(layer.x, x)
    check.shape("the result", layer.out.shape, x.shape)
    check.no_shifts(layer.name, layer.out)
    check.field("zero_points", layer.out.zero_points, "None", layer.out.zero_points is None)


def _check_heads(check: Check, heads: int, channels: int) -> None:
    fits = heads > 0 and channels % heads == 0
    check.field("heads", heads, f"a divisor of {channels} channels", fits)


def _check_key_value(check: Check, layer: QKeyValue, formats: Formats) -> None:
    k, v, out = formats[layer.k], formats[layer.v], layer.out
    check.rank(f"operand {layer.k!r}", k, 2)
    check.shape(f"operand {layer.v!r}", v.shape, k.shape)
    _check_heads(check, layer.heads, k.shape[1])
    check.shape("the result", out.shape, (k.shape[1] // layer.heads, k.shape[1]))
    for name, x in ((layer.k, k), (layer.v, v), (layer.name, out)):
        check.signed(name, x)
        check.plain(name, x)
    check.within("mul", 0, 65535)
    check_shifts(check)
    bound = k.shape[0] * relu_magnitude(k) * magnitude(v)
    check_range(layer, -bound, bound)


def _check_key_sum(check: Check, layer: QKeySum, formats: Formats) -> None:
    k, out = formats[layer.k], layer.out
    check.rank(f"operand {layer.k!r}", k, 2)
    check.shape("the result", out.shape, (1, k.shape[1]))
    for name, x in ((layer.k, k), (layer.name, out)):
        check.signed(name, x)
        check.plain(name, x)
    check.within("mul", 0, 65535)
    check_shifts(check)
    check_range(layer, 0, k.shape[0] * relu_magnitude(k))


def _check_divisor(check: Check, layer: QDivisor, formats: Formats) -> None:
    q, sums, out = formats[layer.q], formats[layer.sums], layer.out
    check.rank(f"operand {layer.q!r}", q, 2)
    check.shape(f"operand {layer.sums!r}", sums.shape, (1, q.shape[1]))
    for name, x in ((layer.q, q), (layer.sums, sums)):
        check.plain(name, x)
    _check_heads(check, layer.heads, q.shape[1])
    check.field("format", out.format, "power or reciprocal", out.format in ("power", "reciprocal"))
    lanes = layer.heads * (1 if out.format == "power" else 3)
    check.shape("the result", out.shape, (q.shape[0], lanes))
    check.no_zero_point(layer.name, out)
    check.no_shifts(layer.name, out)
    check.within("pre_shift", 0, 15)
    dim = q.shape[1] // layer.heads
    check_range(layer, 0, dim * relu_magnitude(q) * relu_magnitude(sums))


def _check_quotient(check: Check, layer: QQuotient, formats: Formats) -> None:
    q, kv, divisor = formats[layer.q], formats[layer.kv], formats[layer.divisor]
    check.rank(f"operand {layer.q!r}", q, 2)
    _check_heads(check, layer.heads, q.shape[1])
    check.shape(f"operand {layer.kv!r}", kv.shape, (q.shape[1] // layer.heads, q.shape[1]))
    exact = divisor.format == "reciprocal"
    allowed = divisor.format in ("power", "reciprocal")
    check.field(f"format of {layer.divisor!r}", divisor.format, "power or reciprocal", allowed)
    lanes = layer.heads * (3 if exact else 1)
    check.shape(f"operand {layer.divisor!r}", divisor.shape, (q.shape[0], lanes))
    check.shape("the result", layer.out.shape, q.shape)
    check.signed(layer.kv, kv)
    check.signed(layer.name, layer.out)
    for name, x in ((layer.q, q), (layer.kv, kv), (layer.name, layer.out)):
        check.plain(name, x)
    check.within("mul", 0, 0 if exact else 65535)
    check.within("pre_shift", 0, 15)
    check.within("post_shift", 1, MAX_SHIFT - (MAX_EXPONENT if exact else MAX_CODE))
    bound = quotient_bound(q, kv)
    check_range(layer, -bound, bound)
