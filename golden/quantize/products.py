"""Integer layers with filters: Linear and what is fused to it."""

from typing import Any

import torch
from torch import Tensor

from golden.evaluate import activation_of
from golden.ops import linear_range
from golden.qnetwork import QConv, QLinear, QTensor
from golden.quantize.calibration import Calibration
from golden.quantize.formats import Formats, simulate, zero_points
from golden.quantize.graph import Product
from golden.quantize.tables import TableInput, activation_entries, slots_of, table_input
from golden.quantize.weights import Weight, quantize_weight
from golden.quantizers import Requant, fit_requant, half, round_half_up
from golden.scheme import Scheme

__all__ = ["ProductQuantizer", "rows_of"]

RIDGE = 0.01  # of the mean square of the inputs
BIAS_LIMIT = 1 << 19  # of a bias in units of the accumulator: more would cost t its precision


class ProductQuantizer:
    """Makes one `QLinear` of a Linear and what is fused to it.

    Inside, ``rows`` are the inputs ``q - zero_point`` of the quantised network so far, ``[samples,
    in]``, and the scales of a `Weight` are those of the accumulators.
    """

    def __init__(
        self, product: Product, calibration: Calibration, formats: Formats, scheme: Scheme
    ) -> None:
        self.product, self.calibration = product, calibration
        self.formats, self.scheme = formats, scheme
        params, name = calibration.network.params, product.linear.name
        self.weight, self.bias = (params[f"{name}.{p}"].double() for p in ("weight", "bias"))
        self.x = formats.of(product.linear.x)
        self.steps, self.zeros = formats.scales(product.linear.x), zero_points(self.x)
        # value = scale * factor[k] * (q - zero_point): factors go to the columns of the weight
        self.factors = self.steps / self.x.scale
        self._prepare()

    def _prepare(self) -> None:
        self.rows = rows_of(self.calibration.hats, self.product.linear.x) / self.steps

    def run(self, alias: dict[str, str]) -> tuple[QLinear | QConv, dict[str, Tensor]]:
        """Quantise, and leave the simulated result in ``hats``.

        ``alias`` gives the integer layer of a float tensor.
        """
        product, out = self.product, self.formats.of(self.product.out)
        name = product.linear.name
        weight = self._weight()
        table = self._table()
        start = round_half_up(self._start(weight, table))
        fitted = self._fit(weight, start, table)
        tensors = {
            f"{name}.weight": self._shaped(weight.integers).to(self._weight_dtype()),
            f"{name}.pot": weight.pot,
            f"{name}.bias": (start + half(fitted.pre_shift)).to(torch.int32),
            f"{name}.mul": fitted.mul,
        }
        if fitted.residual_mul is not None:
            tensors[f"{name}.residual_mul"] = fitted.residual_mul
        slots = 1
        if table is not None:
            entries = self._entries(table, out)
            slots = len(entries)
            tensors[f"{name}.table"] = entries if slots > 1 else entries[0]
            if slots > 1:
                tensors[f"{name}.slot"] = table.slot.to(torch.int32)
        self._simulate(weight, start, table, out)
        fields = {
            "name": name,
            "out": out,
            "x": alias[product.linear.x],
            "residual": None if product.residual is None else alias[product.residual],
            "table": table is not None,
            "slots": slots,
            "pre_shift": fitted.pre_shift,
            "post_shift": fitted.post_shift,
            "weight_bits": self._weight_bits(),
            "pot_bits": self.scheme.pot_bits,
        }
        return self._layer(fields, tensors), tensors

    def _layer(self, fields: dict[str, Any], tensors: dict[str, Tensor]) -> QLinear | QConv:
        """Integer layer; may add tensors."""
        return QLinear(**fields)

    def _shaped(self, integers: Tensor) -> Tensor:
        """Weight ``[out, taps]`` in the shape of the layer's."""
        return integers

    def _weight_bits(self) -> int:
        return self.scheme.weight_bits

    def _response(self, integers: Tensor, level: Tensor) -> Tensor:
        """Accumulators ``[out]`` for inputs ``level``, in the shape of a row."""
        return integers @ level

    def _accumulators(self, integers: Tensor) -> Tensor:
        """On all calibration images, ``[samples, out]``, for inputs ``q - zero_point``."""
        return self.rows @ integers.T

    def _target(self) -> Tensor:
        """What the accumulators should stand for: float64 ``[samples, out]``.

        The float result of the Linear, plus what the residual has lost so far.
        """
        floats, hats = self.calibration.floats, self.calibration.hats
        target = rows_of(floats, self.product.linear.name)
        if self.product.residual is not None:
            lost = rows_of(floats, self.product.residual) - rows_of(hats, self.product.residual)
            target = target + lost
        return target

    def _weight(self) -> Weight:
        """Quantised weight per unit of ``rows``, i.e. with scales of the accumulators.

        With ``correction="weights"`` it is first made to undo, as far as a linear map of the
        quantised inputs can, the error that they carry: ridge regression of the error on the
        inputs, held back by the share of inputs to samples (ERQ, arXiv:2407.06794, section 3.2).
        """
        weight = self.weight * self.factors * self.x.scale
        rows = self.rows
        if self.scheme.correction != "none":
            rows = rows - rows.mean(0)  # the bias takes care of the mean
        moment = rows.T @ rows / len(rows)
        if self.scheme.correction == "weights":
            target = self._target()
            error = target - target.mean(0) - rows @ weight.T
            damped = moment.clone()
            share = RIDGE + len(moment) / len(rows)
            damped.diagonal().add_(share * moment.diagonal().mean() + 1e-12)
            weight += torch.linalg.solve(damped, rows.T @ error / len(rows)).T
        least = self.bias.abs() / BIAS_LIMIT
        return quantize_weight(weight, moment, least, self.scheme)

    def _weight_dtype(self) -> torch.dtype:
        return torch.int16 if self.scheme.pot_groups and self.scheme.pot_bits == 5 else torch.int8

    def _table(self) -> TableInput | None:
        activation = self.product.activation
        if activation is None:
            return None
        x = self.calibration.floats[self.product.linear.name]
        slot = slots_of(self.formats.of(self.product.out))
        return table_input(x, activation, slot, self.scheme.requant == "shift")

    def _entries(self, table: TableInput, out: QTensor) -> Tensor:
        assert self.product.activation is not None
        return activation_entries(table, self.product.activation, out)

    def _start(self, weight: Weight, table: TableInput | None) -> Tensor:
        """Exact bias in units of the accumulators: takes off what the zero point of x adds.

        With correction the mean of every channel becomes the float network's: the mean error of
        the weights, of x and of the residual is gone.
        """
        level = self._level()
        value = self.bias if self.scheme.correction == "none" else self._target().mean(0)
        offset = 0.0 if table is None else table.offset * table.scale
        return (value + offset) / weight.scales - self._response(weight.integers, level)

    def _level(self) -> Tensor:
        """Mean input q of each tap; with no correction the zero point itself."""
        zeros = self._zero_level()
        return zeros if self.scheme.correction == "none" else self.rows.mean(0) + zeros

    def _fit(self, weight: Weight, start: Tensor, table: TableInput | None) -> Requant:
        steps = self.formats.scales(self.product.out) if table is None else table.scale
        residual = self.product.residual
        low, high = linear_range(weight.integers, start, self.x.low, self.x.high)
        return fit_requant(
            weight.scales / steps,
            low,
            high,
            residual=None if residual is None else self.formats.scales(residual) / steps,
            mode=self.scheme.requant,
        )

    def _simulate(
        self, weight: Weight, start: Tensor, table: TableInput | None, out: QTensor
    ) -> None:
        """Dequantised result on the calibration images, rounded as the integers are."""
        zeros = self._response(weight.integers, self._zero_level())
        acc = self._accumulators(weight.integers) + (zeros + start)
        y = (acc * weight.scales).reshape(-1, *out.shape)
        hats = self.calibration.hats
        if self.product.residual is not None:
            y = y + hats[self.product.residual]
        if table is None:
            y = simulate(y, out, self.formats.scales(self.product.out))
        else:
            assert self.product.activation is not None
            y = table.rounded(y - table.offset * table.scale)
            y = activation_of(self.product.activation)(y)
            y = simulate(y, out, self.formats.scales(self.product.out))
        hats[self.product.out] = y.float()

    def _zero_level(self) -> Tensor:
        """Zero point of each tap."""
        return self.zeros.expand_as(self.factors)


def rows_of(tensors: dict[str, Tensor], name: str) -> Tensor:
    """All tokens of all images: float64 ``[samples, channels]``."""
    return tensors[name].double().flatten(0, -2)
