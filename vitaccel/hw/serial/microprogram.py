"""The microprogram: fetches instructions and goes to the one that executes each."""

from collections.abc import Sequence

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.serial.assembler import Assembler
from vitaccel.hw.serial.gemm import gemm, post
from vitaccel.hw.serial.layernorm import norm
from vitaccel.hw.serial.microinstruction import Action, Condition, Special
from vitaccel.hw.serial.run_state import BEGINS, finish_code
from vitaccel.hw.serial.softmax import softmax
from vitaccel.hw.serial.transfer import load, store
from vitaccel.isa import SERIAL_BYTES, UNIT_OF, Op, Status
from vitaccel.registers import State

__all__ = ["microprogram"]

_OPCODE_MASK = 15
_ROUTINES = {
    Op.LOAD: load,
    Op.STORE: store,
    Op.GEMM: gemm,
    Op.POST: post,
    Op.NORM: norm,
    Op.SOFTMAX: softmax,
}


def microprogram(config: AcceleratorConfig) -> tuple[Sequence[int], Sequence[int]]:
    """Words of the microprogram and what the registers hold at first.

    Register ``pc`` is the number of the instruction under way, ``next`` the address of the one
    behind it, ``field`` that of its first field.
    """
    asm = Assembler()
    asm.label("idle")
    asm.add(asm["next"], 0, Special.BASE, when=Condition.NOT_STARTED, to=".")
    asm.add(asm["pc"], 0, -1)
    asm.label("fetch")
    asm.add(None, 0, 0, action=Action.MARK)
    asm.add(asm["field"], asm["next"])
    asm.read(asm["op"], asm["field"])
    asm.add(asm["next"], asm["next"], SERIAL_BYTES)
    asm.add(asm["pc"], asm["pc"], 1)
    asm.mask(asm["op"], asm["op"], _OPCODE_MASK)
    asm.sub(asm["op"], asm["op"], 1, when=Condition.NEGATIVE, to="illegal")
    for op in Op:
        known = op == Op.HALT or op in _ROUTINES
        target = op.name if known else "illegal"
        asm.sub(asm["op"], asm["op"], 1, when=Condition.NEGATIVE, to=target)
    asm.label("illegal")
    _finish(asm, finish_code(State.ERROR, Status.ILLEGAL_OPCODE))
    asm.label(Op.HALT.name)
    _finish(asm, finish_code(State.DONE, Status.OK))
    for op, routine in _ROUTINES.items():
        asm.label(op.name)
        asm.add(None, 0, BEGINS | UNIT_OF[op], action=Action.MARK)
        routine(asm, config)
        asm.jump("fetch")
    return asm.assemble()


def _finish(asm: Assembler, code: int) -> None:
    asm.add(None, asm["pc"], code, action=Action.FINISH)
    asm.jump("idle")
