"""Which layers the images of a batch go through together, whatever else they do."""

from collections.abc import Sequence

from golden.execute import operands
from golden.qnetwork import QConv, QLayer, QLayerNorm, QLinear, QPool, QSlice
from vitaccel.compile.lower.homes import is_walk
from vitaccel.compile.lower.state import Lowering

__all__ = ["divide"]


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
