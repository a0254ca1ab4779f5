"""Proof that a program neither deadlocks nor races, by executing its waits and signals.

Independent of `schedule`: what each instruction can rely on when it starts follows from the tokens
it took alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vitaccel import isa
from vitaccel.compile.instruction import Instruction
from vitaccel.compile.schedule import MOST_TOKENS, conflicts

__all__ = ["check_schedule"]

Clock = list[int]  # per unit, how many of its instructions are known to be done
PARTNER = {isa.Unit.MXU: isa.Unit.POST, isa.Unit.POST: isa.Unit.MXU}


@dataclass
class _Machine:
    """Units with their queues, at their slowest: one instruction under way in each.

    A GEMM is done only once the POST that drains it has started, which in turn needs the GEMM.
    """

    program: list[Instruction]
    queue_depth: int
    dispatched: int = 0
    queues: list[list[Instruction]] = field(default_factory=lambda: [[] for _ in isa.Unit])
    started: Clock = field(default_factory=lambda: [0] * len(isa.Unit))
    done: Clock = field(default_factory=lambda: [0] * len(isa.Unit))
    known: list[Clock] = field(default_factory=lambda: [[0] * len(isa.Unit) for _ in isa.Unit])
    under_way: dict[int, Instruction] = field(default_factory=dict)
    tokens: dict[tuple[int, int], list[Clock]] = field(
        default_factory=lambda: {(p, c): [] for p in isa.Unit for c in isa.Unit}
    )

    def run(self) -> Iterator[tuple[Instruction, Clock]]:
        """Run as far as the program goes; yields each instruction as it starts, with its clock."""
        moved = True
        while moved:
            moved = self._dispatch()
            for unit in isa.Unit:
                moved |= self._finish(unit)
                if self._start(unit):
                    moved = True
                    yield self.under_way[unit], list(self.known[unit])

    def _dispatch(self) -> bool:
        """In program order, as long as there is room in the queues."""
        before = self.dispatched
        while self.dispatched < len(self.program):
            instruction = self.program[self.dispatched]
            queue = self.queues[instruction.unit]
            if len(queue) == self.queue_depth:
                break
            queue.append(instruction)
            self.dispatched += 1
        return self.dispatched > before

    def _start(self, unit: isa.Unit) -> bool:
        if unit in self.under_way or not self.queues[unit]:
            return False
        wait = self.queues[unit][0].wait
        sources = [source for source in isa.Unit if wait >> source & 1]
        if not all(self.tokens[source, unit] for source in sources):
            return False
        for source in sources:
            learnt = self.tokens[source, unit].pop(0)
            self.known[unit] = [max(a, b) for a, b in zip(self.known[unit], learnt, strict=True)]
        self.under_way[unit] = self.queues[unit].pop(0)
        self.started[unit] += 1
        return True

    def _finish(self, unit: isa.Unit) -> bool:
        if unit not in self.under_way:
            return False
        partner = PARTNER.get(unit)
        if partner is not None and self.started[partner] <= self.done[unit]:
            return False
        signal = self.under_way[unit].signal
        targets = [target for target in isa.Unit if signal >> target & 1]
        if any(len(self.tokens[unit, target]) == MOST_TOKENS for target in targets):
            return False
        del self.under_way[unit]
        self.done[unit] += 1
        gift = list(self.known[unit])
        gift[unit] = self.done[unit]
        for target in targets:
            self.tokens[unit, target].append(gift)
        return True


def check_schedule(program: Sequence[Instruction], queue_depth: int) -> list[str]:
    """Problems of a program's semaphores: deadlock, leftover conflicts; empty if there are none.

    Parameters
    ----------
    program
        With ``wait`` and ``signal``; a HALT at the end is ignored.
    queue_depth
        Instructions that wait in the queue of a unit while later ones are dispatched.
    """
    work = [i for i in program if i.op != isa.Op.HALT]
    clock_of = {id(i): clock for i, clock in _Machine(work, queue_depth).run()}
    problems = []
    streams: list[list[Instruction]] = [[] for _ in isa.Unit]
    for later in work:
        clock = clock_of.get(id(later))
        if clock is None:
            problems.append(f"deadlock: {later.op.name} of {later.layer} never starts")
        else:
            problems += [
                f"race: {later.op.name} of {later.layer} may overtake "
                f"{earlier.op.name} of {earlier.layer}"
                for stream, finished in zip(streams, clock, strict=True)
                for earlier in stream[finished:]
                if conflicts(earlier, later)
            ]
        streams[later.unit].append(later)
    return problems
