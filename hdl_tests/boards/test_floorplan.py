"""Where the multipliers of a large array stand."""

import re

from hypothesis import given
from hypothesis import strategies as st

from boards.catalogue import find_board
from boards.design import Design
from boards.floorplan import CELL, GRIDS, Grid, floorplan
from vitaccel.ecp5 import DEVICES
from vitaccel.flow.plan import Plan
from vitaccel.presets import PRESETS

BOARD = find_board("ulx3s-85f")
LARGE = PRESETS["ulx3s-85f"]
GRID = GRIDS[BOARD.fpga]


def plan_of(config: str) -> Plan:
    design = Design(BOARD, PRESETS[config], 4096)
    return design.plan(design.nearest(BOARD.mhz))


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


@given(rows=st.integers(1, 16), columns=st.integers(1, 16), lines=st.integers(1, 4))
def test_no_place_is_given_twice(rows: int, columns: int, lines: int) -> None:
    grid = Grid(GRID.groups, tuple(range(10, 10 * lines + 1, 10)))
    places = list(grid.places(rows, columns))
    assert len(places) in (0, rows * columns)
    assert len(set(places)) == len(places)
    if 4 * lines >= rows and columns <= len(grid.groups):
        assert places


def test_columns_go_from_left_to_right_and_rows_down() -> None:
    places = floorplan(BOARD.fpga, LARGE)
    assert len(places) == 144
    spots = {
        (column, row): tuple(map(int, re.findall(r"\d+", places[CELL.format(column, row)])[:2]))
        for column in range(12)
        for row in range(12)
    }
    for (column, row), (x, y) in spots.items():
        if column:
            left = spots[column - 1, row]
            assert 9 <= x - left[0] <= 11
            assert y == left[1]
        if row:
            above = spots[column, row - 1]
            assert (y == above[1] and x > above[0]) or y == above[1] + 24


def test_a_small_array_is_left_to_nextpnr() -> None:
    assert not floorplan(BOARD.fpga, PRESETS["tiny"])
    assert not floorplan("LFE5U-25F", LARGE)
    assert not floorplan(BOARD.fpga, LARGE.replace(array_products="luts"))


def test_the_netlist_has_these_cells_and_yosys_is_told_of_them() -> None:
    plan = plan_of("ulx3s-85f")
    places = floorplan(BOARD.fpga, LARGE)
    last = CELL.format(11, 11)
    assert module_of(plan.files["top.il"], last.split(".")) == r"\MULT18X18D"
    told = re.findall(r'^setattr -set BEL "(\S+)" top/c:(\S+)$', plan.files["top.ys"], re.M)
    assert {cell: place for place, cell in told} == places
    assert "setattr" not in plan_of("tiny").files["top.ys"]
