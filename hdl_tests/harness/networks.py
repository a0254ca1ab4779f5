"""Random integer vision transformers, for tests that need a network and no training."""

import math

import torch
from torch import Tensor

from golden.execute import matmul_bound
from golden.ops import exp_table, gelu_table, layernorm_constants, linear_range
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

SPREAD = 0.3  # standard deviation of a tensor, as a share of its greatest integer


class Builder:
    """Collects layers and tensors; ``self.x[name]`` is the format of a layer made so far."""

    def __init__(
        self,
        bits: int,
        weight_bits: int,
        pot: float,
        pot_bits: int,
        shift: bool,
        kv_bits: int,
        seed: int,
    ) -> None:
        self.bits, self.weight_bits, self.pot, self.pot_bits = bits, weight_bits, pot, pot_bits
        self.shift, self.kv_bits = shift, kv_bits
        self.random = torch.Generator().manual_seed(seed)
        self.layers: list[QLayer] = []
        self.tensors: dict[str, Tensor] = {}
        self.x: dict[str, QTensor] = {}

    def add(self, layer: QLayer) -> str:
        self.layers.append(layer)
        self.x[layer.name] = layer.out
        return layer.name

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, dtype=torch.float64)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high + 1, shape, generator=self.random)

    def spread(self, x: QTensor) -> float:
        """Assumed root mean square of the integers around the zero point."""
        return SPREAD * (x.high - x.zero_point)

    def multipliers(self, factors: Tensor, post_shift: int) -> Tensor:
        mul = factors * 2.0**post_shift
        if self.shift:
            mul = torch.exp2(mul.log2().round().clamp(0, 15))
        return mul.round().clamp(1, 65535).to(torch.int32)

    def scaling(self, low: int, high: int, *factors: Tensor) -> tuple[int, int, list[Tensor]]:
        """pre_shift that brings low .. high into 18 bits, post_shift and multipliers."""
        pre_shift = max(0, max(high, ~low).bit_length() - 17)
        factors = (factors[0] * 2.0**pre_shift, *factors[1:])
        greatest = max(float(f.max()) for f in factors)
        post_shift = min(24, 15 - math.ceil(math.log2(greatest)))
        return pre_shift, post_shift, [self.multipliers(f, post_shift) for f in factors]

    def weight(self, n_out: int, n_in: int) -> tuple[Tensor, Tensor]:
        limit = (1 << self.weight_bits - 1) - 1
        weight = (self.normal(n_out, n_in) * limit * SPREAD).round().clamp(-limit - 1, limit)
        mask = torch.randperm(n_out, generator=self.random) < round(self.pot * n_out)
        exponents = self.integers(-1, (1 << self.pot_bits - 1) - 2, n_out, n_in)
        powers = torch.where(exponents < 0, 0, 1 << exponents.clamp(min=0))
        powers *= 2 * self.integers(0, 1, n_out, n_in) - 1
        weight = torch.where(mask[:, None], powers, weight.to(torch.int64))
        return weight.to(torch.int16 if self.pot_bits == 5 else torch.int8), mask

    def linear(
        self, name: str, x: str, out: QTensor, *, residual: str | None = None, gelu: bool = False
    ) -> str:
        fmt = self.x[x]
        n_out, n_in = out.shape[1], fmt.shape[1]
        weight, mask = self.weight(n_out, n_in)
        deviation = weight.double().square().sum(1).sqrt() * self.spread(fmt)
        fold = weight.long().sum(1) * fmt.zero_point
        bias = (self.normal(n_out) * deviation * 0.3).long() - fold
        low, high = linear_range(weight, bias, fmt.low, fmt.high)
        target = SPREAD * 127 if gelu else self.spread(out)
        if residual:  # both parts equally strong
            target /= math.sqrt(2)
        factors = [target / deviation.clamp(min=1)]
        if residual:
            factors.append(torch.full((n_out,), target / self.spread(self.x[residual])).double())
        pre_shift, post_shift, muls = self.scaling(low, high, *factors)
        keep = {"weight": weight, "pot": mask, "bias": bias.to(torch.int32), "mul": muls[0]}
        if residual:
            keep["residual_mul"] = muls[1]
        if gelu:
            keep["table"] = gelu_table(1.5 / target, out)
        self.tensors |= {f"{name}.{part}": tensor for part, tensor in keep.items()}
        return self.add(
            QLinear(
                name=name,
                out=out,
                x=x,
                residual=residual,
                table=gelu,
                pre_shift=pre_shift,
                post_shift=post_shift,
                weight_bits=self.weight_bits,
                pot_bits=self.pot_bits,
            )
        )

    def matmul(self, name: str, a: str, b: str, out: QTensor, heads: int) -> str:
        left, right = self.x[a], self.x[b]
        transposed = len(left.shape) == 2
        if transposed:
            strength = self.spread(left) * math.sqrt(left.shape[1] // heads)
        else:  # rows of probabilities that add to 1
            strength = 1 << (14 if left.format == "log2" else left.bits)
        deviation = strength * self.spread(right)
        layer = QMatMul(name=name, out=out, a=a, b=b, heads=heads, transpose_b=transposed, mul=0)
        bound = matmul_bound(layer, left, right)
        factor = torch.tensor([self.spread(out) / deviation])
        pre_shift, post_shift, (mul,) = self.scaling(-bound, bound, factor)
        return self.add(layer.replace(mul=int(mul), pre_shift=pre_shift, post_shift=post_shift))

    def layernorm(self, name: str, x: str) -> str:
        n_tokens, dim = self.x[x].shape
        out = QTensor(
            shape=(n_tokens, dim), bits=self.bits, scale=1 / (SPREAD * 2 ** (self.bits - 1))
        )
        post_shift = 15
        correction = dim / 2.0 ** (25 - layernorm_constants(dim).scale_shift)
        unit = correction * 2.0 ** (post_shift - 10) / out.scale
        gain = (1 + self.normal(dim) / 4) * unit
        offset = self.normal(dim) / 4 / out.scale * 2**post_shift
        self.tensors[f"{name}.gain"] = gain.round().clamp(-32768, 32767).to(torch.int16)
        self.tensors[f"{name}.offset"] = offset.round().to(torch.int32)
        return self.add(QLayerNorm(name=name, out=out, x=x, post_shift=post_shift))

    def constant(self, name: str, out: QTensor) -> str:
        value = (self.normal(*out.shape) * self.spread(out)).round().clamp(out.low, out.high)
        self.tensors[f"{name}.value"] = value.to(torch.int8)
        return self.add(QConstant(name=name, out=out))

    def attention(self, name: str, x: str, dim: int, heads: int, log2: bool) -> str:
        n_tokens, width = self.x[x].shape[0], dim
        part = QTensor(shape=(n_tokens, width), bits=self.bits, scale=0.05)
        held = part.replace(bits=min(self.bits, self.kv_bits))
        q, k, v = (
            self.linear(f"{name}.{n}", x, out) for n, out in (("q", part), ("k", held), ("v", held))
        )
        square = (heads, n_tokens, n_tokens)
        scores = QTensor(shape=square, scale=1.5 / (SPREAD * 127))
        qk = self.matmul(f"{name}.qk", q, k, scores, heads)
        form = (
            QTensor(shape=square, bits=4, signed=False, format="log2")
            if log2
            else QTensor(shape=square, bits=self.bits, signed=False, scale=2.0**-self.bits)
        )
        self.tensors[f"{name}.softmax.table"] = exp_table(scores.scale)
        p = self.add(QSoftmax(name=f"{name}.softmax", out=form, x=qk))
        return self.matmul(f"{name}.av", p, v, part.replace(scale=0.03), heads)

    def block(self, name: str, x: str, heads: int, log2: bool) -> str:
        stream = self.x[x]
        n_tokens, dim = stream.shape
        mixed = self.attention(f"{name}.attn", self.layernorm(f"{name}.norm1", x), dim, heads, log2)
        x = self.linear(f"{name}.attn.proj", mixed, stream, residual=x)
        hidden = QTensor(
            shape=(n_tokens, 4 * dim),
            bits=self.bits,
            signed=False,
            zero_point=1 << self.bits - 4,
            scale=4 / 2**self.bits,
        )
        y = self.layernorm(f"{name}.norm2", x)
        y = self.linear(f"{name}.mlp.fc1", y, hidden, gelu=True)
        return self.linear(f"{name}.mlp.fc2", y, stream, residual=x)


def random_qnetwork(
    tokens: int = 5,
    dim: int = 12,
    heads: int = 3,
    depth: int = 1,
    bits: int = 8,
    pot: float = 0.5,
    log2: bool = True,
    seed: int = 0,
    *,
    weight_bits: int = 8,
    pot_bits: int = 4,
    shift: bool = False,
    kv_bits: int = 8,
    patch: int = 2,
    classes: int = 10,
) -> QNetwork:
    """Build a vision transformer with random weights and every kind of layer.

    Parameters
    ----------
    tokens
        Tokens with the class token, >= 2; the image is ``[1, patch, patch * (tokens - 1)]``.
    bits
        Of operands of matrix products; the residual stream, scores and logits have 8.
    pot
        Share of power-of-two filters in each linear layer, placed at random.
    log2
        4-bit log2 probabilities instead of linear ones of ``bits``.
    shift
        Multipliers are powers of two.
    kv_bits
        Of K and V, if that is less than ``bits``.
    """
    b = Builder(bits, weight_bits, pot, pot_bits, shift, kv_bits, seed)
    image = QTensor(
        shape=(1, patch, patch * (tokens - 1)),
        bits=bits,
        scale=1 / (2**bits - 1),
        zero_point=-(1 << bits - 1),
    )
    shifts = tuple(b.integers(0, 3, dim).tolist())
    stream = QTensor(shape=(tokens, dim), scale=0.05, shifts=shifts)
    x = b.add(QInput(name="image", out=image))
    flat = image.replace(shape=(tokens - 1, patch * patch))
    x = b.add(QPatches(name="patches", out=flat, x=x, size=patch))
    position = b.constant("pos_embed", stream.replace(shape=(tokens - 1, dim)))
    x = b.linear("patch_embed", x, b.x[position], residual=position)
    token = b.constant("cls_token", stream.replace(shape=(1, dim)))
    x = b.add(QConcat(name="tokens", out=stream, parts=(token, x)))
    for i in range(depth):
        x = b.block(f"blocks.{i}", x, heads, log2)
    out = stream.replace(shape=(1, dim))
    x = b.add(QSlice(name="pool", out=out, x=x, axis=0, start=0, stop=1))
    x = b.layernorm("norm", x)
    b.linear("head", x, QTensor(shape=(1, classes), scale=0.1))
    scheme = f"{'mixed' if pot else 'uniform'}{weight_bits}-a{bits}{'-log2' if log2 else ''}"
    return QNetwork(
        name=f"random-{seed}",
        layers=tuple(b.layers),
        tensors=b.tensors,
        classes=tuple(map(str, range(classes))),
        scheme=scheme,
    )
