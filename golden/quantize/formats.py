"""Number format of every tensor, from its values on calibration images and from who reads it."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from golden.network import (
    Activation,
    Add,
    Concat,
    Constant,
    Conv,
    Divisor,
    Input,
    KeySum,
    KeyValue,
    Layer,
    LayerNorm,
    Linear,
    MatMul,
    Patches,
    Pool,
    Quotient,
    Slice,
    Softmax,
)
from golden.ops import float_round, log2_round
from golden.qnetwork import QTensor
from golden.quantize.calibration import Calibration
from golden.quantize.slots import migrated, shifted
from golden.quantizers import (
    asymmetric,
    bounds,
    channel_shifts,
    log2_codes,
    log2_values,
    pre_shift_for,
    ptf,
    quantize,
    symmetric_scales,
)
from golden.scheme import ActivationObserver, Scheme
from vitaccel.errors import ConfigError

__all__ = ["Formats", "channel_scales", "simulate", "zero_points"]

ROUNDINGS = (-1, 0, 1, 2)  # P2-ViT: exponents to try around floor(log2 scale)
SHRINKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the min-max scale, by output error


def simulate(x: Tensor, out: QTensor, scales: Tensor | None = None) -> Tensor:
    """Quantise and dequantise, with one scale for each channel if given."""
    if out.format == "log2":
        return log2_values(log2_codes(x)).to(x.dtype)
    if out.format in ("power", "reciprocal"):
        return _divisors(x, out)
    step = channel_scales(out) if scales is None else scales
    zero = zero_points(out)
    integers = quantize(x.double(), step, out.low, out.high, zero)
    return ((integers - zero) * step).to(x.dtype)


def _divisors(x: Tensor, out: QTensor) -> Tensor:
    """Divisors from 0 as their codes have them."""
    integers = torch.floor(x.double() / out.scale).clamp(min=0).long()
    if out.format == "power":
        return (torch.exp2(log2_round(integers, out.bits).double()) * out.scale).to(x.dtype)
    mantissa, exponent = float_round(integers)
    return (mantissa * torch.exp2(exponent.double() - 7) * out.scale).to(x.dtype)


def channel_scales(out: QTensor) -> Tensor:
    """Scale of each channel, or a single one: float64 ``[channels]`` or ``[1]``."""
    shifts = torch.tensor(out.shifts if out.shifts is not None else [0])
    return out.scale * torch.exp2(shifts.double())


def zero_points(out: QTensor) -> Tensor:
    """Zero point of each channel, or a single one: float64 ``[channels]`` or ``[1]``."""
    zeros = (out.zero_point,) if out.zero_points is None else out.zero_points
    return torch.tensor(zeros, dtype=torch.float64)


class Formats:
    """Formats of the tensors of one network, chosen on first demand."""

    def __init__(self, calibration: Calibration, scheme: Scheme) -> None:
        self.calibration = calibration
        self.scheme = scheme
        self._layers = calibration.layers
        self._known: dict[str, QTensor] = {}

    def of(self, name: str) -> QTensor:
        """Format of a float tensor."""
        if name not in self._known:
            self._known[name] = self._choose(self.calibration.layers[name])
        return self._known[name]

    def scales(self, name: str) -> Tensor:
        """Scale of each channel, float64 ``[channels]``."""
        n_channels = self.calibration.layers[name].shape[-1]
        return channel_scales(self.of(name)).expand(n_channels).clone()

    def _choose(self, layer: Layer) -> QTensor:
        bits, look = self.scheme.activation_bits, self.scheme.observers
        match layer:
            case Input():
                return self._asymmetric(layer, bits, look.image, signed=False)
            case Patches():
                return self.of(layer.x).replace(shape=layer.shape)
            case Slice():
                return self._slice(layer)
            case LayerNorm():
                return self._symmetric(layer, bits, look.norm)
            case MatMul() if layer.transpose_b:
                return self._symmetric(layer, 8, look.scores, self._scores_unit(layer))
            case MatMul():
                return self._symmetric(layer, bits, look.attention)
            case Softmax() if self.scheme.attention == "log2":
                return QTensor(shape=layer.shape, bits=4, signed=False, format="log2")
            case Softmax():
                return QTensor(shape=layer.shape, bits=bits, signed=False, scale=2.0**-bits)
            case Concat():
                return self._joined(layer)
            case Linear() | Conv() | Add() | Constant():
                return self._sum(layer)
            case _:
                return self._hybrid(layer)

    def _hybrid(self, layer: Layer) -> QTensor:
        """Formats of convolutional networks with linear attention."""
        bits, look = self.scheme.activation_bits, self.scheme.observers
        match layer:
            case Activation():
                return self._activation(layer)
            case KeyValue() | KeySum():
                return self._symmetric(layer, 8, look.attention)
            case Divisor():
                return self._divisor(layer)
            case Quotient():
                return self._quotient(layer)
            case Pool():
                return self._symmetric(layer, bits, look.pool, 1 / self._layers[layer.x].shape[0])
        raise ConfigError(f"layer {layer.name} ({type(layer).__name__}) cannot be quantised")

    def _joined(self, layer: Concat) -> QTensor:
        if layer.axis == 0:
            return self._residual(layer)
        look = self.scheme.observers.attention
        return self._symmetric(layer, self.scheme.activation_bits, look)

    def _slice(self, layer: Slice) -> QTensor:
        whole = self.of(layer.x)
        if whole.shifts is None or layer.axis == 0:
            return whole.replace(shape=layer.shape)
        shifts = whole.shifts[layer.start : layer.stop]
        return whole.replace(shape=layer.shape, shifts=shifts)

    def _sum(self, layer: Layer) -> QTensor:
        """Format of accumulators after requantisation, by the layers that read them."""
        users, look = self.calibration.users[layer.name], self.scheme.observers
        for user in users:
            if isinstance(user, Concat):
                return self.of(user.name).replace(shape=layer.shape)
        if not users:
            return self._symmetric(layer, 8, look.logits)
        product = isinstance(layer, Linear | Conv)
        if not product or any(isinstance(u, Add | LayerNorm) for u in users):
            return self._residual(layer)
        bits = self.scheme.activation_bits
        if any(isinstance(user, MatMul | KeyValue) and user.b == layer.name for user in users):
            bits = min(bits, self.scheme.kv_bits)
        return self._symmetric(layer, bits, look.qkv)

    def _activation(self, layer: Activation) -> QTensor:
        users, bits = self.calibration.users[layer.name], self.scheme.activation_bits
        look = self.scheme.observers
        if any(isinstance(user, Add) for user in users):
            return self._symmetric(layer, 8, look.residual)
        fused = isinstance(self._layers[layer.x], Linear | Conv)
        if not self.scheme.slots or not fused or not users:
            return self._asymmetric(layer, bits, look.gelu, signed=True)
        x = self.calibration.floats[layer.name]
        if all(isinstance(u, Conv) and u.groups == layer.shape[1] for u in users):
            base, made = migrated(x, bits)
        elif all(isinstance(user, Linear) for user in users):
            base, made = shifted(x, bits)
        else:
            return self._asymmetric(layer, bits, look.gelu, signed=True)
        return self._best(layer, made, self._candidates(base, look.gelu))

    def _divisor(self, layer: Divisor) -> QTensor:
        """Codes of what `divisor_shift` leaves of the accumulators."""
        unit = self.divisor_unit(layer) * 2.0 ** self.divisor_shift(layer)
        tokens, heads = layer.shape
        if self.scheme.division == "log2":
            return QTensor(shape=layer.shape, bits=4, signed=False, scale=unit, format="power")
        shape = (tokens, 3 * heads)
        return QTensor(shape=shape, bits=8, signed=False, scale=unit, format="reciprocal")

    def divisor_unit(self, layer: Divisor) -> float:
        """Scale of a divisor's accumulators."""
        return self.of(layer.a).scale * self.of(layer.b).scale

    def divisor_shift(self, layer: Divisor) -> int:
        """Least pre_shift for 18 bits, and for codes up to 15 on the calibration images."""
        q, sums = self.of(layer.a), self.of(layer.b)
        shift = pre_shift_for(0, q.shape[1] // layer.heads * q.high * sums.high)
        greatest = self.calibration.floats[layer.name].max().item() / self.divisor_unit(layer)
        while greatest / (1 << shift) >= 1.5 * (1 << 15):
            shift += 1
        return shift

    def _quotient(self, layer: Quotient) -> QTensor:
        for user in self.calibration.users[layer.name]:
            if isinstance(user, Concat):
                return self.of(user.name).replace(shape=layer.shape)
        return self._symmetric(layer, self.scheme.activation_bits, self.scheme.observers.attention)

    def _scores_unit(self, layer: MatMul) -> float:
        """Scale of the accumulators of Q·Kᵀ: the exp table absorbs what is no power of two."""
        return self.of(layer.a).scale * self.of(layer.b).scale * layer.scale

    # Choice of scales.

    def _symmetric(
        self, layer: Layer, bits: int, observer: ActivationObserver, unit: float = 1.0
    ) -> QTensor:
        base = self._observe(layer, bits, observer)

        def made(scale: float) -> QTensor:
            return QTensor(shape=layer.shape, bits=bits, scale=scale)

        return self._best(layer, made, self._candidates(base, observer, unit))

    def _asymmetric(
        self, layer: Layer, bits: int, observer: ActivationObserver, signed: bool
    ) -> QTensor:
        x = self.calibration.floats[layer.name]
        limits = "minmax" if observer == "output" else observer
        base, zero_point = asymmetric(x, bits, limits, signed)
        least, greatest = bounds(bits, signed)
        first = (least - zero_point) * base

        def made(scale: float) -> QTensor:
            zero = zero_point if scale == base else round(least - first / scale)
            zero = min(greatest, max(least, zero))
            return QTensor(
                shape=layer.shape, bits=bits, signed=signed, scale=scale, zero_point=zero
            )

        return self._best(layer, made, self._candidates(base, observer))

    def _residual(self, layer: Layer) -> QTensor:
        """8 bits, with power-of-two factors of the channels."""
        observer = self.scheme.observers.residual
        if not self.scheme.ptf:
            return self._symmetric(layer, 8, observer)
        x = self.calibration.floats[layer.name].flatten(0, -2)
        base, _ = ptf(x, 8, "minmax" if observer == "output" else observer)

        def made(scale: float) -> QTensor:
            shifts = tuple(channel_shifts(x, scale).tolist())
            return QTensor(shape=layer.shape, scale=scale, shifts=shifts)

        return self._best(layer, made, self._candidates(base, observer))

    def _observe(self, layer: Layer, bits: int, observer: ActivationObserver) -> float:
        x = self.calibration.floats[layer.name].reshape(1, -1)
        return symmetric_scales(x, bits, "minmax" if observer == "output" else observer).item()

    def _candidates(
        self, base: float, observer: ActivationObserver, unit: float = 1.0
    ) -> Iterable[float]:
        if self.scheme.requant == "shift":
            exponent = math.floor(math.log2(base / unit))
            return [unit * 2.0 ** (exponent + rounding) for rounding in ROUNDINGS]
        return [base * shrink for shrink in SHRINKS] if observer == "output" else [base]

    def _best(
        self, layer: Layer, made: Callable[[float], QTensor], scales: Iterable[float]
    ) -> QTensor:
        """Of candidates the one that disturbs the outputs of the next layers least."""
        trials = [made(scale) for scale in scales]
        if len(trials) == 1:
            return trials[0]
        x = self.calibration.trial(layer.name)
        return min(
            trials,
            key=lambda out: self.calibration.disturbance(layer.name, simulate(x, out)),
        )
