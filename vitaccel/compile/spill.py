"""Activations that the memory cannot hold leave it between two uses far apart."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.lower.state import Step
from vitaccel.compile.lower.transfer import detour

__all__ = ["GAP", "LATE", "LOOKAHEAD", "alive_words", "lookahead", "most_alive", "spill"]

LOOKAHEAD = 16  # steps before its first use at which a load is issued at the earliest
LATE = 4  # the same of a load for a later image
GAP = 4  # steps for which a buffer must rest to leave, and for which there must be room for it
EARLY = 24  # steps before a use at which what was spilled begins to come back, if there is room
PIECE = 1024  # words of a LOAD that brings it back: weights get their turn in between


@dataclass
class _Use:
    """Steps from ``start`` to ``stop`` in which ``instruction`` touches a buffer."""

    start: int
    stop: int
    instruction: Instruction
    writes: bool


@dataclass
class _Insertions:
    """Steps to come after a step, and those to come before one."""

    after: dict[int, list[Step]] = field(default_factory=dict)
    before: dict[int, list[Step]] = field(default_factory=dict)

    def into(self, steps: Sequence[Step]) -> Iterator[Step]:
        """All steps in order."""
        for n, step in enumerate(steps):
            yield from self.before.get(n, ())
            yield step
            yield from self.after.get(n, ())


class _Return(NamedTuple):
    """What left after step ``last`` and is read again in step ``use``."""

    last: int
    use: int
    size: int
    loads: Sequence[Step]

    def insert(
        self, insertions: _Insertions, alive: np.ndarray, words: int, posts: set[int]
    ) -> None:
        """Spread the loads over the steps before its use for which there is room.

        But none comes between a GEMM and its POST: it might wait for the GEMM's end, and the POST
        behind it.
        """
        begin = self.use
        while (
            self.use - begin < EARLY
            and begin > self.last + 1
            and alive[max(begin - 1 - GAP, 0) : begin].max() + self.size <= words
        ):
            begin -= 1
        alive[begin : self.use] += self.size
        for n, load in enumerate(self.loads):
            step = begin + (self.use - begin) * n // len(self.loads)
            insertions.before.setdefault(step - (step in posts), []).append(load)


def lookahead(step: Step) -> int:
    """Steps before its first use at which a load of activations is issued at the earliest."""
    if step.ahead is not None:
        return step.ahead
    return LATE if step.late else LOOKAHEAD


def spill(steps: Sequence[Step], words: int) -> list[Step]:
    """Insert STOREs and LOADs until no more than ``words`` of activations are alive at once.

    Where too much is alive, the buffer whose next use is the farthest from its last one leaves
    (Belady, IBM Systems Journal 5(2), 1966). It comes back as another buffer, so that it may lie
    elsewhere. If that is not enough, as much as can leaves.
    """
    uses = _uses(steps)
    alive = _alive(uses, len(steps))
    insertions = _Insertions()
    returns: list[_Return] = []
    hopeless = np.zeros(len(steps), dtype=bool)
    while (over := np.where(hopeless, 0, alive)).max() > words:
        fullest = int(over.argmax())
        gap = _widest_gap(uses, fullest)
        if gap is None:
            hopeless[_level(alive, fullest)] = True
            continue
        buffer, at = gap
        last, use = max(u.stop for u in uses[buffer][: at + 1]), uses[buffer][at + 1].start
        alive[last + 1 : use] -= buffer.size
        loads = _split(uses, buffer, at, use, insertions)
        returns.append(_Return(last, use, buffer.size, loads))
    posts = {n for n, step in enumerate(steps) if step.instruction.op == isa.Op.POST}
    for back in sorted(returns, key=lambda back: back.use):
        back.insert(insertions, alive, words, posts)
    return list(insertions.into(steps))


def most_alive(steps: Sequence[Step]) -> int:
    """Words of activations that are alive at once."""
    return int(alive_words(steps).max())


def alive_words(steps: Sequence[Step]) -> np.ndarray:
    """Words of activations that are alive in each step."""
    return _alive(_uses(steps), len(steps))


def _alive(uses: dict[Buffer, list[_Use]], n_steps: int) -> np.ndarray:
    alive = np.zeros(n_steps, dtype=np.int64)
    for buffer, found in uses.items():
        alive[found[0].start : found[-1].stop + 1] += buffer.size
    return alive


def _level(alive: np.ndarray, step: int) -> slice:
    """Steps around ``step`` in which as much is alive: nothing comes or goes there."""
    changes = np.flatnonzero(np.diff(alive))
    after = int(np.searchsorted(changes, step))
    start = changes[after - 1] + 1 if after else 0
    return slice(start, changes[after] + 1 if after < len(changes) else len(alive))


def _uses(steps: Sequence[Step]) -> dict[Buffer, list[_Use]]:
    """Uses of every buffer of activations, in order; a GEMM and its POST are one.

    GEMM reads until its POST is done, and POST's operands are there before its GEMM begins: a LOAD
    between the two might wait behind others that wait for the GEMM's end.
    """
    found: dict[Buffer, list[_Use]] = {}
    under_way: deque[list[_Use]] = deque()
    for n, step in enumerate(steps):
        instruction = step.instruction
        made = []
        for writes, views in ((False, instruction.reads), (True, instruction.writes)):
            for view in views:
                if view.buffer.space == isa.Space.ACTIVATION:
                    first = n - (instruction.op == isa.Op.POST)
                    made.append(_Use(first, n, instruction, writes))
                    found.setdefault(view.buffer, []).append(made[-1])
        if instruction.op == isa.Op.GEMM:
            under_way.append(made)
        elif instruction.op == isa.Op.POST:
            for use in under_way.popleft():
                use.stop = n
    ahead = {id(step.instruction): lookahead(step) for step in steps if not step.fixed}
    for made in found.values():
        loads = [u for u in made if u.instruction.op == isa.Op.LOAD and id(u.instruction) in ahead]
        if loads and len(loads) < len(made):
            for use in loads:
                use.start = use.stop = max(
                    use.start, made[len(loads)].start - ahead[id(use.instruction)]
                )
    return found


def _widest_gap(uses: dict[Buffer, list[_Use]], step: int) -> tuple[Buffer, int] | None:
    """Buffer that rests longest around ``step``, and the number of its use before that."""
    best, widest = None, GAP
    for buffer, found in uses.items():
        if not found[0].start <= step <= found[-1].stop:
            continue
        stop = found[0].stop
        for n, (use, following) in enumerate(zip(found, found[1:], strict=False)):
            stop = max(stop, use.stop)
            if use.start > step:
                break
            if stop < step < following.start and following.start - stop > widest:
                best, widest = (buffer, n), following.start - stop
    return best


def _split(
    uses: dict[Buffer, list[_Use]], buffer: Buffer, at: int, back: int, insertions: _Insertions
) -> list[Step]:
    """Let ``buffer`` leave after use ``at``; return the loads that must be done before ``back``.

    The part written so far is stored as soon as it is whole, while it may still be read.
    """
    before, after = uses[buffer][: at + 1], uses[buffer][at + 1 :]
    region = _bounding(buffer, before)
    again = Buffer(buffer.name, buffer.space, buffer.rows, buffer.words, beyond=buffer.beyond)
    store, loads = detour(region, replace(region, buffer=again), PIECE)
    written = max(use.stop for use in before if use.writes)
    insertions.after.setdefault(written, []).append(Step(store))
    for use in after:
        _rename(use.instruction, buffer, again)
    uses[buffer] = [*before, _Use(written, written, store, writes=False)]
    uses[buffer].sort(key=lambda use: use.start)
    uses[again] = [*(_Use(back, back, load, writes=True) for load in loads), *after]
    return [Step(load, fixed=True) for load in loads]


def _bounding(buffer: Buffer, uses: Sequence[_Use]) -> View:
    """Least block that holds all that was written."""
    views = [v for use in uses for v in use.instruction.writes if v.buffer is buffer]
    row, word = min(v.row for v in views), min(v.word for v in views)
    rows = max(v.row + v.rows for v in views) - row
    words = max(v.word + v.words for v in views) - word
    return View(buffer, row, rows, word, words)


def _rename(instruction: Instruction, old: Buffer, new: Buffer) -> None:
    def renamed(view: View) -> View:
        return replace(view, buffer=new) if view.buffer is old else view

    instruction.reads = tuple(renamed(view) for view in instruction.reads)
    instruction.writes = tuple(renamed(view) for view in instruction.writes)
    instruction.places = {name: renamed(view) for name, view in instruction.places.items()}
