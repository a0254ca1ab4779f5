"""Which layers the images of a batch go through together, whatever else they do."""

from collections.abc import Sequence

from golden.execute import operands
from golden.qnetwork import QLayer, QLayerNorm, QLinear, QSlice
from vitaccel.compile.lower.state import Lowering

__all__ = ["divide"]


def divide(low: Lowering) -> tuple[Sequence[QLayer], Sequence[QLayer], frozenset[str]]:
    """Layers before the classifier, those of the classifier, and the tensors between them.

    The classifier, as far as it has one row for each image, is limited by its weights: so they meet
    the rows of all images at once. Without such layers, or if they read what takes more memory than
    a row for each image, all layers come before.
    """
    layers, tail = low.network.layers, []
    for layer in reversed(layers):
        if isinstance(layer, QLinear) and layer.out.shape[0] == 1:
            tail.insert(0, layer)
        elif not isinstance(layer, QSlice):
            break
    between = frozenset(name for layer in tail for name in operands(layer))
    between -= {layer.name for layer in tail}
    if not all(_of_one_row(low, low.layers[name]) for name in between):
        return layers, (), frozenset()
    return [layer for layer in layers if layer not in tail], tail, between


def _of_one_row(low: Lowering, layer: QLayer) -> bool:
    """Whether ``layer`` makes one row, or is a row of what can be made row by row."""
    if isinstance(layer, QSlice):
        normed = isinstance(low.layers[layer.x], QLayerNorm)
        return normed and layer.axis == 0 and layer.stop - layer.start == 1
    computed = isinstance(layer, QLayerNorm | QLinear)
    return computed and layer.out.shape[0] == 1 and layer.name not in low.home
