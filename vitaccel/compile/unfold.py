"""First convolutions as products over windows that the host lays out."""

from dataclasses import replace

from golden.execute import operands
from golden.qnetwork import QConv, QLinear, QNetwork, QPatches
from vitaccel.compile.window import Window

__all__ = ["QWindows", "unfolded"]


class QWindows(QPatches):
    """Pixels under each window of a convolution, side by side, in place of pixels."""

    window: Window


def unfolded(network: QNetwork, rows: int) -> QNetwork:
    """The same network, a convolution that alone reads the pixels a product over `QWindows`.

    A pixel of three channels leaves most of a word of ``rows`` lanes empty, and every tap streams
    a word of its own; 3 x 3 pixels side by side fill theirs. Only where that takes no more words.
    """
    layers, tensors = list(network.layers), dict(network.tensors)
    for n, pixels in enumerate(network.layers):
        readers = [layer for layer in network.layers if pixels.name in operands(layer)]
        if not isinstance(pixels, QPatches) or pixels.size > 1 or len(readers) != 1:
            continue
        (conv,) = readers
        if not isinstance(conv, QConv) or conv.groups > 1 or not _worth_while(pixels, conv, rows):
            continue
        pad = tuple(int(value) for value in tensors.pop(f"{conv.name}.pad"))
        window = Window(conv.kernel, conv.stride, conv.padding, conv.height, conv.width, pad)
        shape = (window.down * window.across, conv.kernel**2 * len(pad))
        layers[n] = QWindows(
            name=pixels.name, out=pixels.out.replace(shape=shape), x=pixels.x, size=1, window=window
        )
        layers[layers.index(conv)] = _product(conv)
        weight = tensors[f"{conv.name}.weight"]
        tensors[f"{conv.name}.weight"] = weight.permute(0, 2, 3, 1).flatten(1)
    return replace(network, layers=tuple(layers), tensors=tensors)


def _worth_while(pixels: QPatches, conv: QConv, rows: int) -> bool:
    """Whether windows take fewer words to stream, and no more to hold."""
    n_pixels, channels = pixels.out.shape
    taps, each = conv.kernel**2, -(-channels // rows)
    words = -(-taps * channels // rows)
    return words < taps * each and conv.out.shape[0] * words <= n_pixels * each


def _product(conv: QConv) -> QLinear:
    shared = {name: getattr(conv, name) for name in QLinear.model_fields if name != "kind"}
    return QLinear(**shared)
