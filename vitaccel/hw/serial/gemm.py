"""GEMM and POST as microprograms: one channel of one row after the other."""

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.serial.assembler import Assembler, Register
from vitaccel.hw.serial.memories import parameter_places
from vitaccel.hw.serial.microinstruction import Action, Alu, Condition, Special
from vitaccel.isa import Op, Space

__all__ = ["gemm", "post"]

_GEMM = (
    "stream stream_stride k_tiles stationary stationary_stride tile_stride source unsigned".split()
)
_POST = (
    "dst dst_stride n_rows n_words param residual residual_stride pre_shift post_shift zero_point "
    "low high use_residual use_table table".split()
)
_POST_BYTES = 64  # of parameters of a word: 16 for each channel
_TABLE_BYTES = 1024

Fields = dict[str, Register]


def gemm(asm: Assembler, config: AcceleratorConfig) -> None:
    """Remember the instruction: POST multiplies."""
    asm.add(asm["gemm"], asm["field"])


def post(asm: Assembler, config: AcceleratorConfig) -> None:
    """Multiply as the GEMM before says, scale each sum as soon as it is there.

    The sum of the next row is made meanwhile.
    """
    f = asm.fields(Op.POST, _POST, asm["field"])
    g = asm.fields(Op.GEMM, _GEMM, asm["gemm"])
    for name in ("dst", "dst_stride", "residual", "residual_stride"):
        asm.double(f[name], 2)
    for name in ("stream", "stream_stride", "stationary", "tile_stride"):
        asm.double(g[name], 2)
    _constants(asm, f, parameter_places(config))
    _shape(asm, g, parameter_places(config)[Space.WEIGHT])
    asm.sub(f["n_words"], f["n_words"], 1)
    asm.label("post.word")
    asm.add(asm["still"], g["stationary"])
    asm.add(asm["mode"], asm["source"])
    asm.add(asm["lanes"], 0, config.rows - 1)
    asm.label("post.lane")
    asm.op(Alu.ADD, asm["mode"], asm["mode"], 1, action=Action.MODE)
    asm.op(Alu.ADD, asm["still"], asm["still"], asm["lane_step"], action=Action.STATIONARY)
    asm.add(asm["move"], g["stream"])
    asm.op(Alu.ADD, asm["move"], asm["move"], g["stream_stride"], action=Action.DOT)
    _channel(asm, f, g)
    asm.add(f["dst"], f["dst"], 1)
    asm.add(f["residual"], f["residual"], 1)
    asm.count(asm["lanes"], "post.lane")
    asm.add(g["stationary"], g["stationary"], g["tile_stride"])
    asm.count(f["n_words"], "post.word")
    asm.jump("post.end")
    _lookup(asm)
    asm.label("post.end")


def _constants(asm: Assembler, f: Fields, places: dict[Space | None, int]) -> None:
    """What all channels have in common; ``half`` has the zero point, too."""
    asm.multiply(f["param"], _POST_BYTES)
    asm.sub(asm["residual_mask"], 0, f["use_residual"])
    asm.add(asm["param"], places[Space.POST_PARAM], Special.PRODUCT)
    asm.multiply(f["table"], _TABLE_BYTES)
    asm.sub(asm["half"], f["post_shift"], 1)
    asm.add(asm["table"], places[Space.TABLE] + _TABLE_BYTES // 2, Special.PRODUCT)
    asm.power(asm["half"], asm["half"], 31)
    asm.sub(asm["rows"], f["post_shift"], 1)
    asm.label("post.zero_point")
    asm.double(f["zero_point"])
    asm.count(asm["rows"], "post.zero_point")
    asm.add(asm["half"], asm["half"], f["zero_point"])


def _shape(asm: Assembler, g: Fields, weights: int) -> None:
    """Tell the dot-product unit what is the same for all channels."""
    stride, steps, lane_step = asm["stride"], asm["steps"], asm["lane_step"]
    asm.double(g["unsigned"], 2)
    asm.add(asm["source"], g["source"], g["unsigned"])
    asm.double(asm["source"], 2)  # unsigned << 4 | source << 2
    asm.add(steps, g["k_tiles"])
    asm.sub(g["source"], g["source"], 1, when=Condition.NEGATIVE, to="post.weights")
    asm.add(stride, g["stationary_stride"])
    asm.sub(g["source"], g["source"], 1, when=Condition.NEGATIVE, to="post.rows")
    asm.double(steps, 2)  # lane by lane
    asm.add(lane_step, 0)
    asm.jump("post.shaped")
    asm.label("post.rows")
    asm.add(lane_step, g["stationary_stride"])
    asm.double(lane_step, 2)
    asm.add(stride, 0, 1)
    asm.jump("post.shaped")
    asm.label("post.weights")
    asm.add(g["tile_stride"], g["k_tiles"])
    asm.double(g["tile_stride"], 4)
    asm.add(g["stationary"], g["stationary"], weights)
    asm.add(lane_step, 0, 4)
    asm.add(stride, 0, 4)
    asm.label("post.shaped")
    asm.sub(steps, steps, 1)
    asm.op(Alu.ADD, None, steps, stride, action=Action.SHAPE)


def _channel(asm: Assembler, f: Fields, g: Fields) -> None:
    """All rows of one channel."""
    t, u, mul, residual_mul, bias = (asm[n] for n in ("t", "u", "mul", "residual_mul", "bias"))
    asm.load(asm["param"], 4)
    asm.add(bias, 0, Special.WORD)
    asm.load(asm["param"], 12)
    asm.add(t, 0, Special.WORD)
    asm.mask(mul, t, 65535)
    asm.shift(residual_mul, t, 16)
    asm.mask(residual_mul, residual_mul, asm["residual_mask"])
    asm.mask(residual_mul, residual_mul, 65535)
    asm.add(asm["to"], f["dst"])
    asm.add(asm["added"], f["residual"])
    asm.sub(asm["rows"], f["n_rows"], 1)
    asm.label("post.row")
    asm.add(t, bias, Special.DOT, when=Condition.DOT_BUSY, to=".")
    asm.op(Alu.ADD, asm["move"], asm["move"], g["stream_stride"], action=Action.DOT)
    asm.shift(t, t, f["pre_shift"])
    asm.multiply(t, mul)
    asm.load(asm["added"], f["residual_stride"])
    asm.multiply(residual_mul, Special.BYTE)
    asm.add(u, asm["half"], Special.PRODUCT)
    asm.add(u, u, Special.PRODUCT)
    asm.shift(u, u, f["post_shift"])
    asm.op(Alu.MAX, u, u, f["low"])
    asm.sub(None, 0, f["use_table"], when=Condition.NEGATIVE, to="post.lookup")
    asm.label("post.put")
    asm.op(Alu.MIN, u, u, f["high"])
    asm.store(asm["to"], f["dst_stride"])
    asm.count(asm["rows"], "post.row")


def _lookup(asm: Assembler) -> None:
    """Replace the value, -128 to 127, by that of the table, which begins with that of -128."""
    u = asm["u"]
    asm.label("post.lookup")
    asm.op(Alu.MIN, u, u, 127)
    asm.double(u, 2)
    asm.add(u, u, asm["table"])
    asm.load(u)
    asm.add(u, 0, Special.BYTE)
    asm.jump("post.put")
