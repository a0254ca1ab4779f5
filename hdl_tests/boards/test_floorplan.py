"""Where multipliers and memories of a large array stand."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.catalogue import find_board
from boards.design import Design
from boards.floorplan import CELL, GRIDS, floorplan
from vitaccel.ecp5 import DEVICES
from vitaccel.flow.gateware import build_gateware
from vitaccel.flow.plan import Plan
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch

BOARD = find_board("ulx3s-85f")
LARGE = PRESETS["ulx3s-85f"]
GRID = GRIDS[BOARD.fpga]


def plan_of(config: str) -> Plan:
    design = Design(BOARD, PRESETS[config], 4096)
    return design.plan(design.nearest(BOARD.mhz))


def spot(place: str) -> tuple[int, int]:
    x, y = map(int, re.findall(r"\d+", place)[:2])
    return x, y


def module_of(netlist: str, path: list[str]) -> str:
    """Kind of the cell that a path of names leads to."""
    kind = r"\top"
    for name in path:
        body = netlist.split(f"\nmodule {kind}\n")[1].split("\nend\n")[0]
        kind = re.findall(rf"^  cell (\S+) \\{name}$", body, re.M)[0]
    return kind


def test_the_grid_is_that_of_the_device() -> None:
    assert {fpga: grid.size for fpga, grid in GRIDS.items()} == {
        fpga: DEVICES[fpga].dsp for fpga in GRIDS
    }


@given(rows=st.integers(1, 30), columns=st.integers(1, 16))
def test_a_column_has_groups_of_its_own(rows: int, columns: int) -> None:
    found = GRID.columns(rows, columns)
    assert len(found) in (0, columns)
    each = -(-rows // 12)  # a group of four in each of three rows
    assert bool(found) == (columns * each <= len(GRID.groups))
    used = [group for groups in found for group in groups]
    assert used == sorted(set(used))
    assert all(len(groups) == each for groups in found)


def test_columns_go_from_left_to_right_and_rows_down() -> None:
    places = floorplan(BOARD.fpga, LARGE)
    assert len(set(places.values())) == len(places)
    spots = {
        (column, row): spot(places[CELL.format(column, row)])
        for column in range(12)
        for row in range(12)
    }
    for (column, row), (x, y) in spots.items():
        if column:
            left = spots[column - 1, row]
            assert 9 <= x - left[0] <= 20, "beside its neighbour, or beyond the group of POST"
            assert y == left[1]
        if row:
            above = spots[column, row - 1]
            assert (y == above[1] and x > above[0]) or y == above[1] + 24


def test_memories_are_below_their_columns() -> None:
    places = floorplan(BOARD.fpga, LARGE)
    for column in range(12):
        left, _ = spot(places[CELL.format(column, 0)])
        lane = [f"core.accelerator.activation.bank_{b}.words.0.{2 * column}" for b in range(4)]
        assert [spot(places[name]) for name in lane] == [(left + 2 * b, 70) for b in range(4)]
        if column % 3 == 0:
            sums = f"core.accelerator.mxu.accumulators.rows_{column}.bank_0.words.0.0"
            assert spot(places[sums]) == (left, 46)


def test_memories_that_are_too_large_are_left_to_nextpnr() -> None:
    places = floorplan(BOARD.fpga, LARGE.replace(activation_words=32768))
    assert not [name for name in places if ".activation." in name]
    assert [name for name in places if ".array." in name]


def test_a_small_array_is_left_to_nextpnr() -> None:
    assert not floorplan(BOARD.fpga, PRESETS["tiny"])
    assert not floorplan("LFE5U-25F", LARGE)
    assert not floorplan(BOARD.fpga, LARGE.replace(array_products="luts"))


@pytest.mark.synth
def test_the_netlist_has_these_cells_and_yosys_is_told_of_them() -> None:
    plan = plan_of("ulx3s-85f")
    places = floorplan(BOARD.fpga, LARGE)
    last = CELL.format(11, 11)
    assert module_of(plan.files["top.il"], last.split(".")) == r"\MULT18X18D"
    told = re.findall(r'^setattr -set BEL "(\S+)" top/c:(\S+)$', plan.files["top.ys"], re.M)
    assert {cell: place for place, cell in told} == places
    assert "setattr" not in plan_of("tiny").files["top.ys"]


@pytest.mark.synth
def test_every_place_has_its_cell_after_synthesis(tmp_path: Path) -> None:
    plan = plan_of("ulx3s-85f")
    build_gateware(plan, tmp_path, (), Stopwatch())
    netlist = json.loads((tmp_path / plan.digest() / "top.json").read_text())
    cells = netlist["modules"]["top"]["cells"]
    taken = {name: cell["attributes"].get("BEL") for name, cell in cells.items()}
    assert {name: place for name, place in taken.items() if place} == floorplan(BOARD.fpga, LARGE)
