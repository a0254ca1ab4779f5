"""Rows of the ECP5's slices with carry chains."""

from typing import Any

from amaranth import Cat, Const, Instance, Module, Signal, Value

__all__ = ["carry_chain", "extended"]


def carry_chain(
    m: Module, name: str, inputs: tuple[Value, Value, Value, Value], lut: int, carry: Value
) -> Value:
    """Return the sum bits of a row of ``CCU2C``.

    Parameters
    ----------
    m
        Gets the cells.
    name
        Of the cells.
    inputs
        Operands A, B, C, D of the LUTs, all of the same width.
    lut
        Exclusive or of the two numbers to be added, as a function of D, C, B, A (bit 15 first).
        With C = D = 0 it must be the one that brings the carry where both are equal: only A and B
        reach that part of the cell.
    carry
        Into the lowest bit; a constant, as the fabric reaches it through another cell only.

    Source
    ------
    Lattice FPGA-TN-02216 (ECP5 slices); the cell's model in Yosys.
    """
    width = len(inputs[0])
    total = Signal(width + width % 2, name=name)
    for bit in range(0, width, 2):
        ports: dict[str, Any] = {}
        for half in range(2):
            at = min(bit + half, width - 1)
            ports |= {
                f"i_{pin}{half}": value[at] for pin, value in zip("ABCD", inputs, strict=True)
            }
            ports |= {
                f"o_S{half}": total[bit + half],
                f"p_INIT{half}": Const(lut, 16),
                f"p_INJECT1_{half}": "NO",
            }
        following = Signal(name=f"{name}_carry_{bit}")
        m.submodules[f"{name}_{bit}"] = Instance("CCU2C", **ports, i_CIN=carry, o_COUT=following)
        carry = following
    return total[:width]


def extended(value: Value, width: int) -> Value:
    """Lowest ``width`` bits of ``value``, which its sign extends."""
    sign = value[-1] if value.shape().signed else Const(0, 1)
    return Cat(value, sign.replicate(max(0, width - len(value))))[:width]
