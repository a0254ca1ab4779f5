"""Quantisation of a whole network, layer by layer in order of execution."""

from collections.abc import Callable

import torch
from torch import Tensor

from golden.evaluate import activation_of
from golden.network import (
    Activation,
    Concat,
    Constant,
    Conv,
    Divisor,
    Input,
    KeySum,
    KeyValue,
    Layer,
    LayerNorm,
    MatMul,
    Network,
    Patches,
    Pool,
    Quotient,
    Slice,
    Softmax,
)
from golden.ops import activation_table, exp_table
from golden.qnetwork import (
    QConcat,
    QConstant,
    QInput,
    QLayer,
    QLayerNorm,
    QLookup,
    QNetwork,
    QPatches,
    QSlice,
    QSoftmax,
    QTensor,
)
from golden.quantize.calibration import Calibration
from golden.quantize.convolutions import ConvQuantizer
from golden.quantize.equalize import equalize
from golden.quantize.formats import Formats, channel_scales, simulate
from golden.quantize.graph import Product, products, rewrite
from golden.quantize.matmuls import AttentionQuantizer, quantize_matmul
from golden.quantize.products import ProductQuantizer
from golden.quantizers import fit_norm
from golden.quantizers import quantize as quantize_tensor
from golden.scheme import Scheme
from vitaccel.errors import ConfigError

__all__ = ["quantize"]

Progress = Callable[[int, int], None]  # layers done, layers in all


@torch.no_grad()
def quantize(
    network: Network, images: Tensor, scheme: Scheme, progress: Progress | None = None
) -> QNetwork:
    """Quantise a network.

    Parameters
    ----------
    network
        Float network. Each Gelu and Add must follow a Linear that nothing else reads.
    images
        Calibration images as the network's Input takes them, float ``[n, *shape]``, n at least 1;
        100 are plenty. Statistics are taken from them, no weight is trained.
    scheme
        Bits, formats and methods.
    progress
        Called after each layer with the layers done and their number.

    Returns
    -------
    QNetwork
        Integer network. A `QLinear` bears the name of its Linear and gives the tensor of the Gelu
        or Add after it. Ranges of a Linear's channels (q, k, v) become a `QLinear` each. With
        ``scheme.equalize`` the tensors between LayerNorm, attention and Linear are those of an
        equivalent float network.

    Raises
    ------
    ConfigError
        Parameters or images that are not finite, images of the wrong shape, or a layer in a place
        where it cannot be quantised; names the parameter or layer.
    """
    _check(network, images)
    network = rewrite(network)
    if scheme.equalize:
        network = equalize(network, images)
    return _Run(network, images, scheme).run(progress)


def _check(network: Network, images: Tensor) -> None:
    for name, value in network.params.items():
        if not value.isfinite().all():
            raise ConfigError(f"parameter {name} must be finite, but holds NaN or infinity")
    shape = network.layers[0].shape
    if images.ndim != len(shape) + 1 or tuple(images.shape[1:]) != shape or not len(images):
        raise ConfigError(
            f"calibration images must have shape [n, {', '.join(map(str, shape))}] with n at "
            f"least 1, not {list(images.shape)}"
        )
    bad = (~images.flatten(1).isfinite().all(1)).nonzero().flatten()
    if len(bad):
        raise ConfigError(
            f"calibration images must be finite, but image {int(bad[0])} holds NaN or infinity"
        )


