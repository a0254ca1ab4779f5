# amaranth: UnusedElaboratable=no
"""`hw.mxu.mxu` against exact integer matrix products."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.gemm import Gemm, modes, random_gemm
from hdl_tests.harness.mxu_bench import Bench
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.isa import Columns, Stationary

SMALL = AcceleratorConfig(accumulator_rows=16, activation_words=1024, weight_words=256)
CONFIGS = {
    "4x4": SMALL.replace(rows=4, columns=4),
    "4x4-a6": SMALL.replace(
        rows=4, columns=4, activation_bits=6, weight_bits=6, array_products="luts"
    ),
    "4x8-packed": SMALL.replace(rows=4, columns=8, weight_bits=4),
    "4x8-pot": SMALL.replace(rows=4, columns=8, pot_columns=4),
    "2x8-packed": SMALL.replace(rows=2, columns=8, weight_bits=4),
    "2x4-pot": SMALL.replace(rows=2, columns=4, pot_columns=2),
    "3x9-mixed": SMALL.replace(
        rows=3, columns=9, pot_columns=3, weight_bits=4, log2_attention=True, array_products="luts"
    ),
    "3x6-log2": SMALL.replace(rows=3, columns=6, pot_columns=3, log2_attention=True),
    "4x4-hybrid": SMALL.replace(rows=4, columns=4, hybrid=True),
    "3x6-pot5": SMALL.replace(rows=3, columns=6, pot_columns=3, pot_bits=5, accumulator_bits=24),
}


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("name", CONFIGS)
def test_random_commands(name: str, pause: float) -> None:
    config, rng = CONFIGS[name], np.random.default_rng(len(name))
    each = [random_gemm(config, rng, source=s, columns=c) for s, c in modes(config)]
    gemms = [*each, *(random_gemm(config, rng) for _ in range(8 - len(each)))]
    bench = Bench(config, gemms, pause=pause, seed=len(name))
    bench.run()
    bench.check()


@pytest.mark.parametrize("name", ["2x8-packed", "3x9-mixed"])
@pytest.mark.parametrize("seed", range(2))
def test_kinds_of_columns_in_any_order(name: str, seed: int) -> None:
    """No word is taken for one of another kind as memories and pairs change places."""
    config, rng = CONFIGS[name], np.random.default_rng(seed)
    kinds = [modes(config)[n % len(modes(config))] for n in rng.permutation(24)]
    gemms = [
        random_gemm(config, rng, source=s, columns=c, n_rows=2, k_tiles=2, n_tiles=1)
        for s, c in kinds
    ]
    bench = Bench(config, gemms, pause=0.3 * seed, seed=seed)
    bench.run()
    bench.check()


@pytest.mark.parametrize("columns", [Columns.UNIFORM, Columns.POT, Columns.PACKED])
@pytest.mark.parametrize("k_tiles", [1, 2, 3])
def test_every_mask_of_lanes(columns: Columns, k_tiles: int) -> None:
    config = CONFIGS["3x9-mixed"]
    gemms = [
        Gemm(
            n_rows=2,
            k_tiles=k_tiles,
            n_tiles=2,
            stream=7 * n,
            stationary=11 * n,
            stationary_stride=3,
            tile_stride=5,
            source=Stationary.ROWS,
            columns=columns,
            lanes_before=n // 3,
            lanes_after=n % 3,
        )
        for n in range(9)
    ]
    bench = Bench(config, gemms)
    bench.run()
    bench.check()


def test_every_row_count() -> None:
    """Short tiles wait so that beats of a row keep their distance; loading them is no slower."""
    config = CONFIGS["4x4"].replace(rows=2, columns=2)
    gemms = [
        Gemm(n_rows=n_rows, k_tiles=4, stream=7 * n_rows, stream_stride=5, stationary=n_rows)
        for n_rows in range(1, config.accumulator_rows + 1)
    ]
    bench = Bench(config, gemms)
    bench.run()
    bench.check()


def test_accumulators_wrap() -> None:
    config = CONFIGS["4x4"].replace(accumulator_bits=20)
    bench = Bench(config, [Gemm(n_rows=4, k_tiles=20, unsigned=1)])
    for memory, value in zip(bench.memories, (255, 127), strict=True):
        memory[:] = value
    bench.run()
    bench.check()
    assert 80 * 255 * 127 >= 2**20
    assert (bench.sums[0] == 80 * 255 * 127 - (2 << 20)).all()


@pytest.mark.parametrize("name", ["4x8-pot", "4x8-packed", "3x9-mixed", "3x6-log2"])
def test_beats_without_gaps(name: str) -> None:
    """Tiles, n-tiles and commands follow each other without a bubble, whatever their source."""
    config = CONFIGS[name]
    gemms = [
        Gemm(n_rows=16, k_tiles=4, n_tiles=2, stationary_stride=3, source=s, columns=c)
        for s, c in modes(config)
    ]
    bench = Bench(config, gemms)
    bench.run()
    bench.check()
    assert bench.beats == [bench.beats[0] + n for n in range(len(gemms) * 128)]
    assert bench.dones == bench.beats[127::128]


@pytest.mark.parametrize("source", [Stationary.ROWS, Stationary.TRANSPOSED])
@pytest.mark.parametrize("name", ["4x8-packed", "2x8-packed"])
def test_pairs_hide_behind_as_many_rows(name: str, source: Stationary) -> None:
    config = CONFIGS[name]
    n_rows = 2 * config.wide_groups * config.rows
    stationary = {"source": source, "columns": Columns.PACKED, "stationary_stride": 3}
    bench = Bench(config, [Gemm(n_rows=n_rows, k_tiles=6, n_tiles=2, **stationary)])
    bench.run()
    bench.check()
    assert bench.beats == [bench.beats[0] + n for n in range(12 * n_rows)]


@pytest.mark.parametrize("columns", [Columns.UNIFORM, Columns.PACKED])
@pytest.mark.parametrize("source", [Stationary.ROWS, Stationary.TRANSPOSED])
@pytest.mark.parametrize("name", ["4x8-packed", "2x8-packed"])
def test_time_of_one_tile(name: str, source: Stationary, columns: Columns) -> None:
    config = CONFIGS[name]
    bench = Bench(config, [Gemm(source=source, columns=columns)], latency=1)
    bench.run()
    n_words = config.wide_groups * config.rows
    # Words follow single ones of the same memory: no switch before those that are not paired.
    words = 2 * n_words if columns == Columns.PACKED else n_words - 1
    wait = config.rows - 2 if source == Stationary.TRANSPOSED else 0
    assert bench.beats == [bench.taken[0] + Mxu.START_CYCLES + words + wait]


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5])
def test_time_of_one_command(n_rows: int) -> None:
    config = CONFIGS["4x4"]
    bench = Bench(config, [Gemm(n_rows=n_rows)], latency=1)
    bench.run()
    assert bench.beats == [bench.taken[0] + Mxu.START_CYCLES + 4 + n for n in range(n_rows)]
    assert bench.filled[0] == bench.beats[-1] + Accumulators(config).latency


ROWS, TRANSPOSED = Stationary.ROWS, Stationary.TRANSPOSED
REFUSED = {
    "2x4-pot": [
        {"n_rows": 0},
        {"n_rows": 17},
        {"k_tiles": 0},
        {"n_tiles": 0},
        {"source": 3},
        {"columns": Columns.POT, "source": Stationary.WEIGHT},
        {"columns": Columns.POT, "source": ROWS},
        {"columns": Columns.PACKED, "source": ROWS},
        {"columns": Columns.ALL, "source": ROWS},
        {"columns": Columns.ALL, "source": TRANSPOSED},
        {"columns": Columns.UNIFORM, "source": TRANSPOSED, "stationary_stride": 2**15},
        {"columns": Columns.UNIFORM, "source": ROWS, "stationary_stride": 2**15},
        {"columns": Columns.UNIFORM, "source": ROWS, "lanes_before": 2},
        {"columns": Columns.UNIFORM, "source": ROWS, "lanes_after": 2},
        {"columns": Columns.UNIFORM, "source": TRANSPOSED, "lanes_before": 1},
        {"lanes_after": 1},
    ],
    "4x4-hybrid": [
        {"relu_stationary": 1},
        {"kernel": 3, "tap_words": 1},
        {"kernel": 3, "row_pixels": 1},
    ],
    "2x8-packed": [
        {"columns": Columns.PACKED, "source": Stationary.WEIGHT},
        {"columns": Columns.PACKED, "source": ROWS, "stationary_stride": 2**14},
        {"columns": Columns.PACKED, "source": ROWS, "lanes_before": 2},
    ],
}


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name in REFUSED for change in REFUSED[name]], ids=str
)
def test_refuses_illegal_fields(name: str, change: dict[str, int]) -> None:
    """The command before finishes, the illegal one and those after it are not executed."""
    dut = Mxu(CONFIGS[name])
    gemms = [Gemm(n_rows=2), Gemm(**change)]

    async def offer(ctx: TestbenchContext) -> None:
        ctx.set(dut.stream.request.ready, 1)
        ctx.set(dut.weights.request.ready, 1)
        ctx.set(dut.command.valid, 1)
        n_taken = n_done = 0
        for _ in range(100):
            ctx.set(
                dut.command.payload.as_value(),
                gemms[min(n_taken, 1)].as_bits(hybrid=dut.config.hybrid),
            )
            asked = ctx.get(dut.weights.request.valid), ctx.get(dut.stream.request.valid)
            *_, ready, done = await ctx.tick().sample(dut.command.ready, dut.done)
            n_taken, n_done = n_taken + ready, n_done + done
            ctx.set(dut.weights.valid, asked[0])
            ctx.set(dut.stream.valid, asked[1])
        assert (n_taken, n_done) == (2, 1)
        assert ctx.get(dut.fault) == isa.Status.ILLEGAL_FIELD

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(offer)
    sim.run()
