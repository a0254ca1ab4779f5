"""Cells of the ECP5 as logic, which stand in for `Instance` where a component makes some."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed

__all__ = ["block", "carry_slice", "half_slice", "on_ecp5"]


def block(kind: str, **ports: Any) -> Module:
    """MULT18X18D as FPGA-TN-02205 describes it; Yosys has it only as a black box."""
    assert kind == "MULT18X18D"
    assert (ports["i_CE0"], ports["i_RST0"], ports["i_SIGNEDA"], ports["i_SIGNEDB"]) == (1, 0, 1, 1)
    assert (ports["i_SOURCEA"], ports["i_SOURCEB"]) == (0, 0)
    m = Module()
    values = []
    for name in "AB":
        value = Cat(ports[f"i_{name}{bit}"] for bit in range(18)).as_signed()
        if ports.get(f"p_REG_INPUT{name}_CLK", "NONE") != "NONE":
            m.d.sync += (register := Signal(signed(18))).eq(value)
            value = register
        values.append(value)
    product = values[0] * values[1]
    if ports.get("p_REG_OUTPUT_CLK", "NONE") != "NONE":
        m.d.sync += (register := Signal(signed(36))).eq(product)
        product = register
    m.d.comb += [wire.eq(product[int(n[3:])]) for n, wire in ports.items() if n.startswith("o_P")]
    return m


def carry_slice(kind: str, **ports: Any) -> Module:
    """CCU2C as in the ECP5 library of Yosys: a LUT of four inputs, and one of its first two."""
    assert kind == "CCU2C"
    m = Module()
    carry = ports["i_CIN"]
    for half in range(2):
        assert ports[f"p_INJECT1_{half}"] == "NO"
        inputs = Cat(ports[f"i_{name}{half}"] for name in "ABCD")
        bits = [ports[f"p_INIT{half}"] >> n & 1 for n in range(16)]
        propagate = Array(bits)[inputs]
        generate = Array(bits[:4])[inputs[:2]]
        m.d.comb += ports[f"o_S{half}"].eq(propagate ^ carry)
        carry = (propagate & carry) | (~propagate & generate)
    m.d.comb += ports["o_COUT"].eq(carry)
    return m


def half_slice(kind: str, **ports: Any) -> Module:
    """LUT4 and PFUMX as in the ECP5 library of Yosys."""
    m = Module()
    if kind == "PFUMX":
        m.d.comb += ports["o_Z"].eq(Mux(ports["i_C0"], ports["i_ALUT"], ports["i_BLUT"]))
        return m
    assert kind == "LUT4"
    inputs = Cat(Value.cast(ports[f"i_{name}"]) for name in "ABCD")
    m.d.comb += ports["o_Z"].eq(Array(ports["p_INIT"] >> n & 1 for n in range(16))[inputs])
    return m


def on_ecp5(kind: Any) -> Any:
    class OnEcp5(kind):
        def elaborate(self, platform: object) -> Module:
            return super().elaborate("ecp5")

    return OnEcp5
