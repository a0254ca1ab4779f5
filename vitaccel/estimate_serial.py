"""Cycles of a program on the serial core: microinstructions counted instruction by instruction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.hw.serial.dot_unit import DotUnit
from vitaccel.isa import FIELDS, UNIT_OF, Op, Stationary
from vitaccel.spans import Span

if TYPE_CHECKING:  # the compiler itself times programs
    from vitaccel.compile.program import Decoded

__all__ = ["serial_spans"]

JUMP = 1  # microinstructions behind a jump that is taken
LOOP = 1 + JUMP  # at the end of a loop
FETCH = 13  # of an instruction, beside reading its first word
ROOT = 16 * 8 + 11
RECIPROCAL = 17 * 7 + 12
NORMALIZE = 5 * 6  # of a variance, which depends on the data

Fields = Mapping[str, int]


def serial_spans(
    steps: "Sequence[Decoded]", config: AcceleratorConfig, timing: MemoryTiming
) -> list[Span]:
    """When each instruction is at work; one follows the other."""
    read = _read_cycles(timing)
    spans, now, gemm = [], 0, {}
    for step in steps:
        fields = dict(step.fields)
        if step.op == Op.GEMM:
            gemm = fields
        now += FETCH + read + int(step.op)
        end = now + _CYCLES[step.op](fields, gemm, read)
        spans.append(Span(UNIT_OF[step.op], step.layer, now, end))
        now = end
    return spans


def _read_cycles(timing: MemoryTiming) -> int:
    """From a READ to the microinstruction that has the word: it looks every third cycle."""
    return 2 + LOOP * -(-(timing.latency + 1) // LOOP)


def _load(f: Fields, gemm: Fields, read: int) -> int:
    row = 6 + JUMP + f["n_words"] * (read + 1 + LOOP)
    return len(FIELDS[Op.LOAD]) * read + 2 * f["space"] + 10 + f["n_rows"] * row


def _store(f: Fields, gemm: Fields, read: int) -> int:
    row = 6 + JUMP + f["n_words"] * (3 + read + LOOP)
    return len(FIELDS[Op.STORE]) * read + 5 + f["n_rows"] * row


def _gemm(f: Fields, gemm: Fields, read: int) -> int:
    return 1


def _post(f: Fields, gemm: Fields, read: int) -> int:
    lookup = 9 * f["use_table"]
    each = {Stationary.WEIGHT: 1, Stationary.ROWS: 2, Stationary.TRANSPOSED: 5}
    blocked = 2 + f["use_table"]
    dot = each[Stationary(gemm["source"])] * gemm["k_tiles"] + DotUnit.LATENCY + blocked
    row = 14 + JUMP + lookup
    channel = 18 + JUMP + _waiting(dot - 12) + f["n_rows"] * (row + _waiting(dot - row + 1))
    word = 5 + JUMP + 4 * channel
    return 23 * read + 45 + (1 + LOOP) * f["post_shift"] + f["n_words"] * word


def _waiting(cycles: int) -> int:
    """What is left to wait, in whole loops."""
    return LOOP * max(0, -(-cycles // LOOP))


def _norm(f: Fields, gemm: Fields, read: int) -> int:
    per_element = 11 + JUMP + 16 + JUMP
    zeros = 4 * f["n_words"] - f["length"]
    row = 60 + NORMALIZE + ROOT + RECIPROCAL + per_element * f["length"] + 5 * zeros
    return len(FIELDS[Op.NORM]) * read + 20 + f["n_rows"] * row


def _softmax(f: Fields, gemm: Fields, read: int) -> int:
    per_element = 2 + LOOP + 10 + LOOP + 8 + JUMP
    zeros = 4 * f["n_words"] - f["length"]
    row = 35 + RECIPROCAL + per_element * f["length"] + 5 * zeros
    return (len(FIELDS[Op.SOFTMAX]) - 1) * read + 18 + f["n_rows"] * row


_CYCLES = {
    Op.LOAD: _load,
    Op.STORE: _store,
    Op.GEMM: _gemm,
    Op.POST: _post,
    Op.NORM: _norm,
    Op.SOFTMAX: _softmax,
}
