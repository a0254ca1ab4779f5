"""Pipelined trees."""

from collections.abc import Callable, Sequence

from amaranth import Module, Signal, Value
from amaranth.utils import ceil_log2

__all__ = ["reduce_tree", "tree_latency"]


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
            Signal(value.shape(), name=f"{name}_{level}_{n}", reset_less=True)
            for n, value in enumerate(joined)
        ]
        m.d.sync += [register.eq(value) for register, value in zip(registers, joined, strict=True)]
        values = registers
        level += 1
    return values[0]
