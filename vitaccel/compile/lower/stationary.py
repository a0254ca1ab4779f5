"""Products whose stationary operand is an activation: columns, requantisation, instructions."""

from dataclasses import dataclass

import numpy as np

from golden.qnetwork import QLayer, QTensor
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower.state import Lowering, Post, Step
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["Columns", "check_stationary", "emit_product", "int8_columns", "post_of"]


@dataclass(frozen=True)
class Columns:
    """Where the stationary operand goes: groups of the array, and whether pairs act as one."""

    columns: isa.Columns
    groups: tuple[int, ...]
    wide: bool = False


def int8_columns(config: AcceleratorConfig) -> Columns:
    """Columns that take an int8 operand."""
    step = 2 if config.packed else 1
    groups = tuple(range(0, config.uniform_groups, step))
    return Columns(isa.Columns.UNIFORM, groups, wide=config.packed)


def check_stationary(low: Lowering, layer: QLayer, operand: str) -> None:
    """Refuse an operand that the columns do not take.

    Raises
    ------
    ConfigError
        Names both layers and the bits.
    """
    config, out = low.config, low.layers[operand].out
    bits = 8 if config.packed else max(config.weight_bits, config.activation_bits)
    if out.bits > bits or not out.signed:
        kind = "signed" if out.signed else "unsigned"
        raise ConfigError(
            f"layer {layer.name} holds {operand} ({out.bits} bits, {kind}) in the array, which "
            f"takes {bits} bits signed; raise activation_bits"
        )


def post_of(
    low: Lowering,
    name: str,
    out: QTensor,
    columns: Columns,
    mul: np.ndarray,
    more: dict[str, int],
    bias: np.ndarray | None = None,
    slot: np.ndarray | None = None,
) -> Post:
    """Requantisation by ``mul`` of every lane; output words cycle through the groups.

    ``more``: shifts, and other fields that are not 0; ``slot``: of each lane's table.
    """
    rows, groups = low.config.rows, columns.groups
    n_words, zero = len(mul) // rows, np.zeros(len(mul), dtype=np.int64)
    select = np.repeat([groups[word % len(groups)] for word in range(n_words)], rows)
    bias = zero if bias is None else bias
    channels = pack.Channels(bias, mul, zero, select.reshape(-1, rows), slot)
    packed = pack.pack_post(channels, low.config, name)
    fields = {
        "tile_words": len(groups),
        "zero_point": out.zero_point,
        "low": out.low,
        "high": out.high,
        "wide": int(columns.wide),
    }
    return Post(fields | more, low.parameter(isa.Space.POST_PARAM, name, packed))


def emit_product(
    low: Lowering,
    gemm: Instruction,
    stationary: View,
    post: Post,
    target: View,
    slot: float | None = None,
) -> None:
    """Emit a GEMM, which lacks nothing but ``stationary``, and the POST that drains it."""
    gemm.places["stationary"] = stationary
    gemm.reads += (stationary,)
    low.emit(Step(gemm), slot)
    low.emit_post(gemm.layer, post, target, slot)
