"""Row operators of the vector unit: LayerNorm and softmax."""

from collections.abc import Iterator

import numpy as np

from golden.ops import layernorm_constants
from golden.qnetwork import QLayer, QLayerNorm, QSlice, QSoftmax
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower.attention import need_log2
from vitaccel.compile.lower.state import Lowering, Step
from vitaccel.compile.lower.waves import head_slots, wave_of
from vitaccel.compile.pieces import Stored, aligned, cut_each, halves
from vitaccel.errors import ConfigError

__all__ = ["layernorm", "softmax"]


def _vector(low: Lowering, op: isa.Op, layer: QLayer, src: View, dst: View) -> Instruction:
    if src.words > low.config.row_words:
        raise ConfigError(
            f"layer {layer.name} has rows of {src.words} words, but row_words is "
            f"{low.config.row_words}; set row_words to at least {src.words}"
        )
    fields = {
        "src_stride": src.buffer.words,
        "dst_stride": dst.buffer.words,
        "n_rows": src.rows,
        "n_words": src.words,
        "length": layer.out.shape[-1],
    }
    return Instruction(
        op, layer.name, fields, {"src": src, "dst": dst}, reads=(src,), writes=(dst,)
    )


def softmax(low: Lowering, layer: QSoftmax) -> None:
    """Head by head, in place: the scores of a row are read before they are replaced."""
    if len(low.users[layer.x]) > 1:
        raise ConfigError(f"{layer.x} is read by more than {layer.name}, which replaces it")
    log2 = layer.out.format == "log2"
    need_log2(low, layer, log2)
    entries = pack.pack_table(low.tensor(layer, "table"), 2, low.config)
    table = low.parameter(isa.Space.EXP, layer.name, entries)
    low.stored[layer.name] = low.stored[layer.x]
    slots = head_slots(low, layer)
    for head, x in enumerate(low.stored[layer.x]):
        for slot, part in zip(slots[head], x.split(len(low.images)), strict=True):
            for block in part.pieces:
                instruction = _vector(low, isa.Op.SOFTMAX, layer, block, block)
                instruction.fields |= {"log2": int(log2), "bits": layer.out.bits}
                instruction.places["param"] = View.whole(table)
                instruction.reads += (View.whole(table),)
                low.emit(Step(instruction, (table,)), slot)


def layernorm(low: Lowering, layer: QLayerNorm) -> None:
    """A block of rows at a time; of what outlasts the image only the rows that do."""
    (x,) = low.stored[layer.x]
    length = layer.out.shape[1]
    channels = low.layouts[layer.name]
    shifts = np.array(low.layers[layer.x].out.shifts or [0] * length)
    values = [low.tensor(layer, "gain"), low.tensor(layer, "offset"), shifts]
    gain, offset, shift = (np.where(channels >= 0, value[channels], 0) for value in values)
    planes = pack.pack_norm(gain, offset, shift, low.config)
    param = low.parameter(isa.Space.VECTOR_PARAM, layer.name, planes)
    for (src, dst), slot in _normed(low, layer, x):
        instruction = _vector(low, isa.Op.NORM, layer, src, dst)
        instruction.fields |= layernorm_constants(length)._asdict() | {
            "post_shift": layer.post_shift,
            "low": layer.out.low,
            "high": layer.out.high,
        }
        instruction.places["param"] = View.whole(param)
        instruction.reads += (View.whole(param),)
        low.emit(Step(instruction, (param,)), slot)


def _normed(
    low: Lowering, layer: QLayerNorm, x: Stored
) -> Iterator[tuple[tuple[View, ...], float | None]]:
    """Blocks of rows before and after LayerNorm, each with its slot."""
    channels, users = low.layouts[layer.name], low.users[layer.name]
    rows = [user for user in users if isinstance(user, QSlice) and user.name in low.outlast]
    apart = wave_of(low, layer) == "sums"
    if low.keep or len(rows) < len(users):
        out = low.new(layer.name, layer.out)
        low.stored[layer.name] = [Stored(out, channels)]
        blocks = list(aligned(x.pieces, out))
        for block, half in zip(blocks, halves(x.pieces, blocks), strict=True):
            yield block, 1.5 - half if apart else None
    for row in rows:
        out = low.new(row.name, row.out)
        low.stored[row.name] = [Stored(out, channels)]
        for block in aligned(cut_each(x.pieces, len(low.images), row.start, row.stop), out):
            yield block, 2.0 if apart else None
