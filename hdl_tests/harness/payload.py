"""Payloads as integers, for ports that show nothing but bits."""

from typing import Any

from amaranth.hdl import ShapeLike
from amaranth.lib import data


def packed(layout: ShapeLike, value: Any) -> int:
    """Bits of a structure (as a dict) or of an array (as a list)."""
    assert isinstance(layout, data.Layout)
    return layout.const(value).as_bits()
