"""Rewriting of the float network into what one pass of the hardware computes each."""

from dataclasses import dataclass, replace

import torch

from golden.network import (
    Activation,
    Add,
    Concat,
    Constant,
    Conv,
    Layer,
    Linear,
    Network,
    Slice,
)
from vitaccel.errors import ConfigError

__all__ = [
    "Product",
    "by_name",
    "products",
    "rewrite",
    "users_of",
]


def by_name(network: Network) -> dict[str, Layer]:
    """Layers by their names."""
    return {layer.name: layer for layer in network.layers}


def users_of(network: Network) -> dict[str, list[Layer]]:
    """Layers that read each layer's tensor."""
    users: dict[str, list[Layer]] = {layer.name: [] for layer in network.layers}
    for layer in network.layers:
        for name in layer.operands:
            users[name].append(layer)
    return users


def rewrite(network: Network) -> Network:
    """Add constants before concatenating instead of after; drop what is not needed any more.

    ``Concat(cls, patches) + position`` becomes ``Concat(cls + position[:1], patches +
    position[1:])``: the sum of constants is one, the other a residual of the patches' Linear.
    Ranges of a Linear's channels (q, k, v) become Linears: each has a format of its own.
    """
    network = _cut(network)
    known, params, layers = by_name(network), dict(network.params), []
    for layer in network.layers:
        if isinstance(layer, Add):
            whole, other = known[layer.a], known[layer.b]
            if isinstance(whole, Constant):
                whole, other = other, whole
            if isinstance(whole, Concat) and whole.axis == 0 and isinstance(other, Constant):
                layers += _distributed(layer.name, whole, other.name, known, params)
                continue
        layers.append(layer)
    return _live(replace(network, layers=tuple(layers), params=params))


def _cut(network: Network) -> Network:
    users, params, layers = users_of(network), dict(network.params), []
    for layer in network.layers:
        parts = [u for u in users[layer.name] if isinstance(u, Slice) and u.axis == 1]
        for part in parts if isinstance(layer, Linear) else ():
            layers.append(Linear(part.name, part.shape, layer.operands[0]))
            for name in ("weight", "bias"):
                whole = params[f"{layer.name}.{name}"]
                params[f"{part.name}.{name}"] = whole[part.start : part.stop]
        layers.append(layer)
    made = {layer.name for layer in layers if isinstance(layer, Linear)}
    layers = [y for y in layers if not (isinstance(y, Slice) and y.name in made)]
    return _live(replace(network, layers=tuple(layers), params=params))


def _distributed(
    name: str,
    whole: Concat,
    constant: str,
    known: dict[str, Layer],
    params: dict[str, torch.Tensor],
) -> list[Layer]:
    made: list[Layer] = []
    parts: list[str] = []
    start = 0
    for part in (known[p] for p in whole.parts):
        n_tokens = part.shape[0]
        rows = params[constant][start : start + n_tokens]
        start += n_tokens
        share = f"{constant}.{part.name}"
        fixed = isinstance(part, Constant)
        params[share] = rows + params[part.name] if fixed else rows
        made.append(Constant(share, part.shape))
        if not fixed:
            made.append(Add(f"{name}.{part.name}", part.shape, part.name, share))
        parts.append(made[-1].name)
    return [*made, Concat(name, whole.shape, tuple(parts))]


def _live(network: Network) -> Network:
    live = {network.layers[-1].name}
    kept: list[Layer] = []
    for layer in reversed(network.layers):
        if layer.name in live:
            live.update(layer.operands)
            kept.append(layer)
    return replace(network, layers=tuple(kept[::-1]))


@dataclass(frozen=True)
class Product:
    """A Linear or Conv with what the hardware does to its accumulators in the same pass.

    ``out`` names the float tensor of the result: that of the Activation, of the Add, or of the
    layer itself.
    """

    linear: Linear | Conv
    out: str
    activation: Activation | None = None
    residual: str | None = None


def products(network: Network) -> dict[str, Product]:
    """Group every Linear and Conv with the Activation or Add after it; keys are what results.

    An Activation after anything else is a layer of its own.

    Raises
    ------
    ConfigError
        An Add that does not follow a Linear or Conv which nothing else reads.
    """
    known, users, made = by_name(network), users_of(network), {}

    def free(name: str) -> Linear | Conv | None:
        layer = known[name]
        return layer if isinstance(layer, Linear | Conv) and len(users[name]) == 1 else None

    for layer in network.layers:
        if isinstance(layer, Activation) and (linear := free(layer.x)):
            made[layer.name] = Product(linear, layer.name, activation=layer)
        elif isinstance(layer, Add) and (linear := free(layer.b)):
            made[layer.name] = Product(linear, layer.name, residual=layer.a)
        elif isinstance(layer, Add) and (linear := free(layer.a)):
            made[layer.name] = Product(linear, layer.name, residual=layer.b)
        elif isinstance(layer, Add):
            raise ConfigError(
                f"layer {layer.name} (Add) must follow a Linear or Conv that nothing else reads, "
                f"not {' and '.join(layer.operands)}"
            )
    absorbed = {product.linear.name for product in made.values()}
    for layer in network.layers:
        if isinstance(layer, Linear | Conv) and layer.name not in absorbed:
            made[layer.name] = Product(layer, layer.name)
    return made
