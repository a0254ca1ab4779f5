"""Shift registers and trees of registers that keep pipelines aligned."""

from collections.abc import Callable, Sequence
from typing import Any

from amaranth import Module, Signal, Value
from amaranth.utils import ceil_log2

__all__ = ["delay", "reduce_tree", "tree_latency"]


def delay(m: Module, value: Any, cycles: int, *, name: str) -> Any:
    """Return ``value`` as it was ``cycles`` cycles ago; it starts as zero."""
    for n in range(cycles):
        later = Signal.like(value, name=f"{name}_{n + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value


def tree_latency(n_values: int) -> int:
    """Cycles that `reduce_tree` takes."""
    return ceil_log2(n_values)


def reduce_tree(
    m: Module, values: Sequence[Value], join: Callable[[Value, Value], Value], *, name: str
) -> Value:
    """Join values pairwise, with a register after every level of the tree."""
    level = 0
    while len(values) > 1:
        odd = values[len(values) - len(values) % 2 :]
        pairs = zip(values[::2], values[1::2], strict=False)
        joined = [join(a, b) for a, b in pairs] + list(odd)
        registers = [
            Signal(value.shape(), name=f"{name}_{level}_{n}") for n, value in enumerate(joined)
        ]
        m.d.sync += [register.eq(value) for register, value in zip(registers, joined, strict=True)]
        values = registers
        level += 1
    return values[0]
