"""Requirements on the fields of one layer of a QNetwork, each with its message."""

import math

from golden.qnetwork import QDivisor, QLayer, QSoftmax, QTensor
from golden.validate_tensors import require

__all__ = ["Check", "Formats"]

FARTHEST = 4095  # zero points of channels: 0 need not be in their range
Formats = dict[str, QTensor]


class Check:
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
        if out.zero_points is not None:
            good = len(out.zero_points) == out.shape[-1] and out.zero_point == 0
            good = good and all(abs(zero) <= FARTHEST for zero in out.zero_points)
            domain = f"{out.shape[-1]} numbers from -{FARTHEST} to {FARTHEST}"
            self.field("zero_points", list(out.zero_points), domain, good)
        if out.format in ("power", "reciprocal"):
            good = isinstance(self.layer, QDivisor) and not out.signed
            good = good and out.bits == (4 if out.format == "power" else 8)
            self.field("format", out.format, "uniform except of a divisor, unsigned", good)
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
        zero = x.zero_point if x.zero_points is None else list(x.zero_points)
        self.field(f"zero_point of {name!r}", zero, "0", zero == 0)

    def plain(self, name: str, x: QTensor) -> None:
        """Operand of one scale, uniform and without zero point."""
        self.field(f"format of {name!r}", x.format, "uniform", x.format == "uniform")
        self.no_zero_point(name, x)
        self.no_shifts(name, x)

    def no_shifts(self, name: str, x: QTensor) -> None:
        """Tensor with one scale for all channels."""
        self.field(f"shifts of {name!r}", x.shifts, "None", x.shifts is None)
