"""Words in parts: units that work on fewer lanes than a word has."""

from typing import Any

from amaranth import Module, Value
from amaranth.lib import data

from vitaccel.config import AcceleratorConfig

__all__ = ["link_first_part", "part_config", "part_of"]


def part_config(config: AcceleratorConfig, cycles: int) -> AcceleratorConfig:
    """The same memories in words of ``rows / cycles`` lanes, for what works on one part at a time.

    It shapes units of POST and VECTOR, not an array, and may be past the bounds of a configuration.
    """
    return config.model_copy(
        update={
            "rows": config.rows // cycles,
            "post_words": config.post_words * cycles,
            "vector_words": config.vector_words * cycles,
            "row_words": config.row_words * cycles,
            "post_cycles": 1,
            "vector_cycles": 1,
        }
    )


def part_of(lanes: data.View, part: Value, n_parts: int) -> data.View:
    """Part ``part`` of the lanes of a word: the first has its first lanes."""
    layout = lanes.shape()
    assert isinstance(layout, data.ArrayLayout)
    one = data.ArrayLayout(layout.elem_shape, layout.length // n_parts)
    parts = data.View(data.ArrayLayout(one, n_parts), lanes.as_value())
    return parts[part] if n_parts > 1 else parts[0]


def link_first_part(m: Module, source: Any, sink: Any) -> None:
    """Connect two write ports; of each word the first lanes are written."""
    n_lanes = len([*sink.p.data])
    m.d.comb += [
        sink.p.address.eq(source.p.address),
        *(sink.p.data[r].eq(source.p.data[r]) for r in range(n_lanes)),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]
