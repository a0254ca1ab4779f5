"""Integer layers that multiply: Linear with what is fused to it, and products of activations."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from golden.bounds import matmul_bound
from golden.network import MatMul
from golden.ops import activation_table, linear_range
from golden.qnetwork import QLinear, QMatMul, QTensor
from golden.quantize.calibration import Calibration
from golden.quantize.formats import Formats, simulate
from golden.quantize.graph import Product
from golden.quantize.tables import TableInput, table_input
from golden.quantize.weights import Weight, quantize_weight
from golden.quantizers import Requant, fit_requant, half, round_half_up
from golden.scheme import Scheme

__all__ = ["ProductQuantizer", "quantize_matmul"]

RIDGE = 0.01  # of the mean square of the inputs
BIAS_LIMIT = 1 << 19  # of a bias in units of the accumulator: more would cost t its precision
LOG2_UNIT = 2.0**-14  # of the accumulators of log2 probabilities


@dataclass
class ProductQuantizer:
    """Makes one `QLinear` of a Linear and what is fused to it.

    Inside, ``rows`` are the inputs ``q - zero_point`` of the quantised network so far, ``[samples,
    in]``, and the scales of a `Weight` are those of the accumulators.
    """

    product: Product
    calibration: Calibration
    formats: Formats
    scheme: Scheme

    def __post_init__(self) -> None:
        params, name = self.calibration.network.params, self.product.linear.name
        self.weight, self.bias = (params[f"{name}.{p}"].double() for p in ("weight", "bias"))
        self.x = self.formats.of(self.product.linear.x)
        steps = self.formats.scales(self.product.linear.x)
        # value = scale * factor[k] * (q - zero_point): factors go to the columns of the weight
        self.factors = steps / self.x.scale
        self.rows = _rows(self.calibration.hats, self.product.linear.x) / steps

    def run(self, alias: dict[str, str]) -> tuple[QLinear, dict[str, Tensor]]:
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
            f"{name}.weight": weight.integers.to(self._weight_dtype()),
            f"{name}.pot": weight.pot,
            f"{name}.bias": (start + half(fitted.pre_shift)).to(torch.int32),
            f"{name}.mul": fitted.mul,
        }
        if fitted.residual_mul is not None:
            tensors[f"{name}.residual_mul"] = fitted.residual_mul
        if table is not None:
            tensors[f"{name}.table"] = self._entries(table, out)
        self._simulate(weight, start, table, out)
        layer = QLinear(
            name=name,
            out=out,
            x=alias[product.linear.x],
            residual=None if product.residual is None else alias[product.residual],
            table=table is not None,
            pre_shift=fitted.pre_shift,
            post_shift=fitted.post_shift,
            weight_bits=self.scheme.weight_bits,
            pot_bits=self.scheme.pot_bits,
        )
        return layer, tensors

    def _target(self) -> Tensor:
        """What the accumulators should stand for: float64 ``[samples, out]``.

        The float result of the Linear, plus what the residual has lost so far.
        """
        floats, hats = self.calibration.floats, self.calibration.hats
        target = _rows(floats, self.product.linear.name)
        if self.product.residual is not None:
            lost = _rows(floats, self.product.residual) - _rows(hats, self.product.residual)
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
        if self.product.gelu is None:
            return None
        x = self.calibration.floats[self.product.linear.name]
        return table_input(x, self.product.gelu, self.scheme.requant == "shift")

    def _entries(self, table: TableInput, out: QTensor) -> Tensor:
        gelu = self.product.gelu
        assert gelu is not None

        def shifted(x: Tensor) -> Tensor:
            return functional.gelu(x - table.offset * table.scale, approximate=gelu.approximate)

        return activation_table(shifted, table.scale, out)

    def _start(self, weight: Weight, table: TableInput | None) -> Tensor:
        """Exact bias in units of the accumulators: takes off what the zero point of x adds.

        With correction the mean of every channel becomes the float network's: the mean error of
        the weights, of x and of the residual is gone.
        """
        if self.scheme.correction != "none":
            value, level = self._target().mean(0), self.rows.mean(0) + self.x.zero_point
        else:
            value, level = self.bias, torch.full_like(self.factors, self.x.zero_point)
        offset = 0.0 if table is None else table.offset * table.scale
        return (value + offset) / weight.scales - weight.integers @ level

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
        acc = (self.rows + self.x.zero_point) @ weight.integers.T + start
        y = (acc * weight.scales).reshape(-1, *out.shape)
        hats = self.calibration.hats
        if self.product.residual is not None:
            y = y + hats[self.product.residual]
        if table is None:
            y = simulate(y, out, self.formats.scales(self.product.out))
        else:
            assert self.product.gelu is not None
            y = table.rounded(y - table.offset * table.scale)
            y = simulate(functional.gelu(y, approximate=self.product.gelu.approximate), out)
        hats[self.product.out] = y.float()


def _rows(tensors: dict[str, Tensor], name: str) -> Tensor:
    """All tokens of all images: float64 ``[samples, channels]``."""
    return tensors[name].double().flatten(0, -2)


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
