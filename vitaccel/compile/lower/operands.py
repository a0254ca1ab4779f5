"""Constants that are operands: loaded into activation memory where they are used."""

from functools import cache

import numpy as np

from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View
from vitaccel.compile.lower.state import Lowering, Step
from vitaccel.compile.lower.transfer import transfer

__all__ = ["constant", "identity", "ones", "stream"]


def constant(low: Lowering, name: str, lanes: np.ndarray) -> View:
    """Activation memory that holds ``lanes``, uint8 ``[rows, words, R]``."""
    view = View.whole(low.buffer(name, lanes.shape[0], lanes.shape[1]))
    load = transfer(isa.Op.LOAD, name, view)
    low.constants[load] = low.shared(None, name, lanes)
    low.emit(Step(load, late=low.images.start > 0))
    return view


@cache
def identity(rows: int) -> np.ndarray:
    """Row r has 1 in lane r: uint8 ``[rows, 1, rows]``."""
    return np.eye(rows, dtype=np.uint8)[:, None]


@cache
def ones(count: int, rows: int) -> np.ndarray:
    """A row of ``count`` ones, then zeros to the end of the word: uint8 ``[1, words, rows]``."""
    lanes = np.arange(-(-count // rows) * rows) < count
    return lanes.astype(np.uint8).reshape(1, -1, rows)


def stream(layer: str, view: View, fields: dict[str, int]) -> Instruction:
    """GEMM that streams int8 rows which are no tensor of the network."""
    common = {"stream_stride": view.buffer.words, "n_rows": view.rows, "k_tiles": view.words}
    return Instruction(isa.Op.GEMM, layer, common | fields, {"stream": view}, reads=(view,))
