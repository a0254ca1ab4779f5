"""Semaphores: which instruction waits for which, from what they read and write.

Units start their instructions in order, so a token from unit p to unit c says "one more of the
instructions of p that c cares about is done". A wait is left out where an earlier wait implies it;
what a unit knows of the others is kept as one vector clock an instruction.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vitaccel import isa
from vitaccel.compile.instruction import Instruction, View

__all__ = ["MOST_TOKENS", "conflicts", "schedule"]

MOST_TOKENS = 63  # of a semaphore; see `vitaccel.hw.shell.semaphores`
_Token = tuple[Instruction, Instruction]  # who gives it, who takes it


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
    logs = [_Log() for _ in isa.Unit]
    tokens: dict[tuple[int, int], list[_Token]] = {}  # by unit that gives, unit that takes
    for instruction in program:
        instruction.wait = instruction.signal = 0
        if instruction.op == isa.Op.HALT:
            continue
        own = instruction.unit
        clock = list(last_clock[own])
        touched = _Touched.by(instruction)
        latest = [log.latest(touched, clock[unit], unit == own) for unit, log in enumerate(logs)]
        found = [(index, streams[unit][index - 1]) for unit, index in enumerate(latest) if index]
        # The latest come first: waiting for them implies most of the others.
        for index, producer in sorted(found, key=lambda item: -order[id(item[1])]):
            if index <= clock[producer.unit]:
                continue  # implied by another wait of this instruction
            instruction.wait |= 1 << producer.unit
            producer.signal |= 1 << own
            tokens.setdefault((producer.unit, own), []).append((producer, instruction))
            clock = [max(a, b) for a, b in zip(clock, clocks[id(producer)], strict=True)]
            clock[producer.unit] = max(clock[producer.unit], index)
        clocks[id(instruction)] = clock
        last_clock[own] = clock
        streams[own].append(instruction)
        logs[own].append(len(streams[own]), touched)
    for given in tokens.values():
        _spare(given, order)


def _spare(tokens: Sequence[_Token], order: Mapping[int, int]) -> None:
    """Leave no more tokens of a semaphore untaken at once than it counts.

    A producer that would give one too many gives it to the last one that waits already, in place of
    the token that this one waits for; then whoever came for it need not wait any more. Otherwise
    the producer could not end, and what is to take a token might wait behind it.
    """
    untaken: deque[_Token] = deque()
    for producer, consumer in tokens:
        while untaken and order[id(untaken[0][1])] <= order[id(producer)]:
            untaken.popleft()
        if len(untaken) == MOST_TOKENS:
            former, waiting = untaken.pop()
            former.signal &= ~(1 << waiting.unit)
            consumer.wait &= ~(1 << producer.unit)
            untaken.append((producer, waiting))
        else:
            untaken.append((producer, consumer))


_Extent = tuple[object, int, int, View]  # memory, first word, word after the last


class _Touched(NamedTuple):
    """What an instruction reads and writes, with its bounds worked out once."""

    reads: list[_Extent]
    writes: list[_Extent]

    @classmethod
    def by(cls, instruction: Instruction) -> "_Touched":
        return cls(*(list(map(_extent, x)) for x in (instruction.reads, instruction.writes)))


def _extent(view: View) -> _Extent:
    space = view.buffer.space
    return (view.buffer if space is None else space, view.start, view.stop, view)


class _Log:
    """What a unit's instructions touched, by memory: the same answers as `conflicts`, sooner."""

    def __init__(self) -> None:
        self.reads: dict[object, list[tuple[int, int, int, View]]] = {}
        self.writes: dict[object, list[tuple[int, int, int, View]]] = {}

    def append(self, index: int, touched: _Touched) -> None:
        """Note what the unit's instruction number ``index`` touches."""
        for log, extents in ((self.reads, touched.reads), (self.writes, touched.writes)):
            for memory, start, stop, view in extents:
                log.setdefault(memory, []).append((index, start, stop, view))

    def latest(self, touched: _Touched, done: int, same_unit: bool) -> int:
        """One-based index of the latest conflicting instruction after ``done``, or 0."""
        pairs = [(self.writes, touched.reads)]
        if not same_unit:
            pairs += [(self.writes, touched.writes), (self.reads, touched.writes)]
        latest = done
        for log, extents in pairs:
            for memory, start, stop, view in extents:
                for index, other_start, other_stop, other in reversed(log.get(memory, ())):
                    if index <= latest:
                        break
                    if start < other_stop and other_start < stop and other.overlaps(view):
                        latest = index
                        break
        return latest if latest > done else 0
