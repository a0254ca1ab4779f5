"""`vitaccel.resources` and what it stands on: memories as Yosys builds them, units as made."""

import json
from pathlib import Path

import pytest
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]

from vitaccel.census import Storage, census
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import DEVICES, Resources, words
from vitaccel.flow.synth import cells, comb_of
from vitaccel.presets import PRESETS
from vitaccel.resources import UNITS, fixed, resource_lines, resource_summary, resources

BENCHMARK = Path(__file__).parents[2] / "docs" / "benchmarks" / "resources.json"
TOLERANCE = 0.05


@pytest.mark.parametrize(
    ("width", "depth", "blocks", "luts"),
    [  # as Yosys 0.70 did it
        (32, 16, 0, 8), (32, 32, 0, 16), (32, 64, 1, 0), (8, 64, 0, 8), (8, 256, 1, 0),
        (16, 64, 0, 16), (16, 128, 1, 0), (37, 64, 0, 40), (65, 64, 2, 0), (109, 128, 4, 0),
        (193, 64, 6, 0), (96, 2048, 11, 0), (96, 4096, 22, 0), (96, 20480, 110, 0),
        (64, 16384, 64, 0), (128, 2048, 15, 0), (48, 1024, 3, 0), (1, 4096, 1, 0),
        # not a power of two: the last row of blocks is wider
        (96, 2560, 14, 0), (96, 3072, 17, 0), (96, 5120, 28, 0), (96, 6000, 33, 0),
        (96, 9216, 50, 0), (64, 1536, 6, 0), (128, 3072, 23, 0), (32, 3000, 6, 0),
    ],
)  # fmt: skip
def test_block_ram_is_built_as_yosys_does(width: int, depth: int, blocks: int, luts: int) -> None:
    built = words(Storage(width, depth, "block"))
    assert (built.blocks, built.luts) == (blocks, luts)


@pytest.mark.parametrize(("width", "depth", "blocks"), [(24, 64, 0), (25, 64, 1), (32, 1024, 2)])
def test_a_memory_that_brings_the_old_word(width: int, depth: int, blocks: int) -> None:
    assert words(Storage(width, depth, "clocked")).blocks == blocks


def test_a_memory_read_without_a_clock_is_in_luts() -> None:
    assert words(Storage(96, 512, "queue")).luts == 24 * 32


