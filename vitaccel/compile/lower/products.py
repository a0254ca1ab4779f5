"""What every product with filters has: packed weights, requantisation, table."""

import numpy as np

from golden.qnetwork import QConv, QLinear, QLookup, QTensor
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer
from vitaccel.compile.lower.state import Lowering
from vitaccel.errors import ConfigError

__all__ = ["pack_product", "per_channel", "post_fields", "table_of", "tables_of"]


def per_channel(
    low: Lowering, layer: QLinear | QConv, suffix: str, lanes: np.ndarray
) -> np.ndarray:
    """Parameter ``suffix`` of the channel at each lane; 0 where there is none."""
    values = low.tensor(layer, suffix)
    return np.where(lanes >= 0, values[lanes], 0)


def pack_product(
    low: Lowering, layer: QLinear | QConv, weight: np.ndarray, outputs: np.ndarray
) -> tuple[pack.Packed, np.ndarray]:
    """Weights ``[lanes, k]`` and requantisation parameters of the channels at ``outputs``."""
    x = low.layers[layer.x].out
    low.check_sums(layer, int(np.abs(weight).sum(1).max()) * max(x.high, -x.low))
    pot = per_channel(low, layer, "pot", outputs).astype(bool)
    packed = pack.pack_weights(weight, pot, low.config, layer.name)
    channels = pack.Channels(
        per_channel(low, layer, "bias", outputs),
        per_channel(low, layer, "mul", outputs),
        per_channel(low, layer, "residual_mul", outputs) if layer.residual else 0 * outputs,
        packed.select,
        per_channel(low, layer, "slot", outputs) if layer.slots > 1 else None,
    )
    return packed, pack.pack_post(channels, low.config, layer.name)


def post_fields(low: Lowering, layer: QLinear | QConv, packed: pack.Packed) -> dict[str, int]:
    """Fields of a POST that do not depend on where its operands are."""
    out = QTensor(shape=layer.out.shape) if layer.table else layer.out
    return {
        "tile_words": packed.tile_words,
        "pre_shift": layer.pre_shift,
        "post_shift": layer.post_shift,
        "zero_point": out.zero_point,
        "low": out.low,
        "high": out.high,
        "wide": int(low.config.packed and packed.columns == isa.Columns.UNIFORM),
    }


def table_of(low: Lowering, layer: QLinear | QConv | QLookup, by_channel: bool = False) -> Buffer:
    """Activation tables of a layer, one for each slot; ``by_channel``: whoever runs it has slots.

    Raises
    ------
    ConfigError
        If the gateware has one table for all channels, and the layer does not.
    """
    tables = np.atleast_2d(low.tensor(layer, "table"))
    if len(tables) > 1 and not (low.config.hybrid or by_channel):
        raise ConfigError(
            f"layer {layer.name} has {len(tables)} tables by channel, which needs hybrid = true; "
            "set it, or quantise with the scheme w8a8"
        )
    return tables_of(low, layer.name, tables)


def tables_of(low: Lowering, name: str, tables: np.ndarray) -> Buffer:
    """Tables ``[slots, 256]``, indexed by the value plus 128."""
    entries = np.roll(tables, 128, axis=1)  # the hardware indexes by byte, not value
    return low.parameter(isa.Space.TABLE, name, pack.pack_table(entries.reshape(-1), 1, low.config))