class _Run:
    """State of one quantisation: what is known of the float network, and what is made so far."""

    def __init__(self, network: Network, images: Tensor, scheme: Scheme) -> None:
        self.network = network
        self.scheme = scheme
        self.calibration = Calibration(network, images)
        self.formats = Formats(self.calibration, scheme)
        self.products = products(network)
        self.alias: dict[str, str] = {}  # float tensor -> integer layer
        self.layers: list[QLayer] = []
        self.tensors: dict[str, Tensor] = {}

    def run(self, progress: Progress | None) -> QNetwork:
        absorbed = {p.linear.name for p in self.products.values() if p.out != p.linear.name}
        for done, layer in enumerate(self.network.layers, start=1):
            if layer.name not in absorbed:
                made = self._layer(layer)
                self.layers.append(made)
                self.alias[layer.name] = made.name
            if progress is not None:
                progress(done, len(self.network.layers))
        return QNetwork(
            self.network.name,
            tuple(self.layers),
            self.tensors,
            classes=self.network.classes,
            scheme=self.scheme.name,
            trained=self.network.trained,
            preprocess=self.network.preprocess,
        )

    def _layer(self, layer: Layer) -> QLayer:
        if layer.name in self.products:
            return self._product(self.products[layer.name])
        out, hats = self.formats.of(layer.name), self.calibration.hats
        if isinstance(layer, Input | Constant):
            hats[layer.name] = simulate(self.calibration.floats[layer.name], out)
        elif isinstance(layer, Patches | Slice | Concat):
            hats[layer.name] = self.calibration.run(layer)
        elif isinstance(layer, KeyValue | KeySum | Divisor | Quotient | Pool):
            return self._attention(layer, out)
        else:
            hats[layer.name] = simulate(self.calibration.run(layer), out)
        return self._alone(layer, out)

    def _product(self, product: Product) -> QLayer:
        kind = ConvQuantizer if isinstance(product.linear, Conv) else ProductQuantizer
        maker = kind(product, self.calibration, self.formats, self.scheme)
        made, tensors = maker.run(self.alias)
        self.tensors |= tensors
        return made

    def _alone(self, layer: Layer, out: QTensor) -> QLayer:
        """Layer that nothing is fused to; its tensor is in ``hats``."""
        hats = self.calibration.hats
        named = {"name": layer.name, "out": out}
        match layer:
            case Input():
                return QInput(**named)
            case Patches():
                return QPatches(**named, x=self.alias[layer.x], size=layer.size)
            case Slice():
                return self._slice(layer, out)
            case Concat():
                return self._concat(layer, out)
            case Constant():
                step = channel_scales(out)
                value = quantize_tensor(hats[layer.name][0].double(), step, out.low, out.high)
                self.tensors[f"{layer.name}.value"] = value.to(torch.int8)
                return QConstant(**named)
            case LayerNorm():
                return self._layernorm(layer, out)
            case MatMul():
                a, b = self.formats.of(layer.a), self.formats.of(layer.b)
                return quantize_matmul(layer, a, b, out, self.alias, self.scheme)
            case Softmax():
                self.tensors[f"{layer.name}.table"] = exp_table(self.formats.of(layer.x).scale)
                return QSoftmax(**named, x=self.alias[layer.x])
            case Activation():
                return self._lookup(layer, out)
        raise ConfigError(f"layer {layer.name} ({type(layer).__name__}) cannot be quantised")

    def _attention(
        self, layer: KeyValue | KeySum | Divisor | Quotient | Pool, out: QTensor
    ) -> QLayer:
        """Layer of linear attention, or a pooling."""
        maker = AttentionQuantizer(self.calibration, self.formats, self.alias, self.scheme)
        hats = self.calibration.hats
        match layer:
            case KeyValue():
                made = maker.key_value(layer)
            case KeySum():
                made = maker.key_sum(layer)
            case Divisor():
                made, tensors = maker.divisor(layer)
                self.tensors |= tensors
            case Quotient():
                made = maker.quotient(layer)
            case Pool():
                made, tensors = maker.pool(layer)
                self.tensors |= tensors
        hats[layer.name] = simulate(self.calibration.run(layer), out)
        if isinstance(layer, Quotient):
            level = maker.level(layer)
            hats[layer.name] = simulate(self.calibration.run(layer) * level, out)
        return made

    def _lookup(self, layer: Activation, out: QTensor) -> QLookup:
        x = self.formats.of(layer.x)
        plain = x.signed and x.format == "uniform" and x.zero_point == 0
        if not plain or x.shifts is not None or x.zero_points is not None:
            raise ConfigError(
                f"layer {layer.name} ({type(layer).__name__}) must follow a Linear or Conv that "
                f"nothing else reads, or a LayerNorm, not {layer.x}"
            )
        self.tensors[f"{layer.name}.table"] = activation_table(activation_of(layer), x.scale, out)
        return QLookup(name=layer.name, out=out, x=self.alias[layer.x])

    def _slice(self, layer: Slice, out: QTensor) -> QSlice:
        return QSlice(
            name=layer.name,
            out=out,
            x=self.alias[layer.x],
            axis=layer.axis,
            start=layer.start,
            stop=layer.stop,
        )

    def _concat(self, layer: Concat, out: QTensor) -> QConcat:
        for part in layer.parts:
            if self.formats.of(part).replace(shape=out.shape) != out:
                raise ConfigError(
                    f"layer {layer.name} joins {part}, which must come from a Linear or be constant"
                )
        return QConcat(
            name=layer.name,
            out=out,
            parts=tuple(self.alias[p] for p in layer.parts),
            axis=layer.axis,
        )

    def _layernorm(self, layer: LayerNorm, out: QTensor) -> QLayerNorm:
        gamma, beta = (self.network.params[f"{layer.name}.{p}"] for p in ("weight", "bias"))
        norm = fit_norm(gamma, beta, out.scale)
        self.tensors[f"{layer.name}.gain"] = norm.gain
        self.tensors[f"{layer.name}.offset"] = norm.offset
        return QLayerNorm(
            name=layer.name, out=out, x=self.alias[layer.x], post_shift=norm.post_shift
        )
