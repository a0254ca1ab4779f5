"""Random integer convolutional networks with linear attention."""

import math
from dataclasses import replace

import torch

from golden.bounds import magnitude, quotient_bound, relu_magnitude
from golden.ops import linear_range, reciprocals
from golden.qnetwork import (
    QConcat,
    QConv,
    QDivisor,
    QInput,
    QKeySum,
    QKeyValue,
    QLinear,
    QLookup,
    QNetwork,
    QPatches,
    QPool,
    QQuotient,
    QTensor,
)
from hdl_tests.harness.networks import Builder

__all__ = ["dead", "random_hybrid"]


class HybridBuilder(Builder):
    """Also makes convolutions, tables by channel, linear attention and means."""

    exact = False  # division by reciprocals

    def product(
        self,
        name: str,
        x: str,
        out: QTensor,
        *,
        size: tuple[int, int] = (1, 1),
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        residual: str | None = None,
        slots: int = 0,
    ) -> str:
        """Linear layer if it has one tap and one group, else a convolution; ``slots`` tables."""
        fmt, n_out, n_in = self.x[x], out.shape[1], self.x[x].shape[1]
        weight, pot = self.weight(n_out, n_in // groups * kernel**2)
        deviation = weight.double().square().sum(1).sqrt() * self.spread(fmt)
        bias = (self.normal(n_out) * deviation * 0.3).long() - weight.long().sum(1) * fmt.zero_point
        low, high = linear_range(weight, bias, fmt.low, fmt.high)
        target = self.spread(QTensor(shape=out.shape)) / (math.sqrt(2) if residual else 1)
        factors = [target / deviation.clamp(min=1)]
        if residual:
            factors.append(torch.full((n_out,), target / self.spread(self.x[residual])).double())
        pre_shift, post_shift, muls = self.scaling(low, high, *factors)
        keep = {"weight": weight, "pot": pot, "bias": bias.to(torch.int32), "mul": muls[0]}
        if residual:
            keep["residual_mul"] = muls[1]
        if slots:
            tables = self.integers(out.low, out.high, slots, 256).to(torch.int16)
            keep["table"] = tables if slots > 1 else tables[0]
        if slots > 1:
            keep["slot"] = (torch.arange(n_out) % slots).to(torch.int32)
        fields = {
            "name": name, "out": out, "x": x, "residual": residual, "table": slots > 0,
            "slots": max(slots, 1), "pre_shift": pre_shift, "post_shift": post_shift,
            "weight_bits": self.weight_bits, "pot_bits": self.pot_bits,
        }  # fmt: skip
        made: QLinear | QConv = QLinear(**fields)
        if kernel > 1 or groups > 1:
            keep["weight"] = weight.unflatten(1, (-1, kernel, kernel))
            keep["pad"] = self.integers(fmt.low, fmt.high, n_in).to(torch.int16)
            made = QConv(
                **fields, height=size[0], width=size[1], kernel=kernel, stride=stride,
                padding=kernel // 2, groups=groups,
            )  # fmt: skip
        self.tensors |= {f"{name}.{part}": tensor for part, tensor in keep.items()}
        return self.add(made)

    def fitted(self, bound: int, strength: float, out: QTensor) -> tuple[int, int, int]:
        """Multiplier and shifts of sums up to ``bound``, mostly of about ``strength``."""
        factor = torch.tensor([self.spread(out) / strength])
        pre_shift, post_shift, (mul,) = self.scaling(-bound, bound, factor)
        return int(mul), pre_shift, post_shift

    def linear_attention(self, name: str, q: str, k: str, v: str, heads: int) -> str:
        """Linear attention."""
        tokens, width = self.x[q].shape
        plain, dim = QTensor(shape=(tokens, width)), width // heads
        kv, sums = plain.replace(shape=(dim, width)), plain.replace(shape=(1, width))
        key, value = self.x[k], self.x[v]
        bound = tokens * relu_magnitude(key) * magnitude(value)
        strength = math.sqrt(tokens) * self.spread(key) * self.spread(value)
        mul, pre, post = self.fitted(bound, strength, kv)
        self.add(
            QKeyValue(
                name=f"{name}.kv",
                out=kv,
                k=k,
                v=v,
                heads=heads,
                mul=mul,
                pre_shift=pre,
                post_shift=post,
            )  # fmt: skip
        )
        bound = tokens * relu_magnitude(key)
        mul, pre, post = self.fitted(bound, tokens * self.spread(key) / 2, sums)
        self.add(
            QKeySum(name=f"{name}.sum", out=sums, k=k, mul=mul, pre_shift=pre, post_shift=post)
        )
        codes = QTensor(shape=(tokens, heads), bits=4, signed=False, format="power")
        if self.exact:
            codes = codes.replace(shape=(tokens, 3 * heads), bits=8, format="reciprocal")
            self.tensors[f"{name}.divisor.table"] = reciprocals(40000.0 * 128)
        self.add(QDivisor(name=f"{name}.divisor", out=codes, q=q, sums=f"{name}.sum", heads=heads,
                          pre_shift=1))  # fmt: skip
        factor = 1 << 15 if self.shift else 40000
        bound = quotient_bound(self.x[q], kv)
        return self.add(
            QQuotient(
                name=name,
                out=plain,
                q=q,
                kv=f"{name}.kv",
                divisor=f"{name}.divisor",
                heads=heads,
                mul=0 if self.exact else factor,
                pre_shift=max(0, bound.bit_length() - 17),
                post_shift=9,
            )  # fmt: skip
        )

    def pool(self, name: str, x: str) -> str:
        """Mean over tokens."""
        tokens, channels = self.x[x].shape
        out = QTensor(shape=(1, channels))
        bias = self.integers(-50, 50, channels)
        mul, pre, post = self.fitted(tokens * 128 + 50, math.sqrt(tokens) * self.spread(out), out)
        muls = torch.full((channels,), mul, dtype=torch.int32)
        self.tensors |= {f"{name}.bias": bias.to(torch.int32), f"{name}.mul": muls}
        return self.add(QPool(name=name, out=out, x=x, pre_shift=pre, post_shift=post))

    def lookup(self, name: str, x: str) -> str:
        """Any table."""
        out = self.x[x].replace(scale=0.1)
        self.tensors[f"{name}.table"] = self.integers(-128, 127, 256).to(torch.int16)
        return self.add(QLookup(name=name, out=out, x=x))


def random_hybrid(
    side: int = 9,
    width: int = 8,
    heads: int = 2,
    pot: float = 0.0,
    seed: int = 0,
    *,
    shift: bool = False,
    exact: bool = False,
) -> QNetwork:
    """Build a network with random weights and every kind of layer, two scales of attention.

    Parameters
    ----------
    side
        Of the image in pixels; two strides make it a quarter.
    width
        Channels of the attention, ``heads`` times a multiple of the words it runs on.
    pot
        Share of power-of-two filters in each layer.
    shift
        Multipliers are powers of two.
    exact
        Division by reciprocals.
    """

    def halved(size: tuple[int, int]) -> tuple[int, int]:
        return (size[0] + 1) // 2, (size[1] + 1) // 2

    b = HybridBuilder(8, 8, pot, 4, shift, 8, seed)
    b.exact = exact

    def out(pixels: int, channels: int) -> QTensor:
        return QTensor(shape=(pixels, channels))

    image = QTensor(shape=(3, side, side + 1), signed=False, scale=1 / 255)
    x = b.add(QInput(name="image", out=image))
    size = (side, side + 1)
    flat = image.replace(shape=(math.prod(size), 3))
    x = b.add(QPatches(name="pixels", out=flat, x=x, size=1))
    half = halved(size)
    n = math.prod(half)
    stem = b.product("stem", x, out(n, width), size=size, kernel=3, stride=2, slots=3)
    y = b.product("local", stem, out(n, width), size=half, kernel=3, groups=width, slots=1)
    x = b.product("point", y, out(n, width), residual=stem)
    y = b.product("wide", x, out(n, 2 * width + 4), slots=4)
    small = halved(half)
    n, channels = math.prod(small), 2 * width + 4
    y = b.product(
        "down", y, out(n, channels), size=half, kernel=5, stride=2, groups=channels, slots=2
    )
    x = b.product("narrow", y, out(n, width))
    q, k, v = (b.product(name, x, out(n, width)) for name in "qkv")
    first = b.linear_attention("near", q, k, v, heads)
    q, k, v = (
        b.product(f"far.{name}", name, out(n, width), size=small, groups=heads) for name in "qkv"
    )
    second = b.linear_attention("far", q, k, v, heads)
    y = b.add(QConcat(name="both", out=out(n, 2 * width), parts=(first, second), axis=1))
    x = b.product("proj", y, out(n, width), residual=x)
    x = b.pool("pool", b.product("head", x, out(n, width + 1), slots=1))
    x = b.lookup("lookup", b.layernorm("norm", b.product("hidden", x, out(1, width + 3))))
    b.product("classes", x, out(1, 5))
    return QNetwork(
        name=f"hybrid-{seed}",
        layers=tuple(b.layers),
        tensors=b.tensors,
        classes=tuple("abcde"),
        scheme="trio",
    )


def dead(network: QNetwork) -> QNetwork:
    """The same without a positive query in its first attention: all of its divisors are 0."""
    by_name = {layer.name: layer for layer in network.layers}
    quotient = next(layer for layer in network.layers if isinstance(layer, QQuotient))
    q = by_name[quotient.q]
    assert isinstance(q, QLinear)
    x = by_name[q.x].out
    weight = network.tensors[f"{q.name}.weight"].long()
    most = (weight.clamp(min=0) * x.high + weight.clamp(max=0) * x.low).sum(1)
    bias = {f"{q.name}.bias": -most.to(torch.int32)}
    return replace(network, tensors=network.tensors | bias)
