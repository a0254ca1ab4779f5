"""`hw.post.post` against `golden.ops.requant`, command by command."""

import random

import pytest

from hdl_tests.harness.post_bench import PostBench
from hdl_tests.harness.post_cases import Memories, random_case
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.presets import PRESETS

_SMALL = {"post_words": 16, "accumulator_rows": 16}
CONFIGS = {
    "one group": PRESETS["tiny"].replace(rows=3, columns=3, **_SMALL),
    "pot": PRESETS["demo"].replace(rows=2, columns=8, pot_columns=2, **_SMALL),
    "packed": PRESETS["w4a8"].replace(rows=2, columns=10, pot_columns=2, **_SMALL),
    "hybrid": PRESETS["demo"].replace(
        rows=4, columns=8, pot_columns=4, post_cycles=2, hybrid=True, **_SMALL
    ),
    "shift": PRESETS["shift"].replace(rows=2, columns=4, **_SMALL),
    "two parts": PRESETS["w4a8"].replace(
        rows=4, columns=12, pot_columns=4, post_cycles=2, post_products="mixed", **_SMALL
    ),
    "three parts": PRESETS["tiny"].replace(
        rows=6, columns=6, post_cycles=3, post_products="luts", **_SMALL
    ),
}


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_random_commands(seed: int, config: AcceleratorConfig, pause: float) -> None:
    memories = Memories(config, seed)
    rng = random.Random(seed)
    cases = [random_case(rng, memories) for _ in range(12)]
    PostBench(memories, cases, pause=pause, seed=seed).check()


@pytest.mark.parametrize("use_residual", [0, 1])
@pytest.mark.parametrize("name", ["pot", "packed", "two parts"])
def test_latency_and_cycles_per_word(name: str, use_residual: int) -> None:
    """Three cycles more per tile, none between commands; the residual costs nothing."""
    cycles = CONFIGS[name].post_cycles
    memories = Memories(CONFIGS[name], 0)
    rng = random.Random(0)
    shape = {"n_rows": 12, "n_words": 6, "tile_words": 2}
    cases = [
        random_case(rng, memories, use_table=0, use_residual=use_residual, **shape)
        for _ in range(3)
    ]
    bench = PostBench(memories, cases)
    bench.check()
    want = []
    at = bench.written[0]
    for _ in range(3 * len(cases)):
        want += range(at, at + 24 * cycles, cycles)
        at += 24 * cycles + 3
    assert bench.written == want
    # Three cycles to check and cut the command, one each for taking and for walking the tile.
    start = bench.taken[0] + 5 + 9 * cycles * shape["tile_words"]
    assert bench.written[0] == start + bench.dut.latency


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("name", ["pot", "two parts"])
def test_tables_are_loaded_while_others_are_used(name: str, pause: float) -> None:
    """Words come as if nothing were loaded; the table goes into the gaps between tiles."""
    memories = Memories(CONFIGS[name], 0)
    rng = random.Random(0)
    shape = {"n_rows": 4, "n_words": 4, "tile_words": 1, "use_table": 1}
    cases = [random_case(rng, memories, table=0, low=-128, high=127, **shape) for _ in range(30)]
    alone = PostBench(memories, cases, pause=pause)
    alone.check()
    later = [random_case(rng, memories, table=1, low=-128, high=127, **shape) for _ in range(3)]
    bench = PostBench(memories, cases + later, pause=pause)
    bench.late = 1
    bench.check()
    if not pause:
        first, *_ = alone.written
        same = bench.written[: len(alone.written)]
        assert [t - same[0] for t in same] == [t - first for t in alone.written]


def test_tails_wait_for_their_parameters() -> None:
    """Many commands of one word each: as soon as its nine planes are there."""
    memories = Memories(CONFIGS["one group"], 0)
    rng = random.Random(0)
    shape = {"n_rows": 1, "n_words": 1, "use_table": 0, "use_residual": 0}
    bench = PostBench(memories, [random_case(rng, memories, **shape) for _ in range(40)])
    bench.check()
    assert bench.written == list(range(bench.written[0], bench.written[0] + 11 * 40, 11))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"n_rows": 0}, isa.Status.ILLEGAL_FIELD),
        ({"n_rows": 17}, isa.Status.ILLEGAL_FIELD),
        ({"n_words": 0}, isa.Status.ILLEGAL_FIELD),
        ({"tile_words": 0}, isa.Status.ILLEGAL_FIELD),
        ({"tile_words": 2}, isa.Status.ILLEGAL_FIELD),
        ({"post_shift": 0}, isa.Status.ILLEGAL_FIELD),
        ({"post_shift": 33}, isa.Status.ILLEGAL_FIELD),
        ({"pre_shift": 16}, isa.Status.ILLEGAL_FIELD),
        ({"use_table": 1, "table": 2}, isa.Status.ILLEGAL_FIELD),
        ({"wide": 1}, isa.Status.ILLEGAL_FIELD),
        ({"lanes_before": CONFIGS["one group"].rows}, isa.Status.ILLEGAL_FIELD),
        ({"lanes_after": 31}, isa.Status.ILLEGAL_FIELD),
        ({"param": 7, "n_words": 2}, isa.Status.LOCAL_ADDRESS),
        ({"param": 65535, "n_words": 65535}, isa.Status.LOCAL_ADDRESS),
        ({"param": 8, "n_words": 1}, isa.Status.LOCAL_ADDRESS),
    ],
    ids=str,
)
def test_illegal_command_stops_the_unit(fields: dict[str, int], status: isa.Status) -> None:
    """The command before finishes, no other begins."""
    memories = Memories(CONFIGS["one group"].replace(post_words=8), 0)
    rng = random.Random(0)
    good = random_case(rng, memories, n_rows=2, n_words=2, use_table=0, low=-128, high=127)
    bench = PostBench(memories, [good])
    bad = good.fields | {"use_residual": 1} | fields

    bench.bad = bad
    bench.check()
    assert bench.status == status
