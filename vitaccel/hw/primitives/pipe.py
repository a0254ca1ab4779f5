"""Registers that carry a value along a pipeline."""

from typing import Any

from amaranth import Module, Signal

__all__ = ["delayed"]


def delayed(m: Module, value: Any, cycles: int, name: str, *, reset_less: bool = True) -> Any:
    """Return ``value`` as it was ``cycles`` cycles ago.

    Parameters
    ----------
    m
        Gets the registers.
    value
        Signal, view or expression.
    cycles
        How many registers; with 0, ``value`` itself comes back.
    name
        Of the registers, which are numbered.
    reset_less
        Data needs no reset as long as its valid bit has one.
    """
    for n in range(cycles):
        held = Signal.like(value, name=f"{name}_{n + 1}", reset_less=reset_less)
        m.d.sync += held.eq(value)
        value = held
    return value
