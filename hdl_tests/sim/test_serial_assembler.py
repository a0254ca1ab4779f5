"""Assembler of microprograms: what it makes, and the mistakes it does not let pass."""

import pytest

from vitaccel.hw.serial.assembler import Assembler
from vitaccel.hw.serial.microinstruction import MICRO_DEPTH, REGISTERS, WIDTH, Special, layout
from vitaccel.hw.serial.microprogram import microprogram
from vitaccel.presets import PRESETS


def decoded(code: int) -> dict[str, int]:
    return {name: code >> field.offset & (1 << field.width) - 1 for name, field in layout()}


def test_a_register_written_just_before_is_taken_from_last() -> None:
    asm = Assembler()
    asm.add(asm["x"], 0, 5)
    asm.add(asm["y"], asm["x"], asm["x"])
    asm.add(None, 0, 0)
    asm.add(asm["y"], asm["x"], asm["y"])
    code, _ = asm.assemble()
    taken = [(w["last_a"], w["last_b"]) for w in map(decoded, code)]
    assert taken == [(0, 0), (1, 1), (0, 0), (0, 0)]


def test_numbers_are_literals_or_registers() -> None:
    asm = Assembler()
    asm.add(asm["x"], 300, -128)
    asm.add(asm["x"], 0, 128)
    code, registers = asm.assemble()
    first, second = map(decoded, code)
    assert registers[first["a"]] == 300
    assert first["b"] == 128  # -128 in eight bits
    assert registers[second["b"]] == 128
    assert registers[0] == 0


def test_negative_constants_fill_a_register() -> None:
    asm = Assembler()
    asm.add(asm["x"], 0, -1000)
    code, registers = asm.assemble()
    assert registers[decoded(code[0])["b"]] == (1 << WIDTH) - 1000


def test_mistakes_are_refused() -> None:
    asm = Assembler()
    with pytest.raises(AssertionError, match=r"no LOAD before Special\.BYTE"):
        asm.add(asm["x"], 0, Special.BYTE)
    asm.multiply(asm["x"], asm["x"])
    with pytest.raises(AssertionError, match="the product is not there yet"):
        asm.add(asm["x"], 0, Special.PRODUCT)
    asm.add(asm["x"], 0, 1)
    asm.label("loop")
    with pytest.raises(AssertionError, match="microinstruction 2 reads what may be late"):
        asm.add(asm["y"], asm["x"])
    with pytest.raises(AssertionError, match="loop is there twice"):
        asm.label("loop")


def test_the_microprogram_fits() -> None:
    code, registers = microprogram(PRESETS["icebreaker"])
    assert len(code) <= MICRO_DEPTH
    assert len(registers) <= REGISTERS
