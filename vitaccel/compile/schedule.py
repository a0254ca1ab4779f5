"""Semaphores: which instruction waits for which, from what they read and write.

Units start their instructions in order, so a token from unit p to unit c says "one more of the
instructions of p that c cares about is done". A wait is left out where an earlier wait implies it;
what a unit knows of the others is kept as one vector clock an instruction.
"""

from collections.abc import Iterator, Sequence

from vitaccel import isa
from vitaccel.compile.instruction import Instruction

__all__ = ["check_schedule", "conflicts", "schedule"]


def conflicts(earlier: Instruction, later: Instruction) -> bool:
    """Whether ``later`` must not run before ``earlier`` is done.

    Within a unit writes land in order and reads are issued in order, so only reading what the
    same unit wrote (POST's residual) needs a wait.
    """
    pairs = [(earlier.writes, later.reads)]
    if earlier.unit != later.unit:
        pairs += [(earlier.reads, later.writes), (earlier.writes, later.writes)]
    return any(a.overlaps(b) for xs, ys in pairs for a in xs for b in ys)


def schedule(program: Sequence[Instruction]) -> None:
    """Set ``wait`` and ``signal`` of every instruction (HALT, the last, has neither)."""
    streams: list[list[Instruction]] = [[] for _ in isa.Unit]
    clocks: dict[int, list[int]] = {}  # id -> per unit, how many instructions are known done
    last_clock = [[0] * len(isa.Unit) for _ in isa.Unit]
    for instruction in program:
        instruction.wait = instruction.signal = 0
        if instruction.op == isa.Op.HALT:
            continue
        own = instruction.unit
        clock = list(last_clock[own])
        for index, producer in _latest_conflicts(instruction, streams, clock):
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
    """Per unit the latest unfinished conflicting instruction, with its one-based index.

    The latest in program order come first: waiting for them implies most of the others.
    """
    found = []
    for unit, stream in enumerate(streams):
        for index in range(len(stream), clock[unit], -1):
            if conflicts(stream[index - 1], instruction):
                found.append((index, stream[index - 1]))
                break
    order = {id(i): n for n, i in enumerate(i for s in streams for i in s)}
    return sorted(found, key=lambda item: -order[id(item[1])])


def _runs(program: Sequence[Instruction]) -> Iterator[tuple[Instruction, list[int]]]:
    """Run each unit as far as its semaphores let it; yields (instruction, clock at start)."""
    streams = [[i for i in program if i.op != isa.Op.HALT and i.unit == u] for u in isa.Unit]
    tokens: dict[tuple[int, int], list[list[int]]] = {
        (p, c): [] for p in isa.Unit for c in isa.Unit
    }
    done = [0] * len(isa.Unit)
    known = [[0] * len(isa.Unit) for _ in isa.Unit]
    moved = True
    while moved:
        moved = False
        for unit, stream in enumerate(streams):
            while done[unit] < len(stream):
                instruction = stream[done[unit]]
                sources = [u for u in isa.Unit if instruction.wait >> u & 1]
                if not all(tokens[u, unit] for u in sources):
                    break
                for source in sources:
                    learnt = tokens[source, unit].pop(0)
                    known[unit] = [max(a, b) for a, b in zip(known[unit], learnt, strict=True)]
                yield instruction, list(known[unit])
                done[unit] += 1
                moved = True
                gift = list(known[unit])
                gift[unit] = done[unit]
                for target in isa.Unit:
                    if instruction.signal >> target & 1:
                        tokens[unit, target].append(gift)


def check_schedule(program: Sequence[Instruction]) -> list[str]:
    """Problems of a program's semaphores: deadlock, leftover conflicts; empty if there are none.

    Independent of `schedule`: executes the waits and signals and looks at what each instruction
    can rely on when it starts.
    """
    work = [i for i in program if i.op != isa.Op.HALT]
    index: dict[int, int] = {}
    counts = [0] * len(isa.Unit)
    for instruction in work:
        counts[instruction.unit] += 1
        index[id(instruction)] = counts[instruction.unit]
    clock_of = {id(i): clock for i, clock in _runs(program)}
    stuck = [i for i in work if id(i) not in clock_of]
    problems = [f"deadlock: {i.op.name} of {i.layer} never starts" for i in stuck]
    for n, later in enumerate(work):
        clock = clock_of.get(id(later))
        if clock is None:
            continue
        problems += [
            f"race: {later.op.name} of {later.layer} may overtake "
            f"{earlier.op.name} of {earlier.layer}"
            for earlier in work[:n]
            if clock[earlier.unit] < index[id(earlier)] and conflicts(earlier, later)
        ]
    return problems
