"""Where multipliers and memories of a large array stand: side by side, as in the drawing.

nextpnr looks for a free block near the place where it wants one. When nearly all are in use that is
any block on the device, and every wire of the array crosses it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from vitaccel.census import Storage
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import words
from vitaccel.hw.mxu.accumulators import bundles

__all__ = ["CELL", "GRIDS", "Grid", "floorplan"]

_CORE = "core.accelerator."
# Cell of an element, by column and row of the array.
CELL = _CORE + "mxu.array.column_{}.multiplier_{}.cell"
# As Yosys names the blocks of a memory.
_ACTIVATIONS = _CORE + "activation.bank_{}.words.0.{}"
_SUMS = _CORE + "mxu.accumulators.rows_{}.bank_{}.words.0.{}"
_WEIGHTS = _CORE + "weights.words.words.0.{}"
# Offsets and names of the multipliers and the RAMs in a group of nine tiles.
_MULTIPLIERS = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))
_RAMS = ((0, "EBR0"), (2, "EBR1"), (4, "EBR2"), (6, "EBR3"))


@dataclass(frozen=True)
class Grid:
    """Multipliers and RAMs of a device: rows of groups of four, tiles counted as nextpnr does.

    Parameters
    ----------
    groups
        First tile of each group, from left to right.
    multipliers
        Their tile rows.
    weights, sums, activations
        Tile rows of RAMs, and what they are for.
    """

    groups: tuple[int, ...]
    multipliers: tuple[int, ...]
    weights: int
    sums: int
    activations: tuple[int, ...]

    @property
    def size(self) -> int:
        """Multipliers."""
        return len(_MULTIPLIERS) * len(self.groups) * len(self.multipliers)

    def columns(self, rows: int, columns: int) -> list[Sequence[int]]:
        """Groups of each column of an array, one or some in every row; empty if it is too large.

        Those in the middle that it does not need are left to POST.
        """
        width = -(-rows // len(self.multipliers) // len(_MULTIPLIERS))
        spare = len(self.groups) - columns * width
        if spare < 0:
            return []
        half = (len(self.groups) - spare) // 2
        used = self.groups[:half] + self.groups[half + spare :]
        return [used[n * width : (n + 1) * width] for n in range(columns)]


# As in Project Trellis' database; Lattice FPGA-TN-02205, figure 2, draws the same rows.
GRIDS = {
    "LFE5U-85F": Grid(
        groups=(4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114),
        multipliers=(10, 34, 58),
        weights=22,
        sums=46,
        activations=(70, 82),
    ),
}


def floorplan(fpga: str, config: AcceleratorConfig) -> Mapping[str, str]:
    """Cell to place, for an array that takes most multipliers of the device.

    A column of the array goes down the device. Below it are its sums, and the activations of the
    lane of its number, of all banks, so that what chooses among banks is beside them. Memories that
    are too large for their rows are left to nextpnr.
    """
    grid = GRIDS.get(fpga)
    rows, n_columns = config.rows, config.wide_groups * config.rows
    if not grid or config.array_products != "blocks" or 2 * rows * n_columns <= grid.size:
        return {}
    columns = grid.columns(rows, n_columns)
    places: dict[str, str] = {}
    for column, groups in enumerate(columns):
        names = [CELL.format(column, row) for row in range(rows)]
        places |= zip(names, _down(groups, grid.multipliers, rows), strict=True)
    if columns:
        places |= _memories(grid, columns, config)
    return places


def _memories(
    grid: Grid, columns: Sequence[Sequence[int]], config: AcceleratorConfig
) -> Iterator[tuple[str, str]]:
    """Blocks of the large memories and their places."""
    every = [group for groups in columns for group in groups]
    word, banks = 8 * config.rows, config.activation_banks
    n = _blocks(word, config.activation_words // banks, config.rows)
    names = [_ACTIVATIONS.format(bank, k) for k in range(n) for bank in range(banks)]
    yield from _spread(names, [(g, row) for g in every for row in grid.activations])

    for bundle in bundles(config):
        if bundle[-1] >= len(columns):
            continue  # power-of-two columns: in LUTs, anywhere
        n = _blocks(_sums_bits(config, len(bundle)), config.accumulator_rows)
        names = [_SUMS.format(bundle[0], bank, k) for k in range(n) for bank in range(2)]
        yield from _spread(names, [(g, grid.sums) for column in bundle for g in columns[column]])

    names = [_WEIGHTS.format(k) for k in range(_blocks(word, config.weight_words))]
    yield from zip(names, _rams((g, grid.weights) for g in every), strict=False)


def _sums_bits(config: AcceleratorConfig, columns: int) -> int:
    return columns * config.accumulator_bits * (2 if config.packed else 1)


def _blocks(width: int, depth: int, granules: int = 1) -> int:
    """RAMs of a memory."""
    return words(Storage(width, depth, "block", granules=granules)).blocks


def _down(groups: Sequence[int], lines: Sequence[int], rows: int) -> Iterator[str]:
    """Places of the elements of a column, an equal share of them in each line."""
    share = -(-rows // len(lines))
    for row in range(rows):
        line, place = divmod(row, share)
        group, one = divmod(place, len(_MULTIPLIERS))
        offset, name = _MULTIPLIERS[one]
        yield f"X{groups[group] + offset}/Y{lines[line]}/{name}"


def _rams(groups: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Places of the RAMs in groups, each a tile and a row."""
    for (left, row), (offset, name) in product(groups, _RAMS):
        yield f"X{left + offset}/Y{row}/{name}"


def _spread(names: Sequence[str], groups: Sequence[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Places in ``groups`` at equal distances, or none if there are too few."""
    places = list(_rams(groups))
    if len(names) <= len(places):
        for n, name in enumerate(names):
            yield name, places[n * len(places) // len(names)]