@pytest.mark.parametrize(
    ("width", "depth", "blocks"), [(96, 5120, 30), (96, 4096, 24), (96, 1024, 6), (32, 1024, 2)]
)
def test_bytes_written_separately_take_nine_bits(width: int, depth: int, blocks: int) -> None:
    assert words(Storage(width, depth, "block", granules=width // 8)).blocks == blocks


def test_two_reading_ports_need_blocks_of_18_bits() -> None:
    assert words(Storage(36, 512, "block")).blocks == 1
    assert words(Storage(36, 512, "block", readers=2)).blocks == 2


@pytest.mark.parametrize("name", ["mxu", "vector", "weight_buffer", "shell"])
def test_products_with_constants_are_sums(name: str) -> None:
    """Yosys would take a multiplier block. The other units index arrays, which it sees through."""
    config = PRESETS["small"].replace(rows=3, columns=6)
    text = rtlil.convert(UNITS[name](config), emit_src=False, platform="ecp5")
    assert "cell $mul " not in text


def test_census_counts_shared_parts_as_often_as_they_occur() -> None:
    config = AcceleratorConfig(rows=4, columns=8, accumulator_rows=64)
    counted = census(UNITS["mxu"](config))
    assert counted.cells["MULT18X18D"] == 32
    assert counted.storage[Storage(32, 64, "block")] == 2 * 8


@pytest.mark.parametrize(
    "row", json.loads(BENCHMARK.read_text()), ids=lambda r: f"{r['configuration']} {r['unit']}"
)
def test_benchmark_stands(row: dict[str, int | str]) -> None:
    """Multipliers and memories are exact, the rest is near."""
    assert row["DSP"] == row["DSP, model"]
    assert row["RAM"] == row["RAM, model"]
    for kind in ("COMB", "FF"):
        assert row[f"{kind}, model"] == pytest.approx(row[kind], rel=TOLERANCE, abs=20)


def test_benchmark_is_of_this_model() -> None:
    stored = {
        row["unit"]: row
        for row in json.loads(BENCHMARK.read_text())
        if row["configuration"] == "tiny"
    }
    for name, unit in resources(PRESETS["tiny"]).items():
        row = stored[name]
        assert (unit.comb, unit.ff, unit.dsp, unit.ram) == tuple(
            row[f"{kind}, model"] for kind in ("COMB", "FF", "DSP", "RAM")
        )


@pytest.mark.synth
@pytest.mark.slow
@pytest.mark.parametrize("unit", ["weight_buffer", "scratchpad", "post", "mxu"])
def test_model_is_near_synthesis(unit: str, tmp_path: Path) -> None:
    config = PRESETS["tiny"]
    found = cells(UNITS[unit](config), unit, tmp_path)
    model = resources(config)[unit]
    assert model.dsp == found.get("MULT18X18D", 0)
    assert model.ram == found.get("DP16KD", 0)
    assert model.comb == pytest.approx(comb_of(found), rel=TOLERANCE, abs=20)
    assert model.ff == pytest.approx(found["TRELLIS_FF"], rel=TOLERANCE, abs=20)


@pytest.mark.parametrize("name", ["demo", "shift", "mixed-12x24"])
def test_a_preset_has_resources(name: str) -> None:
    units = resources(PRESETS[name])
    assert units["mxu"].dsp >= PRESETS[name].multipliers
    assert all(unit.comb > 0 and unit.ff > 0 for unit in units.values())


@pytest.mark.parametrize(
    ("products", "post", "vector"), [("blocks", 4, 7), ("mixed", 2, 4), ("luts", 0, 0)]
)
def test_multipliers_beside_the_array(products: str, post: int, vector: int) -> None:
    config = PRESETS["tiny"].replace(
        post_cycles=2, vector_cycles=2, post_products=products, vector_products=products
    )
    for name, number in (("post", post), ("vector", vector)):
        exact, _ = fixed(name, config)
        assert exact.dsp == number


@pytest.mark.parametrize("name", ["ulx3s-85f", "ulx3s-85f-pot"])
def test_ulx3s_fits_with_room_for_memory_controller_and_link(name: str) -> None:
    total = sum(resources(PRESETS[name]).values(), Resources())
    device = DEVICES["LFE5U-85F"]
    assert total.dsp == device.dsp
    assert total.comb + 5000 < 0.85 * device.comb
    assert total.ram + 4 < device.ram


def test_ulx3s_has_no_room_for_another_group_of_power_of_two_columns() -> None:
    more = PRESETS["ulx3s-85f-pot"].replace(columns=60, pot_columns=36)
    total = sum(resources(more).values(), Resources())
    assert total.comb > 0.85 * DEVICES["LFE5U-85F"].comb


def test_shares_of_a_device_and_what_does_not_fit() -> None:
    units = {"one": Resources(83640, 100, 78, 52), "other": Resources(0, 100, 0, 52)}
    about = resource_summary(units)
    assert about["total"] == {"comb": 83640, "ff": 200, "dsp": 78, "ram": 104}
    assert about["shares"]["LFE5U-85F"] == {"comb": 1.0, "ff": 0.0024, "dsp": 0.5, "ram": 0.5}
    assert resource_lines(about) == [
        "ECP5: 83640 LUT4, 200 flip-flops, 78 MULT18X18D, 104 DP16KD",
        "LFE5U-85F: comb 100%, ff 0%, dsp 50%, ram 50%",
        "LFE5U-45F: comb 191%, ff 0%, dsp 108%, ram 96%: too small",
        "LFE5U-25F: comb 344%, ff 1%, dsp 279%, ram 186%: too small",
    ]
    assert list(DEVICES) == list(about["shares"])
