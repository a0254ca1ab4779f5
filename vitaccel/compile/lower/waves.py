"""Which layers are interleaved with one another, and in which order."""

import math
from collections.abc import Sequence

from golden.qnetwork import QLayer, QLayerNorm, QLinear, QMatMul, QPatches, QSoftmax
from vitaccel.compile.lower.state import Lowering

__all__ = ["backwards", "ends_mlp", "feeds_attention", "head_slots", "n_parts", "wave_of"]

QKV, SCORES, SOFTMAX, CONTEXT = -0.6, 0.0, 0.5, 1.75  # slots relative to the head's number


def wave_of(low: Lowering, layer: QLayer) -> str | None:
    """Name of the wave that ``layer`` belongs to, None if it stands alone."""
    if isinstance(layer, QMatMul | QSoftmax) or feeds_attention(low, layer):
        return "attention"
    if layer.name in low.overlaps:
        return f"around {low.overlaps[layer.name].layer.name}"
    if low.strategy.rows_apart and _of_mlp(low, layer):
        return "rows"
    summed = low.layers[layer.x] if isinstance(layer, QLayerNorm) else layer
    return "sums" if backwards(low, summed) else None


def n_parts(low: Lowering, layer: QLayer) -> int:
    """Parts of Q, K and V that are made one after the other.

    A part is the fewest heads whose channels fill whole tiles.
    """
    if not low.strategy.heads_apart:
        return 1
    product, config = _product(low, layer), low.config
    width, heads = low.layers[product.b].out.shape[1], product.heads
    tile = math.lcm(config.groups, config.wide_groups) * config.rows
    for held in range(1, heads + 1):
        if heads % held == 0 and held * width // heads % tile == 0:
            return heads // held
    return 1


def feeds_attention(low: Lowering, layer: QLayer) -> bool:
    """Whether a Linear makes Q, K or V, and is to make them part by part."""
    users = low.users[layer.name]
    return (
        isinstance(layer, QLinear)
        and bool(users)
        and all(
            isinstance(user, QMatMul) and (user.b == layer.name or user.transpose_b)
            for user in users
        )
        and n_parts(low, layer) > 1
    )


def _product(low: Lowering, layer: QLayer) -> QMatMul:
    """A product of the attention that ``layer`` belongs to."""
    product = layer if isinstance(layer, QMatMul) else low.users[layer.name][0]
    assert isinstance(product, QMatMul)
    return product


def _of_mlp(low: Lowering, layer: QLayer) -> bool:
    """Whether a Linear feeds only another one, or is fed by such a one."""
    if not isinstance(layer, QLinear) or isinstance(low.layers[layer.x], QPatches):
        return False
    users = low.users[layer.name]
    feeds = len(users) == 1 and isinstance(users[0], QLinear) and users[0].x == layer.name
    return feeds or ends_mlp(low, layer)


def ends_mlp(low: Lowering, layer: QLinear) -> bool:
    """Whether a Linear is the only one to read another one's result."""
    return isinstance(low.layers[layer.x], QLinear) and len(low.users[layer.x]) == 1


def backwards(low: Lowering, layer: QLayer) -> bool:
    """Whether a Linear makes the second half of its rows first.

    The MLP that takes its sums in two halves begins with the first one. What is then known of the
    second one can leave the chip while the first one is made.
    """
    return (
        low.strategy.rows_apart
        and isinstance(layer, QLinear)
        and layer.residual is not None
        and not _of_mlp(low, layer)
    )


def head_slots(low: Lowering, layer: QLayer) -> Sequence[Sequence[float]]:
    """Slot of each head and image of a layer of attention: all images of a head, then the next.

    With several blocks of rows the softmax of one hides behind the products of the next, so that
    heads come one after the other; otherwise it hides behind the products of the next head:
    QK0 QK1 S0 PV0 QK2 S1 PV1 …
    """
    product = _product(low, layer)
    if isinstance(layer, QLinear):
        shift = QKV
    elif isinstance(layer, QSoftmax):
        shift = SOFTMAX
    else:
        shift = SCORES if product.transpose_b else CONTEXT
    n_rows = low.layers[product.a].out.shape[-2]
    alone = n_rows > low.config.accumulator_rows
    images = len(low.images)
    return [
        [head * images + image + (0.0 if alone else shift) for image in range(images)]
        for head in range(product.heads)
    ]
