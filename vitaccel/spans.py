"""When instructions were at work: what the estimate and a recorded trace have in common."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitaccel.isa import UNIT_OF, Op, Unit

if TYPE_CHECKING:  # the compiler itself times programs
    from vitaccel.compile.program import Decoded, Program

__all__ = ["Interval", "Span", "intervals", "producers", "spans_of", "working_steps"]

Interval = tuple[int, int, str, str]  # first cycle, cycle after the last, busy or waiting, layer


@dataclass(frozen=True)
class Span:
    """When an instruction was at work, in cycles from the start of the program.

    A GEMM is at work until its last beat enters the array.
    """

    unit: Unit
    layer: str
    start: float
    end: float


def working_steps(program: "Program") -> "list[Decoded]":
    """Every instruction of one run that a unit executes."""
    return [step for step in program.main_steps() if step.op != Op.HALT]


def producers(steps: "Sequence[Decoded]") -> list[list[int]]:
    """For each instruction the positions of those whose tokens it takes."""
    tokens: dict[tuple[int, int], deque[int]] = defaultdict(deque)
    for n, step in enumerate(steps):
        for consumer in Unit:
            if step.fields["signal"] >> consumer & 1:
                tokens[UNIT_OF[step.op], consumer].append(n)
    return [
        [tokens[p, UNIT_OF[s.op]].popleft() for p in Unit if s.fields["wait"] >> p & 1]
        for s in steps
    ]


def intervals(trace: str, program: "Program", cycles: int) -> dict[str, list[Interval]]:
    """Per unit what a trace of the gateware shows, see `hw.simulation_top`.

    The trace begins with the host's write to the start register, the run ``cycles`` before its end.
    """
    rows: dict[str, list[Interval]] = {unit.name: [] for unit in Unit}
    steps = working_steps(program)
    states = list(_states(trace, steps))
    before = _before(states, cycles)
    for n, start, end, state in states:
        unit = UNIT_OF[steps[n].op].name
        rows[unit].append((max(0, start - before), end - before, state, steps[n].layer))
    return rows


def spans_of(trace: str, program: "Program", cycles: int) -> list[Span]:
    """One span per instruction, in program order, from the same."""
    steps = working_steps(program)
    states = list(_states(trace, steps))
    before = _before(states, cycles)
    began: dict[int, int] = {}
    ended: dict[int, int] = {}
    for n, start, end, state in states:
        if state == "busy":
            began.setdefault(n, start)
        ended[n] = end
    return [
        Span(UNIT_OF[s.op], s.layer, began.get(n, ended[n]) - before, ended[n] - before)
        for n, s in enumerate(steps)
    ]


def _before(states: Sequence[tuple[int, int, int, str]], cycles: int) -> int:
    return max(0, max(end for _, _, end, _ in states) - cycles)


def _states(trace: str, steps: "Sequence[Decoded]") -> Iterator[tuple[int, int, int, str]]:
    """Position of an instruction, first cycle, cycle after the last, "busy" or "waiting".

    A unit finishes its instructions in order, so its n-th ``done`` is that of its n-th one.
    """
    events = [tuple(map(int, line.split())) for line in trace.splitlines()]
    for unit in Unit:
        mine = [n for n, step in enumerate(steps) if UNIT_OF[step.op] == unit]
        finished, state, since = 0, "idle", 0
        for cycle, busy, waiting, done in events:
            ended = done >> unit & 1
            now = "busy" if busy >> unit & 1 else "waiting" if waiting >> unit & 1 else "idle"
            end = cycle + ended  # an instruction is at work in the cycle in which it is done
            if (now != state or ended) and end > since:
                if state != "idle" and finished < len(mine):
                    yield mine[finished], since, end, state
                since = end
            state = now
            finished += ended
