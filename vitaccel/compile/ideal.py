"""When instructions would be at work if activation memory were plenty."""

from collections.abc import Sequence

from vitaccel import (
    estimate,  # which itself reads programs: so by module, not by name
    isa,
)
from vitaccel.compile.instruction import Instruction
from vitaccel.compile.join_rows import joined_rows
from vitaccel.compile.place import Times
from vitaccel.compile.program import Decoded
from vitaccel.compile.schedule import schedule
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_memory import MemoryTiming

__all__ = ["ideal_times"]


def ideal_times(
    main: Sequence[Instruction], config: AcceleratorConfig, timing: MemoryTiming
) -> Times:
    """Cycles in which each instruction is at work if every buffer has a place of its own.

    A LOAD counts from when the array has come to it: it could run long before, but need not.
    """
    _spread(main)
    schedule(main)
    times, progress = [], 0.0
    spans = estimate.timeline([_decoded(i, config) for i in main], config, timing).spans
    for instruction, span in zip(main, spans, strict=True):
        start = span.start
        if instruction.op == isa.Op.GEMM:
            progress = span.end
        elif instruction.op == isa.Op.LOAD:
            start = max(start, progress)
        times.append((start, max(start, span.end)))
    return times


def _spread(main: Sequence[Instruction]) -> None:
    """Give every buffer of activations words that no other has."""
    views = [view for i in main for view in (*i.reads, *i.writes)]
    end = 0
    for buffer in {view.buffer: None for view in views}:
        if buffer.space == isa.Space.ACTIVATION:
            buffer.address, end = end, end + buffer.size


def _decoded(instruction: Instruction, config: AcceleratorConfig) -> Decoded:
    known = joined_rows(instruction.op, instruction.fields, config)
    fields = dict.fromkeys(isa.FIELDS[instruction.op], 0) | known
    tokens = {"wait": instruction.wait, "signal": instruction.signal}
    return Decoded(instruction.op, fields | tokens, instruction.layer)
