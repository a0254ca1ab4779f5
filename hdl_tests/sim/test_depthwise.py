"""`hw.depthwise.depthwise`: commands over a memory, against golden's convolution."""

import random
from typing import Any

import pytest
import torch

from hdl_tests.harness.depthwise_cases import REGION, DepthwiseCase, random_case, table_writes
from hdl_tests.harness.unit_bench import UnitBench
from hdl_tests.harness.vector_rows import write_all
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.depthwise import Depthwise
from vitaccel.isa import Status
from vitaccel.windows import walk_cycles

_SMALL = AcceleratorConfig(
    rows=2, columns=2, depthwise_width=16, depthwise_steps=128, depthwise_words=8
)
CONFIGS = {
    "one tap": _SMALL.replace(depthwise_taps=1),
    "two taps, 8 bits": _SMALL.replace(depthwise_taps=2, depthwise_bits=8),
    "three taps, two parts": _SMALL.replace(
        rows=4, columns=4, depthwise_taps=3, depthwise_cycles=2, table_slots=3
    ),
    "three taps, three parts": _SMALL.replace(
        rows=6, columns=6, depthwise_taps=3, depthwise_cycles=3, depthwise_products="luts"
    ),
    "five taps, 8 bits": _SMALL.replace(
        depthwise_taps=5, depthwise_bits=8, depthwise_products="blocks", table_slots=1
    ),
    "shift": _SMALL.replace(rows=3, columns=3, depthwise_taps=4, requant="shift"),
}
DEPTH = 4 * REGION
FIRST_WORD = 8  # cycles until the memory has answered, and those of `done`


def run(
    memory: list[list[int]],
    cases: list[DepthwiseCase],
    *,
    loaded: bool = True,
    pause: float = 0.0,
    rest: float | None = None,
    seed: int = 0,
    max_cycles: int = 30000,
) -> UnitBench:
    """Run cases one after the other; unless ``loaded`` with whatever the unit's memories hold."""
    config = cases[0].config
    dut = Depthwise(config)
    bench = UnitBench(dut, memory, pause, rest, delays=(1, 3))

    async def command(ctx: Any) -> None:
        rng = random.Random("command")
        tables = table_writes(random_tables(config), config.rows) if loaded else []
        await write_all(ctx, dut.table, tables)
        for case in cases:
            if loaded:
                await write_all(ctx, dut.weight, case.weight_writes())
                await write_all(ctx, dut.param, case.param_writes())
            await bench.offer(ctx, rng, case.fields)
            while len(bench.done) < len(bench.taken) and bench.fault == Status.OK:
                await ctx.tick()

    bench.run(command, len(cases), seed=seed, max_cycles=max_cycles)
    return bench


def random_memory(config: AcceleratorConfig, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(256) for _ in range(config.rows)] for _ in range(DEPTH)]


def random_tables(config: AcceleratorConfig) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(-128, 128, (config.table_slots, 256), generator=draw)


def check(cases: list[DepthwiseCase], **settings: Any) -> UnitBench:
    """Run cases side by side in a memory of which nothing else may change."""
    config = cases[0].config
    memory, tables = random_memory(config, 0), random_tables(config)
    for case in cases:
        case.fill(memory)
    want = [list(word) for word in memory]
    for case in cases:
        case.expect(want, tables)
    bench = run(memory, cases, **settings)
    for address, (got, word) in enumerate(zip(memory, want, strict=True)):
        assert got == word, f"word {address} of {cases[min(address // REGION, len(cases))].fields}"
    return bench


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_commands_match_golden(config: AcceleratorConfig) -> None:
    shapes = [(kernel, stride) for kernel in (3, 5) for stride in (1, 2)]
    cases = [
        random_case(config, n, n * REGION, kernel=kernel, stride=stride)
        for n, (kernel, stride) in enumerate(shapes)
    ]
    bench = check(cases)
    for case, taken, done in zip(cases, bench.taken, bench.done, strict=True):
        least = Depthwise.START + walk_cycles(config, case.fields)
        assert least <= done - taken < least + bench.dut.latency + FIRST_WORD


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["two taps, 8 bits", "three taps, two parts"])
def test_pauses_on_both_sides(name: str, seed: int) -> None:
    check([random_case(CONFIGS[name], 10 * seed + n, n * REGION) for n in range(2)], pause=0.5)


def test_results_wait_for_a_slow_memory() -> None:
    """Windows come much faster than they are written: none is begun that has no place."""
    size = {"height": 5, "width": 6, "above": 1, "below": 1, "side": 1, "n_words": 2}
    case = random_case(CONFIGS["three taps, two parts"], 1, kernel=3, stride=1, **size)
    check([case], rest=0.93)


REFUSED = {
    "no rows": ({"height": 0}, Status.ILLEGAL_FIELD),
    "no pixels": ({"width": 0}, Status.ILLEGAL_FIELD),
    "no channels": ({"n_words": 0}, Status.ILLEGAL_FIELD),
    "kernel": ({"kernel": 4}, Status.ILLEGAL_FIELD),
    "stride": ({"stride": 3}, Status.ILLEGAL_FIELD),
    "stride 0": ({"stride": 0}, Status.ILLEGAL_FIELD),
    "too wide": ({"width": 15}, Status.ILLEGAL_FIELD),
    "too narrow": ({"width": 2, "side": 0}, Status.ILLEGAL_FIELD),
    "too low": ({"height": 1, "below": 0}, Status.ILLEGAL_FIELD),
    "pre_shift": ({"pre_shift": 16}, Status.ILLEGAL_FIELD),
    "post_shift 0": ({"post_shift": 0}, Status.ILLEGAL_FIELD),
    "post_shift 33": ({"post_shift": 33}, Status.ILLEGAL_FIELD),
    "table": ({"use_table": 1, "table": 2}, Status.ILLEGAL_FIELD),
    "weights": ({"weights": 128 - 8}, Status.LOCAL_ADDRESS),
    "far weights": ({"weights": 0xFFFF}, Status.LOCAL_ADDRESS),
    "param": ({"param": 8}, Status.LOCAL_ADDRESS),
}
ACCEPTED = {
    "widest": {"width": 14},
    "last weights": {"weights": 128 - 9},
    "last param": {"param": 7},
    "no table": {"use_table": 0, "table": 2},
}
CORNER = {
    "kernel": 3, "stride": 1, "side": 1, "above": 1, "below": 1, "height": 1, "width": 3,
    "n_words": 1, "use_table": 0,
}  # fmt: skip


@pytest.mark.parametrize(("changes", "status"), REFUSED.values(), ids=REFUSED)
def test_refuses(changes: dict[str, int], status: Status) -> None:
    """A refused command touches nothing and is not done; later ones are not taken."""
    case = random_case(CONFIGS["one tap"], 0, **CORNER)
    case.fields |= changes
    bench = run(random_memory(case.config, 0), [case, case], loaded=False)
    assert bench.fault == status
    assert len(bench.taken) == 1
    assert not bench.requests
    assert not bench.writes


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_does_not_refuse_the_last_legal_value(changes: dict[str, int]) -> None:
    case = random_case(CONFIGS["one tap"], 0, **CORNER)
    case.fields |= changes
    bench = run(random_memory(case.config, 0), [case], loaded=False)
    assert bench.fault == Status.OK
    assert len(bench.done) == 1
