"""Integer layers that multiply activations with each other, without weights of their own."""

import math
from typing import Any

import torch
from torch import Tensor

from golden.bounds import magnitude, matmul_bound, quotient_bound, relu_magnitude
from golden.network import Divisor, KeySum, KeyValue, MatMul, Pool, Quotient
from golden.ops import reciprocals
from golden.qnetwork import (
    QDivisor,
    QKeySum,
    QKeyValue,
    QMatMul,
    QPool,
    QQuotient,
    QTensor,
)
from golden.quantize.calibration import Calibration
from golden.quantize.formats import Formats, zero_points
from golden.quantizers import fit_requant, half, round_half_up
from golden.scheme import Scheme

__all__ = ["AttentionQuantizer", "quantize_matmul"]

LOG2_UNIT = 2.0**-14  # of the accumulators of log2 probabilities
MAX_CODE = 15  # of a log2 divisor
MAX_EXPONENT = 16  # of a reciprocal
MAX_MUL = 65535
MAX_POST_SHIFT = 32


def quantize_matmul(
    layer: MatMul, a: QTensor, b: QTensor, out: QTensor, alias: dict[str, str], scheme: Scheme
) -> QMatMul:
    """Quantise a product of two activations; ``layer.scale`` goes into the multiplier."""
    unit = (LOG2_UNIT if a.format == "log2" else a.scale) * b.scale * layer.scale
    made = QMatMul(
        name=layer.name,
        out=out,
        a=alias[layer.a],
        b=alias[layer.b],
        heads=layer.heads,
        transpose_b=layer.transpose_b,
        mul=0,
    )
    bound = matmul_bound(made, a, b)
    ratio = torch.tensor([unit / out.scale], dtype=torch.float64)
    fitted = fit_requant(ratio, -bound, bound, mode=scheme.requant)
    return made.replace(
        mul=int(fitted.mul), pre_shift=fitted.pre_shift, post_shift=fitted.post_shift
    )


