"""`compile.schedule`: semaphores that order instructions, and hold no more than they count."""

import random

import pytest

from vitaccel import isa
from vitaccel.compile import check
from vitaccel.compile import schedule as scheduling
from vitaccel.compile.check import check_schedule
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.schedule import MOST_TOKENS, schedule

DEPTH = 4
OPS = isa.Op.LOAD, isa.Op.STORE, isa.Op.NORM, isa.Op.DEPTHWISE


def loaded_ahead(count: int) -> list[Instruction]:
    """LOADs of a word each, then what reads those words, one after the other."""
    words = [Buffer(str(n), isa.Space.ACTIVATION, 1, 1, address=n) for n in range(count)]
    loads = [Instruction(isa.Op.LOAD, b.name, writes=(View.whole(b),)) for b in words]
    return loads + [Instruction(isa.Op.NORM, b.name, reads=(View.whole(b),)) for b in words]


@pytest.mark.parametrize("more", [0, 1, DEPTH + 1, MOST_TOKENS])
def test_loads_may_come_far_ahead(more: int) -> None:
    program = loaded_ahead(MOST_TOKENS + more)
    schedule(program)
    assert check_schedule(program, DEPTH) == []
    assert sum(i.wait > 0 for i in program) == sum(i.signal > 0 for i in program) == MOST_TOKENS


def test_more_tokens_than_a_semaphore_counts_keep_what_takes_them_from_being_dispatched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "MOST_TOKENS", 1000)
    program = loaded_ahead(MOST_TOKENS + DEPTH + 2)
    schedule(program)
    assert "deadlock: NORM of 0 never starts" in check_schedule(program, DEPTH)


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_reads_and_writes_runs_without_races(
    seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (scheduling, check):
        monkeypatch.setattr(module, "MOST_TOKENS", most)
    draw = random.Random(seed)
    words = [Buffer(str(n), isa.Space.ACTIVATION, 1, 1, address=n) for n in range(12)]
    program = []
    for n in range(150):
        reads, writes = ([View.whole(b) for b in draw.sample(words, k)] for k in (2, 1))
        op = draw.choice(OPS)
        program.append(Instruction(op, str(n), reads=tuple(reads), writes=tuple(writes)))
    schedule(program)
    assert check_schedule(program, DEPTH) == []
