"""`compile.check`: deadlocks that only the units themselves cause, races, and what is fine."""

import pytest

from vitaccel import isa
from vitaccel.compile.check import check_schedule
from vitaccel.compile.instruction import Buffer, Instruction, View

MXU, POST, LOAD = isa.Unit.MXU, isa.Unit.POST, isa.Unit.LOAD


def instruction(
    op: isa.Op, name: str, wait: int = 0, signal: int = 0, reads: str = "", writes: str = ""
) -> Instruction:
    return Instruction(
        op,
        name,
        reads=tuple(View.whole(BUFFERS[key]) for key in reads),
        writes=tuple(View.whole(BUFFERS[key]) for key in writes),
        wait=wait,
        signal=signal,
    )


BUFFERS = {
    key: Buffer(key, isa.Space.ACTIVATION, 1, 8, address=8 * n) for n, key in enumerate("abc")
}


def test_a_product_and_what_drains_it() -> None:
    program = [
        instruction(isa.Op.GEMM, "one", reads="a"),
        instruction(isa.Op.POST, "one", writes="b"),
    ]
    assert check_schedule(program, 4) == []


def test_post_cannot_wait_for_the_product_it_drains() -> None:
    program = [
        instruction(isa.Op.GEMM, "one", signal=1 << POST, reads="a"),
        instruction(isa.Op.POST, "one", wait=1 << MXU, writes="a"),
    ]
    assert check_schedule(program, 4) == [
        "deadlock: POST of one never starts",
    ]


def test_a_full_queue_holds_up_all_units() -> None:
    """The load that waits for the second product keeps its POST from being dispatched."""
    loads = [instruction(isa.Op.LOAD, f"weights {n}", wait=1 << MXU) for n in range(4)]
    program = [
        instruction(isa.Op.GEMM, "one", signal=1 << LOAD),
        *loads,
        instruction(isa.Op.POST, "one"),
    ]
    stuck = check_schedule(program, 2)
    assert "deadlock: POST of one never starts" in stuck
    assert check_schedule([program[0], loads[0], program[-1]], 2) == []


@pytest.mark.parametrize("ordered", [True, False])
def test_a_write_after_a_read_needs_a_token(ordered: bool) -> None:
    program = [
        instruction(isa.Op.NORM, "norm", signal=(1 << LOAD) * ordered, reads="a", writes="b"),
        instruction(isa.Op.LOAD, "next", wait=(1 << isa.Unit.VECTOR) * ordered, writes="a"),
    ]
    want = [] if ordered else ["race: LOAD of next may overtake NORM of norm"]
    assert check_schedule(program, 4) == want
