"""Layers to instructions: one pass over the network, memory not yet placed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from golden.qnetwork import (
    QConcat,
    QConstant,
    QConv,
    QDivisor,
    QInput,
    QKeySum,
    QKeyValue,
    QLayer,
    QLayerNorm,
    QLinear,
    QMatMul,
    QNetwork,
    QPatches,
    QPool,
    QQuotient,
    QSlice,
    QSoftmax,
)
from vitaccel.compile.lookups import without_lookups
from vitaccel.compile.lower import attention, depthwise, linear, linear_attention, moves, rows
from vitaccel.compile.lower.groups import divide, shrunk
from vitaccel.compile.lower.state import Lowering, Packs, Step, Strategy
from vitaccel.compile.lower.waves import head_slots, n_parts, wave_of
from vitaccel.compile.order import depthwise_first
from vitaccel.compile.pieces import even_blocks
from vitaccel.compile.unfold import QWindows, unfolded
from vitaccel.config import AcceleratorConfig

__all__ = ["Lowering", "Packs", "Step", "Strategy", "lower", "strategies"]

HANDLERS: Mapping[type, Callable[[Lowering, Any], None]] = {
    QInput: lambda low, layer: None,
    QConcat: lambda low, layer: None,  # its parts are written in place
    QPatches: moves.patches,
    QWindows: moves.patches,
    QConstant: moves.constant,
    QSlice: moves.slice_view,
    QLinear: linear.linear,
    QMatMul: attention.matmul,
    QSoftmax: rows.softmax,
    QLayerNorm: rows.layernorm,
    QConv: depthwise.conv,
    QPool: linear_attention.pool,
    QKeyValue: linear_attention.key_value,
    QKeySum: linear_attention.key_sum,
    QDivisor: linear_attention.divisor,
    QQuotient: linear_attention.quotient,
}
MOVES = QInput | QPatches | QConstant | QConcat | QSlice


def strategies(network: QNetwork, config: AcceleratorConfig, batch: int = 1) -> list[Strategy]:
    """Ways to lower a network that differ."""
    low = Lowering(network, config, Strategy(heads_apart=True))
    heads = any(n_parts(low, y) > 1 for y in network.layers if isinstance(y, QMatMul))
    rows = any(y.out.shape[0] > config.accumulator_rows for y in network.layers)
    rows &= not any(isinstance(y, QConv) for y in network.layers)
    sizes = sorted({-(-batch // groups) for groups in range(1, batch + 1)})
    found = [
        Strategy(heads_apart, rows_apart, together)
        for together in sizes
        for heads_apart in (False, True)[: 1 + heads]
        for rows_apart in (False, True)[: 1 + rows]
    ]
    joined = sizes[1:] if shrunk(network) is not None else ()
    return [*found, *(Strategy(joined=images) for images in joined)]


def lower(
    network: QNetwork,
    config: AcceleratorConfig,
    keep: bool,
    strategy: Strategy,
    packs: Packs | None = None,
    batch: int = 1,
) -> Lowering:
    """Lower every layer; with ``keep`` every computed tensor is stored to external memory too.

    A batch of images goes through the network in groups of `Strategy.together`, where feature maps
    are small in groups of `Strategy.joined`, through the classifier all at once.

    Raises
    ------
    ConfigError
        If a layer does not map: names it, the reason, and what would work.
    """
    packs = {} if packs is None else packs
    network = depthwise_first(unfolded(without_lookups(network), config.rows))
    low = Lowering(network, config, strategy, packs, batch, keep)
    body, tail = low.network.layers, ()
    if strategy.together < batch:
        body, tail, low.outlast = divide(low)
    elif config.core == "serial":  # there every row takes time
        _, _, low.outlast = divide(low)
    wide, narrow = _at_joint(body, shrunk(low.network) if strategy.joined else None)
    for images in _groups(range(batch), max(strategy.together, strategy.joined)):
        for some in _groups(images, strategy.together):
            low.begin(some)
            _lower(low, wide)
            if narrow:
                low.hand_on(wide[-1])
        if narrow:
            low.begin(images)
            _lower(low, narrow)
    if tail:
        low.begin(range(batch))
        _lower(low, tail)
    return low


def _groups(images: range, most: int) -> Iterator[range]:
    """Images in the fewest groups of at most ``most``."""
    first = images.start
    for count in even_blocks(len(images), most):
        yield range(first, first + count)
        first += count


def _at_joint(
    layers: Sequence[QLayer], name: str | None
) -> tuple[Sequence[QLayer], Sequence[QLayer]]:
    """Layers up to the one called ``name``, and those after it."""
    n = next((n for n, layer in enumerate(layers, 1) if layer.name == name), len(layers))
    return layers[:n], layers[n:]


def _lower(low: Lowering, layers: Sequence[QLayer]) -> None:
    last, wave = low.network.layers[-1].name, None
    for layer in layers:
        former, wave = wave, wave_of(low, layer)
        if wave is None or wave != former:
            low.flush()
        HANDLERS[type(layer)](low, layer)
        if (low.keep and not isinstance(layer, MOVES)) or layer.name == last:
            _store(low, layer, wave)
    low.flush()


def _store(low: Lowering, layer: QLayer, wave: str | None) -> None:
    """Store a tensor as soon as it is whole."""
    n, images, overlap = len(low.stored[layer.name]), len(low.images), low.overlaps.get(layer.name)
    by_head = head_slots(low, layer) if wave == "attention" else ()

    def slot(head: int, image: int, row: int) -> float | None:
        if wave is None:
            return None
        if by_head:
            return by_head[head * len(by_head) // n if n > 1 else -1][image]
        if overlap is not None:
            return overlap.whole(images, image, row - 1, layer)
        return 2.0  # after both halves

    low.store(layer, slot)
