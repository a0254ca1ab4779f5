"""Microinstructions of the serial core: one every cycle, see `hw.serial.processor`."""

from amaranth.lib import data, enum

__all__ = [
    "ADDRESS_BITS",
    "MICRO_DEPTH",
    "REGISTERS",
    "WIDTH",
    "Action",
    "Alu",
    "Condition",
    "Operand",
    "Special",
    "layout",
]

WIDTH = 36  # bits of a register: sums and products of POST and NORM stay below 2**35
REGISTERS = 256  # the depth of an iCE40's block RAM that is 16 bits wide
MICRO_DEPTH = 512
ADDRESS_BITS = 20  # bytes of external memory


class Alu(enum.Enum, shape=3):
    """What becomes of operands ``a`` and ``b``."""

    ADD = 0
    SUB = 1
    AND = 2
    SHIFT = 3  # a >> b, arithmetic; b from 0 to 63
    MAX = 4
    MIN = 5


class Operand(enum.Enum, shape=2):
    """Where ``b`` comes from."""

    REGISTER = 0
    LITERAL = 1  # the field itself, signed
    SPECIAL = 2


class Special(enum.Enum, shape=3):
    """Results of other parts, as operand ``b``; all signed but `BASE`."""

    PRODUCT = 0  # of the MULTIPLY two or more microinstructions before
    DOT = 1  # while the dot-product unit is idle
    BYTE = 2  # of the LOAD just before
    WORD = 3
    BUS = 4  # word of external memory, while the bus is idle
    BASE = 5  # register PROGRAM_BASE


class Condition(enum.Enum, shape=3):
    """When to go on at ``target``."""

    NEVER = 0
    ALWAYS = 1
    NEGATIVE = 2  # the result, which is a + b or a - b
    NOT_NEGATIVE = 3
    DOT_BUSY = 4
    BUS_BUSY = 5
    NOT_STARTED = 6


class Action(enum.Enum, shape=4):
    """What happens beside the arithmetic; ``last`` is the result of the microinstruction before."""

    NONE = 0
    LOAD = 1  # memory at byte address a
    STORE_BYTE = 2  # last, at byte address a
    STORE_WORD = 3
    READ = 4  # external memory at byte address a
    WRITE = 5  # last, to external memory
    MULTIPLY = 6  # low 18 bits of a and b, signed
    STATIONARY = 7  # dot products: a: byte address of the stationary words
    SHAPE = 8  # a: number of steps - 1, b: words from one stationary word to the next
    MODE = 9  # a: fields of `dot_unit.mode_layout`
    DOT = 10  # begin with streamed words from byte address a on
    MARK = 11  # b: `run_state.BEGINS` and the unit that begins an instruction; 0: it is done
    FINISH = 12  # a: number of the instruction, b: see `run_state.finish_code`


def layout() -> data.StructLayout:
    """One microinstruction, 47 bits; register 0 always holds 0."""
    return data.StructLayout({
        "alu": Alu,
        "a": range(REGISTERS),
        "b": range(REGISTERS),
        "d": range(REGISTERS),  # where the result goes
        "operand": Operand,
        "last_a": 1,  # the register was written just before: take `last`
        "last_b": 1,
        "target": range(MICRO_DEPTH),
        "condition": Condition,
        "action": Action,
    })
