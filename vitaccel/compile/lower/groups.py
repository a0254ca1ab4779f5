"""Which layers the images of a batch go through together, whatever else they do."""

from collections.abc import Sequence

from golden.execute import operands
from golden.qnetwork import QConcat, QConv, QLayer, QLayerNorm, QLinear, QNetwork, QPool, QSlice
from vitaccel.compile.lower.homes import is_walk
from vitaccel.compile.lower.state import Lowering

__all__ = ["divide", "shrunk"]


def divide(low: Lowering) -> tuple[Sequence[QLayer], Sequence[QLayer], frozenset[str]]:
    """Layers before the classifier, those of the classifier, and the tensors between them.

    The classifier, as far as it has one row for each image, is limited by its weights: so they meet
    the rows of all images at once. Without such layers, or if they read what takes more memory than
    a row for each image, all layers come before.
    """
    layers, found = low.network.layers, (low.network.layers, (), frozenset[str]())
    tail: list[QLayer] = []
    for layer in reversed(layers):
        if isinstance(layer, QSlice):
            continue
        if not _row_by_row(layer):
            break
        tail.insert(0, layer)
        between = frozenset(name for layer in tail for name in operands(layer))
        between -= {layer.name for layer in tail}
        if all(_of_one_row(low, low.layers[name]) for name in between):
            body = [layer for layer in layers if layer not in tail]
            found = body, tuple(tail), between
    return found


def _row_by_row(layer: QLayer) -> bool:
    """Whether ``layer`` makes a row of a row."""
    alone = isinstance(layer, QConv) and not is_walk(layer)
    return (alone or isinstance(layer, QLinear | QLayerNorm)) and layer.out.shape[0] == 1


def _of_one_row(low: Lowering, layer: QLayer) -> bool:
    """Whether ``layer`` makes one row, or is a row of what can be made row by row."""
    if isinstance(layer, QSlice):
        normed = isinstance(low.layers[layer.x], QLayerNorm)
        return normed and layer.axis == 0 and layer.stop - layer.start == 1
    computed = isinstance(layer, QLayerNorm | QLinear | QPool)
    return computed and layer.out.shape[0] == 1 and layer.name not in low.home


def shrunk(network: QNetwork) -> str | None:
    """First product of the fewest pixels that is all that later layers need, if there is one.

    Feature maps shrink while weights grow: the images of a batch that find no room together before
    it do so from there on, where weights take as long to load as to use.
    """
    layers = network.layers
    pixels = [x.out.shape[0] for x in layers if isinstance(x, QConv) and is_walk(x)]
    for n, layer in enumerate(layers, 1):
        if not isinstance(layer, QLinear) or not 1 < layer.out.shape[0] == min(pixels, default=0):
            continue
        made = {former.name for former in layers[:n]}
        users = [user for user in layers[n:] if made.intersection(operands(user))]
        needed = made.intersection(name for user in users for name in operands(user))
        if needed == {layer.name} and not any(isinstance(user, QConcat) for user in users):
            return layer.name
    return None
