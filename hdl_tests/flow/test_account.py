"""`vitaccel.account`: every cycle of the array has one cause, and the right one."""

from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest

from hdl_tests.harness.cases import CASES
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.account import Account, Cause, account
from vitaccel.compile import compile_network
from vitaccel.compile.program import Decoded, Program
from vitaccel.config import AcceleratorConfig
from vitaccel.estimate import estimate
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.isa import UNIT_OF, Columns, Op, Space, Unit
from vitaccel.memories import memory_timing
from vitaccel.spans import Span

CONFIG = AcceleratorConfig(rows=4, columns=8, pot_columns=4, log2_attention=True)
TILE = 6  # words: four uniform columns, four power-of-two ones in two


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("memory", ["bus", "sdram"])
def test_cycles_add_up(name: str, memory: str) -> None:
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    program = compile_network(network, config)
    run = estimate(program, config, memory_timing(memory, config))
    result = account(program, config, run.spans, run.cycles)
    assert sum(result.totals().values()) == run.cycles
    assert all(n >= 0 for causes in result.layers.values() for n in causes.values())
    assert result.segments[0].start == 0
    assert result.segments[-1].end == run.cycles
    for one, other in zip(result.segments, result.segments[1:], strict=False):
        assert one.end == other.start
    size = config.rows * config.columns
    for layer in program.layers:
        if layer["macs"]:
            assert result.layers[layer["name"]][Cause.USEFUL] == round(layer["macs"] / size)


def gemm(
    n_rows: int = 20, wait: int = 0, columns: Columns = Columns.ALL, source: int = 0
) -> Decoded:
    fields = {"n_rows": n_rows, "k_tiles": 1, "n_tiles": 2, "columns": columns, "source": source}
    return Decoded(Op.GEMM, fields | {"wait": wait, "signal": 0}, "fc")


def of(macs: int, *timed: tuple[Decoded, int, int], cycles: int) -> Account:
    steps = [step for step, _, _ in timed]
    program = SimpleNamespace(
        main_steps=lambda: steps,
        layers=({"name": "fc", "macs": macs},),
        input=SimpleNamespace(address=4096, n_rows=2, stride=64),
    )
    spans = [Span(UNIT_OF[step.op], step.layer, start, end) for step, start, end in timed]
    return account(cast("Program", program), CONFIG, spans, cycles)


def test_beats_are_useful_padding_or_too_wide_an_operand() -> None:
    first = (gemm(), 0, 40)
    assert of(40 * 32, first, cycles=40).totals() == {Cause.USEFUL: 40}
    assert of(30 * 32, first, cycles=40).totals() == {Cause.USEFUL: 30, Cause.PADDING: 10}
    narrow = (gemm(columns=Columns.UNIFORM), 0, 40)
    totals = of(15 * 32, narrow, cycles=40).totals()
    assert totals == {Cause.USEFUL: 15, Cause.NARROW: 20, Cause.PADDING: 5}


def load(space: Space, external: int = 0) -> Decoded:
    signal = 1 << Unit.MXU
    fields = {"space": space, "external": external, "wait": 0, "signal": signal}
    return Decoded(Op.LOAD, fields, "fc")


def unit(op: Op) -> Decoded:
    return Decoded(op, {"wait": 0, "signal": 1 << Unit.MXU}, "before")


@pytest.mark.parametrize(
    ("producer", "cause"),
    [
        (load(Space.WEIGHT), Cause.WEIGHTS),
        (load(Space.ACTIVATION, 4096), Cause.IMAGE),
        (load(Space.ACTIVATION, 4096 + 128), Cause.ACTIVATIONS),
        (unit(Op.POST), Cause.RESULT),
        (unit(Op.NORM), Cause.NORM),
        (unit(Op.SOFTMAX), Cause.SOFTMAX),
        (unit(Op.STORE), Cause.STORE),
    ],
)
def test_what_came_last_is_the_cause(producer: Decoded, cause: Cause) -> None:
    second = gemm(wait=1 << UNIT_OF[producer.op])
    result = of(80 * 32, (gemm(), 0, 40), (producer, 0, 100), (second, 104, 168), cycles=175)
    assert result.totals() == {
        Cause.USEFUL: 80,
        cause: 104 + 8 + TILE - 40,
        Cause.BANKS: 10,
        Cause.END: 7,
    }
    assert [segment.cause for segment in result.segments] == [
        Cause.USEFUL, cause, Cause.USEFUL, Cause.BANKS, Cause.END,
    ]  # fmt: skip


def test_the_latest_of_two_producers_is_the_cause() -> None:
    second = gemm(wait=1 << Unit.POST | 1 << Unit.LOAD)
    early, late = (unit(Op.POST), 0, 60), (load(Space.WEIGHT), 0, 100)
    totals = of(80 * 32, (gemm(), 0, 40), early, late, (second, 104, 158), cycles=158).totals()
    assert totals == {Cause.USEFUL: 80, Cause.WEIGHTS: 78}


def test_an_instruction_that_was_not_there() -> None:
    totals = of(80 * 32, (gemm(), 0, 40), (gemm(), 100, 154), cycles=154).totals()
    assert totals == {Cause.USEFUL: 80, Cause.PROGRAM: 74}


def test_a_command_taken_before_the_former_was_done_waits_for_no_token() -> None:
    """In a trace it seems to begin when the former is done."""
    second = gemm(wait=1 << Unit.POST)
    timed = (gemm(), 0, 40), (unit(Op.POST), 0, 10), (second, 40, 90)
    assert of(80 * 32, *timed, cycles=90).totals() == {Cause.USEFUL: 80, Cause.BANKS: 10}


def test_tiles_that_outlast_their_rows() -> None:
    """Beats to the same accumulator keep a distance too."""
    few = gemm(n_rows=3)
    totals = of(6 * 32, (few, 0, 30), cycles=30).totals()
    assert totals[Cause.RELOAD] == 2 * (max(TILE + 1, Accumulators.HAZARD) - 3)
    assert totals == Counter(totals) | {Cause.PROGRAM: 8 + TILE}


def test_lines_begin_with_what_is_useful() -> None:
    lines = of(30 * 32, (gemm(), 0, 40), cycles=100).lines()
    assert lines[0] == " 30 cycles, 30.00%: useful beats"
    assert lines[1] == " 60 cycles, 60.00%: last results on their way out"
