"""Semaphores: which instruction waits for which, from what they read and write.

Units start their instructions in order, so a token from unit p to unit c says "one more of the
instructions of p that c cares about is done". A wait is left out where an earlier wait implies it;
what a unit knows of the others is kept as one vector clock an instruction.
"""

from collections.abc import Sequence

from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View

__all__ = ["conflicts", "schedule"]


def conflicts(earlier: Instruction, later: Instruction) -> bool:
    """Whether ``later`` must not run before ``earlier`` is done.

    Within a unit writes land in order and reads are issued in order, so only reading what the
    same unit wrote (POST's residual) needs a wait.
    """
    if _overlap(earlier.writes, later.reads):
        return True
    if earlier.unit == later.unit:
        return False
    return _overlap(earlier.reads, later.writes) or _overlap(earlier.writes, later.writes)


def _overlap(xs: tuple[View, ...], ys: tuple[View, ...]) -> bool:
    for x in xs:  # loops, not any(): this is most of the time of a compilation
        for y in ys:
            if x.buffer.space is y.buffer.space and x.overlaps(y):
                return True
    return False


def schedule(program: Sequence[Instruction]) -> None:
    """Set ``wait`` and ``signal`` of every instruction (HALT, the last, has neither)."""
    streams: list[list[Instruction]] = [[] for _ in isa.Unit]
    order = {id(instruction): n for n, instruction in enumerate(program)}
    clocks: dict[int, list[int]] = {}  # id -> per unit, how many instructions are known done
    last_clock = [[0] * len(isa.Unit) for _ in isa.Unit]
    for instruction in program:
        instruction.wait = instruction.signal = 0
        if instruction.op == isa.Op.HALT:
            continue
        own = instruction.unit
        clock = list(last_clock[own])
        found = _latest_conflicts(instruction, streams, clock)
        # The latest come first: waiting for them implies most of the others.
        for index, producer in sorted(found, key=lambda item: -order[id(item[1])]):
            if index <= clock[producer.unit]:
                continue  # implied by another wait of this instruction
            instruction.wait |= 1 << producer.unit
            producer.signal |= 1 << own
            clock = [max(a, b) for a, b in zip(clock, clocks[id(producer)], strict=True)]
            clock[producer.unit] = max(clock[producer.unit], index)
        clocks[id(instruction)] = clock
        last_clock[own] = clock
        streams[own].append(instruction)


def _latest_conflicts(
    instruction: Instruction, streams: list[list[Instruction]], clock: list[int]
) -> list[tuple[int, Instruction]]:
    """Per unit the latest unfinished conflicting instruction, with its one-based index."""
    found = []
    for unit, stream in enumerate(streams):
        for index in range(len(stream), clock[unit], -1):
            if conflicts(stream[index - 1], instruction):
                found.append((index, stream[index - 1]))
                break
    return found
