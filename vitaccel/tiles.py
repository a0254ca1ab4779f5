"""Stationary tiles of a GEMM: how long they take to load, and how much of the array they fill."""

from collections.abc import Mapping

from vitaccel.config import AcceleratorConfig
from vitaccel.isa import Columns, Stationary

__all__ = ["load_cycles", "usable_columns"]


def load_cycles(config: AcceleratorConfig, fields: Mapping[str, int]) -> int:
    """Cycles in which the words of one tile of a GEMM with these fields reach the array."""
    match fields["columns"]:
        case Columns.ALL:
            return config.weight_tile_words
        case Columns.POT:
            return config.pot_columns
        case Columns.PACKED if fields["source"] == Stationary.ROWS:
            return 2 * config.wide_groups * config.rows  # a word is read in two halves
        case _:
            return config.wide_groups * config.rows


def usable_columns(config: AcceleratorConfig, fields: Mapping[str, int]) -> int:
    """Columns that an operand of this kind can use: 8 bits need two packed ones."""
    match fields["columns"]:
        case Columns.ALL:
            return config.columns
        case Columns.POT:
            return config.pot_columns
        case Columns.PACKED:
            return config.uniform_groups * config.rows
        case _:
            return config.wide_groups * config.rows
