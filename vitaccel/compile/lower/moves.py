"""Layers that only move data: patches, constants, slices."""

import numpy as np

from golden.qnetwork import QConstant, QLayer, QPatches, QSlice
from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower.state import Lowering, Step, Stored
from vitaccel.errors import ConfigError

__all__ = ["constant", "patches", "slice_view"]


def patches(low: Lowering, layer: QPatches) -> None:
    """Image patches come from the host, one patch a row."""
    low.input_load = _load(low, layer)


def constant(low: Lowering, layer: QConstant) -> None:
    """Tokens that don't depend on the image: class token, position embedding."""
    load = _load(low, layer)
    (stored,) = low.stored[layer.name]
    value = low.tensor(layer, "value")
    lanes = np.where(stored.channels >= 0, value[:, stored.channels], 0) & 255
    shape = (stored.view.rows, stored.view.words, low.config.rows)
    low.constants[load] = lanes.astype(np.uint8).reshape(shape)


def _load(low: Lowering, layer: QLayer) -> Instruction:
    channels = low.layouts[layer.name]
    view = low.new(layer.name, layer.out, len(channels) // low.config.rows)
    low.stored[layer.name] = [Stored(view, channels)]
    load = Instruction(
        isa.Op.LOAD,
        layer.name,
        {
            "local_stride": view.buffer.words,
            "n_rows": view.rows,
            "n_words": view.words,
            "space": int(view.buffer.space),
        },
        {"local": view},
        writes=(view,),
    )
    low.emit(Step(load))
    return load


def slice_view(low: Lowering, layer: QSlice) -> None:
    """Rows or whole words of another tensor; no instruction.

    Raises
    ------
    ConfigError
        If the channels do not fill whole words.
    """
    (source,) = low.stored[layer.x]
    view, channels, rows = source.view, source.channels, low.config.rows
    if layer.axis == 0:
        n_rows = layer.stop - layer.start
        view = View(view.buffer, view.row + layer.start, n_rows, view.word, view.words)
    else:
        inside = np.flatnonzero((channels >= layer.start) & (channels < layer.stop))
        first, last = int(inside[0]) // rows, int(inside[-1]) // rows + 1
        chosen = channels[first * rows : last * rows]
        if np.any((chosen >= 0) & ((chosen < layer.start) | (chosen >= layer.stop))):
            raise ConfigError(
                f"layer {layer.name} takes channels {layer.start} to {layer.stop}, which share "
                f"a word with others; use rows that divide {layer.start} and {layer.stop}"
            )
        view = View(view.buffer, view.row, view.rows, view.word + first, last - first)
        channels = np.where(chosen >= 0, chosen - layer.start, -1)
    low.stored[layer.name] = [Stored(view, channels)]
