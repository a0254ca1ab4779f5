"""Assembler of microprograms: names for registers, labels, and rules of the pipeline."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vitaccel.hw.serial.microinstruction import (
    MICRO_DEPTH,
    REGISTERS,
    WIDTH,
    Action,
    Alu,
    Condition,
    Operand,
    Special,
    layout,
)
from vitaccel.isa import FIELDS, Op

__all__ = ["Assembler", "Register"]

_LITERALS = range(-128, 128)
_FRESH = (Special.BYTE, Special.WORD)  # there only just after a LOAD
_PRODUCT_CYCLES = 2


@dataclass(frozen=True)
class Register:
    """A register by number."""

    number: int


Source = Register | int  # an integer outside of literals gets a register that holds it


@dataclass
class Assembler:
    """Collects microinstructions.

    Every microinstruction names a result ``d``, operands ``a`` and ``b``, and perhaps an action and
    a jump. What the pipeline does not allow is an `AssertionError`, because it is a mistake of the
    microprogram: BYTE or WORD not directly after a LOAD, PRODUCT too early after MULTIPLY, a
    register that the microinstruction before writes where another one may come before too.
    """

    words: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    registers: dict[str, Register] = field(default_factory=dict)
    constants: dict[int, Register] = field(default_factory=lambda: {0: Register(0)})
    _joined: bool = True  # a label is here
    _multiplied: list[int] = field(default_factory=list)  # since the last label

    def __getitem__(self, name: str) -> Register:
        """Register ``name``, a new one the first time."""
        if name not in self.registers:
            self.registers[name] = self._new()
        return self.registers[name]

    def _new(self) -> Register:
        number = len(self.registers) + len(self.constants)
        assert number < REGISTERS, "out of registers"
        return Register(number)

    def _constant(self, value: int) -> Register:
        if value not in self.constants:
            self.constants[value] = self._new()
        return self.constants[value]

    def label(self, name: str) -> None:
        """Name the next microinstruction."""
        assert name not in self.labels, f"{name} is there twice"
        self.labels[name] = len(self.words)
        self._joined = True
        self._multiplied.clear()

    def op(
        self,
        alu: Alu,
        d: Register | None,
        a: Source,
        b: Source | Special = 0,
        *,
        action: Action = Action.NONE,
        when: Condition = Condition.NEVER,
        to: str = "",
    ) -> None:
        """Append a microinstruction; with ``to = "."`` it jumps to itself."""
        here = len(self.words)
        if to == ".":
            self._joined = True
        before = self.words[-1] if self.words else {"d": 0, "action": Action.NONE}
        fallen = not (self.words and before["condition"] is Condition.ALWAYS)
        number_a = self._source(a).number
        word: dict[str, Any] = {"alu": alu, "a": number_a, "d": 0 if d is None else d.number}
        word |= self._operand(b, before)
        for name in ("a", "b"):
            reads = name == "a" or word["operand"] is Operand.REGISTER
            hit = bool(reads and fallen and word[name] and word[name] == before["d"])
            assert not (hit and self._joined), f"microinstruction {here} reads what may be late"
            word[f"last_{name}"] = int(hit)
        word |= {"action": action, "condition": when, "target": here if to == "." else to}
        if action is Action.MULTIPLY:
            self._multiplied.append(here)
        self._joined = False
        self.words.append(word)

    def _source(self, value: Source) -> Register:
        return value if isinstance(value, Register) else self._constant(value)

    def _operand(self, b: Source | Special, before: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(b, Special):
            assert b not in _FRESH or before["action"] is Action.LOAD, f"no LOAD before {b}"
            there = any(n + _PRODUCT_CYCLES <= len(self.words) for n in self._multiplied)
            assert b is not Special.PRODUCT or there, "the product is not there yet"
            return {"operand": Operand.SPECIAL, "b": b.value}
        if isinstance(b, int) and b in _LITERALS:
            return {"operand": Operand.LITERAL, "b": b & REGISTERS - 1}
        return {"operand": Operand.REGISTER, "b": self._source(b).number}

    def add(self, d: Register | None, a: Source, b: Source | Special = 0, **more: Any) -> None:
        """``d = a + b``."""
        self.op(Alu.ADD, d, a, b, **more)

    def sub(self, d: Register | None, a: Source, b: Source | Special, **more: Any) -> None:
        """``d = a - b``."""
        self.op(Alu.SUB, d, a, b, **more)

    def mask(self, d: Register, a: Source, b: Source | Special, **more: Any) -> None:
        """``d = a & b``."""
        self.op(Alu.AND, d, a, b, **more)

    def shift(self, d: Register, a: Source, b: Source | Special, **more: Any) -> None:
        """``d = a >> b``, arithmetic."""
        self.op(Alu.SHIFT, d, a, b, **more)

    def double(self, d: Register, times: int = 1) -> None:
        """``d = d << times``."""
        for _ in range(times):
            self.add(d, d, d)

    def load(self, address: Register, step: Source = 0) -> None:
        """Read on-chip memory at ``address``, then add ``step`` to it."""
        self.op(Alu.ADD, address if step else None, address, step, action=Action.LOAD)

    def store(
        self, address: Register, step: Source = 0, action: Action = Action.STORE_BYTE
    ) -> None:
        """Write the result before to ``address``, then add ``step`` to it."""
        self.op(Alu.ADD, address if step else None, address, step, action=action)

    def multiply(self, a: Source, b: Source | Special) -> None:
        """Begin a product."""
        self.op(Alu.ADD, None, a, b, action=Action.MULTIPLY)

    def read(self, d: Register, address: Register, step: Source = 4) -> None:
        """Read a word of external memory into ``d``, then add ``step`` to ``address``."""
        self.op(Alu.ADD, address, address, step, action=Action.READ)
        self.op(Alu.ADD, d, 0, Special.BUS, when=Condition.BUS_BUSY, to=".")

    def jump(self, to: str) -> None:
        """Go on at ``to``."""
        self.op(Alu.ADD, None, 0, 0, when=Condition.ALWAYS, to=to)

    def count(self, counter: Register, to: str) -> None:
        """Take one off ``counter`` and go on at ``to`` while it is not below 0."""
        self.sub(counter, counter, 1, when=Condition.NOT_NEGATIVE, to=to)

    def wait(self, condition: Condition) -> None:
        """Stay here while ``condition`` holds."""
        self.op(Alu.ADD, None, 0, 0, when=condition, to=".")

    def fields(self, op: Op, names: Collection[str], pointer: Register) -> dict[str, Register]:
        """Read fields of an instruction whose first one is at ``pointer``, into new registers."""
        positions = [n for n, name in enumerate(FIELDS[op]) if name in names]
        assert len(positions) == len(names)
        if positions[0]:
            self.add(pointer, pointer, 4 * positions[0])
        found = {}
        for n, following in zip(positions, [*positions[1:], positions[-1]], strict=True):
            name = list(FIELDS[op])[n]
            found[name] = self[f"{op.name}.{name}"]
            self.read(found[name], pointer, 4 * (following - n))
        return found

    def power(self, d: Register, exponent: Register, most: int) -> None:
        """``d = 2**exponent``, 0 for -1; ``exponent`` from -1 to ``most``, which is kept."""
        self.sub(d, most, exponent)
        self.shift(d, 1 << most, d)

    def branch_less(self, a: Source, b: Source | Special, to: str) -> None:
        """Go on at ``to`` if ``a < b``."""
        self.sub(None, a, b, when=Condition.NEGATIVE, to=to)

    def assemble(self) -> tuple[Sequence[int], Sequence[int]]:
        """Words of the microprogram, and what the registers hold at first."""
        assert len(self.words) <= MICRO_DEPTH, f"{len(self.words)} of {MICRO_DEPTH}"
        shape = layout()
        code = []
        for word in self.words:
            target = word["target"]
            if isinstance(target, str):
                target = self.labels[target] if target else 0
            values: dict[int | str, Any] = {**word, "target": target}
            code.append(shape.const(values).as_value().value)
        registers = [0] * (1 + max(r.number for r in self._all()))
        for value, register in self.constants.items():
            registers[register.number] = value & (1 << WIDTH) - 1
        return code, registers

    def _all(self) -> list[Register]:
        return [*self.registers.values(), *self.constants.values()]