class AttentionQuantizer:
    """Makes the integer layers of linear attention and pooling."""

    def __init__(
        self, calibration: Calibration, formats: Formats, alias: dict[str, str], scheme: Scheme
    ) -> None:
        self.calibration, self.formats = calibration, formats
        self.alias, self.scheme = alias, scheme

    def key_value(self, layer: KeyValue) -> QKeyValue:
        k, v, out = (self.formats.of(name) for name in (layer.a, layer.b, layer.name))
        bound = k.shape[0] * relu_magnitude(k) * magnitude(v)
        mul, pre_shift, post_shift = self._fit(k.scale * v.scale / out.scale, -bound, bound)
        return QKeyValue(
            name=layer.name,
            out=out,
            k=self.alias[layer.a],
            v=self.alias[layer.b],
            heads=layer.heads,
            mul=mul,
            pre_shift=pre_shift,
            post_shift=post_shift,
        )

    def key_sum(self, layer: KeySum) -> QKeySum:
        k, out = self.formats.of(layer.x), self.formats.of(layer.name)
        bound = k.shape[0] * relu_magnitude(k)
        mul, pre_shift, post_shift = self._fit(k.scale / out.scale, 0, bound)
        return QKeySum(
            name=layer.name,
            out=out,
            k=self.alias[layer.x],
            mul=mul,
            pre_shift=pre_shift,
            post_shift=post_shift,
        )

    def divisor(self, layer: Divisor) -> tuple[QDivisor, dict[str, Tensor]]:
        """Codes of the divisors; reciprocals have the factor of the quotient in their table."""
        made = QDivisor(
            name=layer.name,
            out=self.formats.of(layer.name),
            q=self.alias[layer.a],
            sums=self.alias[layer.b],
            heads=layer.heads,
            pre_shift=self.formats.divisor_shift(layer),
        )
        if made.out.format == "power":
            return made, {}
        (quotient,) = self.calibration.users[layer.name]
        assert isinstance(quotient, Quotient)
        numerator = self._exact(quotient)[0]
        return made, {f"{layer.name}.table": reciprocals(numerator)}

    def quotient(self, layer: Quotient) -> QQuotient:
        """With the divisor's codes c: ``y = (t * mul * 2**-c) * 2**-post_shift``.

        With reciprocals r and e: ``y = (t * r * 2**-e) * 2**-post_shift``.
        """
        out, bound, ratio = self._ratio(layer)
        fields: dict[str, Any] = {
            "name": layer.name,
            "out": out,
            "q": self.alias[layer.q],
            "kv": self.alias[layer.kv],
            "divisor": self.alias[layer.divisor],
            "heads": layer.heads,
        }
        if self.scheme.division == "reciprocal":
            _, pre_shift, post_shift = self._exact(layer)
            return QQuotient(**fields, pre_shift=pre_shift, post_shift=post_shift)
        ratio *= self.level(layer)
        mul, pre_shift, post_shift = self._fit(ratio, -bound, bound)
        excess = max(0, post_shift - (MAX_POST_SHIFT - MAX_CODE))
        return QQuotient(
            **fields,
            mul=round(mul / (1 << excess)),
            pre_shift=pre_shift,
            post_shift=post_shift - excess,
        )

    def _ratio(self, layer: Quotient) -> tuple[QTensor, int, float]:
        """Result, greatest sum, and scale of numerators over divisors in units of the result."""
        q, kv, below, out = (
            self.formats.of(name) for name in (layer.q, layer.kv, layer.divisor, layer.name)
        )
        return out, quotient_bound(q, kv), q.scale * kv.scale / below.scale / out.scale

    def _exact(self, layer: Quotient) -> tuple[float, int, int]:
        """Numerator of the reciprocals, of which the greatest take 16 bits, and the shifts."""
        _, bound, ratio = self._ratio(layer)
        _, pre_shift, _ = self._fit(1.0, -bound, bound)
        unit = ratio * 2.0**pre_shift  # of t over a divisor of 1, which has the mantissa 2**7
        room = math.floor(math.log2(MAX_MUL / unit))
        post_shift = min(max(room, 1), MAX_POST_SHIFT - MAX_EXPONENT)
        return unit * 2.0 ** (post_shift + 7), pre_shift, post_shift

    def level(self, layer: Quotient) -> float:
        """Factor that makes up, in the mean, for divisors rounded to powers of two.

        Least squares over the calibration images; 1 where scales are powers of two.
        """
        if self.scheme.requant == "shift" or self.scheme.division != "log2":
            return 1.0
        exact = self.calibration.floats[layer.name].double()
        rounded = self.calibration.run(layer).double()
        energy = rounded.square().sum().item()
        return (exact * rounded).sum().item() / energy if energy else 1.0

    def _fit(self, ratio: float, low: int, high: int) -> tuple[int, int, int]:
        """Multiplier, pre_shift and post_shift for sums without a bias."""
        unit = torch.tensor([ratio], dtype=torch.float64)
        fitted = fit_requant(unit, low, high, mode=self.scheme.requant)
        return int(fitted.mul), fitted.pre_shift, fitted.post_shift

    def pool(self, layer: Pool) -> tuple[QPool, dict[str, Tensor]]:
        """Mean over tokens; the bias takes off the zero point of every one."""
        x, out = self.formats.of(layer.x), self.formats.of(layer.name)
        tokens, channels = x.shape
        steps = self.formats.scales(layer.x)
        bias = -tokens * zero_points(x).expand(channels)
        bound = tokens * (x.high - x.low) + int(bias.abs().max())
        fitted = fit_requant(steps / tokens / out.scale, -bound, bound, mode=self.scheme.requant)
        offset = round_half_up(bias) + half(fitted.pre_shift)
        made = QPool(
            name=layer.name,
            out=out,
            x=self.alias[layer.x],
            pre_shift=fitted.pre_shift,
            post_shift=fitted.post_shift,
        )
        tensors = {"bias": offset.to(torch.int32), "mul": fitted.mul}
        return made, {f"{layer.name}.{part}": value for part, value in tensors.items()}
