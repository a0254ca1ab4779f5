"""Layers that the integer network knows and the accelerator does not."""

from golden.qnetwork import QLayer, QLayerNorm, QNetwork
from vitaccel.errors import ConfigError

__all__ = ["refuse_unsupported"]

MAX_NORM = 2048  # elements of a row of LayerNorm


def refuse_unsupported(network: QNetwork) -> None:
    """Check that there is an instruction for every layer.

    Raises
    ------
    ConfigError
        Names the first layer without one, why, and what would work.
    """
    for layer in network.layers:
        reason = _reason(layer)
        if reason is not None:
            raise ConfigError(
                f"layer {layer.name} ({layer.kind}) cannot be mapped: the accelerator has no "
                f"{reason}"
            )


def _reason(layer: QLayer) -> str | None:
    match layer:
        case QLayerNorm() if layer.out.shape[1] > MAX_NORM:
            return f"LayerNorm over more than {MAX_NORM} channels"
    return None
