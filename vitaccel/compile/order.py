"""In which order layers are lowered."""

from dataclasses import replace

from golden.execute import operands
from golden.qnetwork import QConv, QLayer, QNetwork

__all__ = ["depthwise_first"]


def depthwise_first(network: QNetwork) -> QNetwork:
    """The same network, what reads a depthwise convolution as late as something else can be done.

    So the array need not wait for the engine in linear attention, whose second scale goes through
    depthwise convolutions: it makes the first one meanwhile.
    """
    depthwise = {
        layer.name
        for layer in network.layers
        if isinstance(layer, QConv) and layer.kernel > 1 and layer.groups == layer.out.shape[1]
    }
    waiting, done, found = list(network.layers), set[str](), list[QLayer]()
    while waiting:
        ready = [layer for layer in waiting if done.issuperset(operands(layer))]
        layer = next((x for x in ready if depthwise.isdisjoint(operands(x))), ready[0])
        waiting.remove(layer)
        found.append(layer)
        done.add(layer.name)
    return replace(network, layers=tuple(found))
