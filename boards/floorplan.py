"""Where the multipliers of a large array stand: its columns side by side, as in the drawing.

nextpnr looks for a free block near the place where it wants one. When nearly all are in use that is
any block on the device, and every wire of the array crosses it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vitaccel.config import AcceleratorConfig

__all__ = ["CELL", "GRIDS", "Grid", "floorplan"]

# Cell of an element, by column and row of the array.
CELL = "core.accelerator.mxu.array.column_{}.multiplier_{}.cell"
# Offsets and names of the multipliers in a group of nine tiles.
_GROUP = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))


@dataclass(frozen=True)
class Grid:
    """Multipliers of a device: rows of groups of four, tiles counted as nextpnr does.

    Parameters
    ----------
    groups
        First tile of each group, from left to right.
    rows
        Tile rows.
    """

    groups: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def size(self) -> int:
        """Multipliers."""
        return len(_GROUP) * len(self.groups) * len(self.rows)

    def places(self, rows: int, columns: int) -> Iterator[str]:
        """Places of the elements of an array, column after column; none if it is too large.

        A column takes a group, or some, in every row of the device.
        """
        share = -(-rows // len(self.rows))
        width = -(-share // len(_GROUP))
        if columns * width > len(self.groups):
            return
        for column in range(columns):
            for row in range(rows):
                line, place = divmod(row, share)
                group, one = divmod(place, len(_GROUP))
                offset, name = _GROUP[one]
                left = self.groups[column * width + group]
                yield f"X{left + offset}/Y{self.rows[line]}/{name}"


# As in Project Trellis' database; Lattice FPGA-TN-02205, figure 2, draws the same rows.
GRIDS = {
    "LFE5U-85F": Grid((4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114), (10, 34, 58)),
}


def floorplan(fpga: str, config: AcceleratorConfig) -> Mapping[str, str]:
    """Cell to place, of the elements of an array that takes most multipliers of the device."""
    grid = GRIDS.get(fpga)
    rows, columns = config.rows, config.wide_groups * config.rows
    if not grid or config.array_products != "blocks" or 2 * rows * columns <= grid.size:
        return {}
    names = (CELL.format(column, row) for column in range(columns) for row in range(rows))
    return dict(zip(names, grid.places(rows, columns), strict=False))
