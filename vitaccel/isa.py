"""Instruction set: one table that the sequencer decodes from and the compiler encodes with.

An instruction is `BYTES` bytes, little endian, fields packed from bit 0 upwards: the `HEADER`
first, then the fields of its opcode. Unused bits are zero; the sequencer refuses anything else in
`opcode`. Addresses of on-chip memories count words of `rows` bytes.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

__all__ = [
    "BYTES",
    "FIELDS",
    "HEADER",
    "HYBRID",
    "SERIAL_BYTES",
    "UNIT_OF",
    "Columns",
    "Division",
    "Op",
    "Space",
    "Stationary",
    "Status",
    "Unit",
]

BYTES = 32
SERIAL_BYTES = 104  # for the serial core: header and each field in a word of 32 bits of its own


class Op(IntEnum):
    """Opcodes; 0 is left illegal so that zeroed memory stops the core."""

    HALT = 1
    LOAD = 2
    STORE = 3
    GEMM = 4
    POST = 5
    NORM = 6
    SOFTMAX = 7
    DEPTHWISE = 8


class Unit(IntEnum):
    """Units with a queue of their own; also the bit of a unit in the wait and signal masks."""

    LOAD = 0
    STORE = 1
    MXU = 2
    POST = 3
    VECTOR = 4
    DEPTHWISE = 5  # if the configuration has `depthwise_taps`


class Space(IntEnum):
    """Destinations of LOAD. A plane is one byte of every lane: see `hw.memory.plane_memory`."""

    ACTIVATION = 0  # scratchpad: word address
    WEIGHT = 1  # weight buffer: word address
    POST_PARAM = 2  # channel word << 4 | plane: bias 0-3, mul 4-5, residual_mul 6-7, select 8
    TABLE = 3  # slot << 8 | (value & 255): activation tables, every lane the same byte
    VECTOR_PARAM = 4  # channel word << 3 | plane: gain 0-1, offset 2-5, shift 6
    EXP = 5  # (slot << 8 | distance) << 1 | plane: exp tables, every lane the same byte
    DEPTHWISE_WEIGHT = 6  # step << 3 | plane: taps of a step, see `vitaccel.windows`
    DEPTHWISE_PARAM = 7  # channel word << 3 | plane: bias 0-3, mul 4-5, slot 6


class Stationary(IntEnum):
    """Where the stationary operand of GEMM comes from, and how it lies there."""

    WEIGHT = 0  # weight buffer, tiles packed by the compiler, one after the other
    ROWS = 1  # activation memory [n][k / R][R], as K in Q·Kᵀ
    TRANSPOSED = 2  # activation memory [k][n / R][R], as V in P·V: through the transposer


class Columns(IntEnum):
    """Which columns of the array a GEMM fills."""

    ALL = 0
    UNIFORM = 1  # one 8-bit value per multiplier: packed pairs of columns act as one
    POT = 2  # stationary int8, streamed log2 codes
    PACKED = 3  # two 4-bit values per multiplier; uniform columns


class Division(IntEnum):
    """Part of POST in the division of linear attention, see `golden.ops.linear_attention`."""

    NONE = 0
    CODE = 1  # the result is the code of the divisor, or of its reciprocal
    DIVIDE = 2  # lanes of `residual` are codes: of the shift, or of factor and shift


class Status(IntEnum):
    """Why the core stopped."""

    OK = 0
    ILLEGAL_OPCODE = 1
    ILLEGAL_FIELD = 2
    LOCAL_ADDRESS = 3
    EXTERNAL_ADDRESS = 4
    READ_SLVERR = 5
    READ_DECERR = 6
    WRITE_SLVERR = 7
    WRITE_DECERR = 8
    WATCHDOG = 9


UNIT_OF = MappingProxyType({
    Op.LOAD: Unit.LOAD,
    Op.STORE: Unit.STORE,
    Op.GEMM: Unit.MXU,
    Op.POST: Unit.POST,
    Op.NORM: Unit.VECTOR,
    Op.SOFTMAX: Unit.VECTOR,
    Op.DEPTHWISE: Unit.DEPTHWISE,
})

Fields = Mapping[str, int]  # name -> width in bits; a negative width is a signed field

# Fields that only gateware with `hybrid` looks at.
HYBRID = frozenset({
    "relu_stream", "relu_stationary", "kernel", "tap_words", "image_stride", "row_pixels",
    "first_row", "first_column", "height", "width", "step", "pad", "division",
})  # fmt: skip

HEADER: Fields = MappingProxyType({
    "opcode": 4,
    "wait": 6,  # bit u: take one token of semaphore (u -> own unit) before starting
    "signal": 6,  # bit u: give one token to semaphore (own unit -> u) when done
})

_VECTOR: dict[str, int] = {
    "src": 16,  # activation words
    "src_stride": 16,  # words from one row to the next
    "dst": 16,
    "dst_stride": 16,
    "n_rows": 16,  # >= 1
    "n_words": 16,  # words per row, >= 1
    "length": 16,  # elements per row; lanes past it are masked
    "param": 16,  # NORM: first channel word of VECTOR_PARAM; SOFTMAX: slot of EXP
}

FIELDS: Mapping[Op, Fields] = MappingProxyType({
    Op.HALT: MappingProxyType({}),
    Op.LOAD: MappingProxyType({
        "external": 32,  # byte address of the first word
        "external_stride": 32,  # bytes from one row to the next
        "local": 20,  # address in `space`
        "local_stride": 16,
        "n_rows": 16,
        "n_words": 16,  # words of R bytes per row, gap-free in external memory
        "space": 3,
    }),
    Op.STORE: MappingProxyType({
        "external": 32,
        "external_stride": 32,
        "local": 20,  # activation word
        "local_stride": 16,
        "n_rows": 16,
        "n_words": 16,
    }),
    Op.GEMM: MappingProxyType({
        "stream": 16,  # activation word of streamed row 0, k-word 0
        "stream_stride": 16,  # words from one streamed row to the next
        "n_rows": 16,  # streamed rows M, 1 .. accumulator_rows
        "k_tiles": 16,  # words of R channels per row, >= 1
        "n_tiles": 16,  # stationary tiles side by side, >= 1
        "stationary": 16,  # word of the stationary operand
        "stationary_stride": 16,  # ROWS: words from n to n+1; TRANSPOSED: from k to k+1
        "tile_stride": 16,  # ROWS, TRANSPOSED: words from one n-tile to the next
        "source": 2,  # Stationary
        "columns": 2,  # Columns
        "unsigned": 1,  # streamed lanes are uint8
        "lanes_before": 5,  # ROWS: stationary lanes taken as 0 at the start of the first k-word
        "lanes_after": 5,  # ROWS: and at the end of the last
        "relu_stream": 1,  # negative lanes are taken as 0, streamed ones
        "relu_stationary": 1,  # ROWS, TRANSPOSED: and stationary ones
        "kernel": 3,  # 0: rows; k: rows are pixels, each under k x k taps
        "tap_words": 9,  # words of a pixel that are read, of each tap
        "image_stride": 16,  # words from one row of pixels to the next
        "row_pixels": 9,  # results in a row of pixels
        "first_row": -10,  # of the image, under the first tap of the first result
        "first_column": -10,
        "height": 9,  # of the image
        "width": 9,
        "step": 1,  # convolution stride - 1
        "pad": 16,  # activation word of the pixel beyond the edges
    }),
    Op.POST: MappingProxyType({
        "dst": 16,
        "dst_stride": 16,
        "n_rows": 16,  # as in the GEMM it drains
        "n_words": 16,  # output words per row
        "tile_words": 8,  # output words per n-tile
        "param": 16,  # channel word of POST_PARAM for output word 0
        "residual": 16,
        "residual_stride": 16,
        "pre_shift": 5,
        "post_shift": 6,  # >= 1
        "zero_point": -8,
        "low": -9,
        "high": -9,
        "use_residual": 1,
        "use_table": 1,
        "table": 4,  # slot of TABLE
        "wide": 1,  # value = low column + 16 * high column of a packed pair
        "lanes_before": 5,  # left as they are at the start of the first word of each row
        "lanes_after": 5,  # and at the end of the last
        "division": 2,  # Division
    }),
    Op.NORM: MappingProxyType(
        _VECTOR
        | {
            "mean_mul": 17,
            "mean_shift": 6,
            "scale_shift": 6,  # 25 - ceil(log2(length))
            "post_shift": 6,
            "low": -9,
            "high": -9,
        }
    ),
    Op.SOFTMAX: MappingProxyType(
        _VECTOR
        | {
            "log2": 1,
            "bits": 4,  # table softmax: probabilities in units of 2**-bits
        }
    ),
    Op.DEPTHWISE: MappingProxyType({
        "src": 16,  # activation word of the first pixel, channel word 0
        "src_stride": 16,  # words from one pixel to the next
        "pad": 16,  # activation word of the pixel beyond the edges
        "dst": 16,
        "dst_stride": 16,
        "height": 12,  # rows of pixels, >= 1
        "width": 12,  # pixels of a row, >= 1
        "above": 3,  # rows of padding
        "below": 3,
        "side": 3,  # pixels of padding on the left, and as many on the right
        "n_words": 12,  # channel words, >= 1
        "kernel": 3,  # 3 or 5
        "stride": 2,  # 1 or 2
        "unsigned": 1,  # pixels are uint8
        "weights": 16,  # step of DEPTHWISE_WEIGHT with the first taps of channel word 0
        "param": 12,  # channel word of DEPTHWISE_PARAM
        "pre_shift": 5,  # from here on as POST
        "post_shift": 6,  # >= 1
        "zero_point": -8,
        "low": -9,
        "high": -9,
        "use_table": 1,
        "table": 4,  # slot of TABLE, to which that of a channel is added
    }),
})
