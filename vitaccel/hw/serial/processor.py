"""Processor of the serial core: a microinstruction every cycle."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.block_ram import ATTRIBUTES
from vitaccel.hw.primitives.mac16 import Mac16
from vitaccel.hw.serial.microinstruction import (
    ADDRESS_BITS,
    MICRO_DEPTH,
    REGISTERS,
    WIDTH,
    Action,
    Alu,
    Operand,
    Special,
    layout,
)

__all__ = ["FACTOR_BITS", "Processor"]

FACTOR_BITS = 18
HALF_BITS = 16


class Processor(wiring.Component):
    """Run a microprogram, see `hw.serial.microinstruction`.

    Three stages: fetch, read registers, execute. A register is read anew two microinstructions
    after it is written; the next one takes it from ``last``, as the assembler sees to. A jump
    costs the one that is behind it.

    Parameters
    ----------
    code, registers
        Of `Assembler.assemble`.

    Members
    -------
    restart : In(1)
        Go on at 0.
    started, dot_busy, bus_busy : In(1)
        For conditions.
    dot, byte, word, bus, base : In
        What `Special` means.
    action : Out(Action)
        Of this cycle.
    a, b, last : Out(signed(WIDTH))
        Operands of this cycle, and the result of the microinstruction before.

    Timing
    ------
    A microinstruction per cycle. ``action``, ``a`` and ``b`` depend on registers and on what the
    memories just read.
    """

    restart: Signal
    started: Signal
    dot_busy: Signal
    bus_busy: Signal
    dot: Signal
    byte: Signal
    word: Signal
    bus: Signal
    base: Signal
    action: Signal
    a: Signal
    b: Signal
    last: Signal

    def __init__(self, code: Sequence[int], registers: Sequence[int], dot_bits: int) -> None:
        self.code = code
        self.registers = registers
        super().__init__({
            "restart": In(1),
            "started": In(1),
            "dot_busy": In(1),
            "bus_busy": In(1),
            "dot": In(signed(dot_bits)),
            "byte": In(signed(8)),
            "word": In(signed(32)),
            "bus": In(signed(32)),
            "base": In(ADDRESS_BITS),
            "action": Out(Action),
            "a": Out(signed(WIDTH)),
            "b": Out(signed(WIDTH)),
            "last": Out(signed(WIDTH)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.code = code = memory.Memory(
            shape=layout().size, depth=MICRO_DEPTH, init=self.code
        )
        place = Signal(range(MICRO_DEPTH))
        fetch = code.read_port()
        fetched = Signal(layout())
        valid_fetched = Signal()
        word = Signal(layout())  # in execution
        valid = Signal()
        taken = Signal()
        m.d.comb += [fetch.addr.eq(Mux(taken, word.target, place)), fetched.eq(fetch.data)]
        m.d.sync += [
            word.eq(fetched),
            place.eq(fetch.addr + 1),
            valid_fetched.eq(1),
            valid.eq(valid_fetched & ~taken),
        ]
        with m.If(self.restart):
            m.d.sync += [place.eq(0), valid_fetched.eq(0), valid.eq(0)]

        result = Signal(signed(WIDTH))
        with m.If(valid):
            m.d.sync += self.last.eq(result)
            m.d.comb += self.action.eq(word.action)
        found = self._registers(m, fetched, Mux(valid, word.d, 0), result)
        special = self._special(m, word)
        m.d.comb += self.a.eq(Mux(word.last_a, self.last, found[0]))
        with m.Switch(word.operand):
            with m.Case(Operand.REGISTER):
                m.d.comb += self.b.eq(Mux(word.last_b, self.last, found[1]))
            with m.Case(Operand.LITERAL):
                m.d.comb += self.b.eq(word.b.as_signed())
            with m.Default():
                m.d.comb += self.b.eq(special)
        negative = self._arithmetic(m, word, result)
        m.d.comb += taken.eq(valid & self._holds(m, word, negative))
        return m

    def _registers(self, m: Module, fetched: data.View, d: Value, result: Value) -> list[Value]:
        """Read operands of the microinstruction fetched, write the result of the present one."""
        found = []
        for name, number in (("a", fetched.a), ("b", fetched.b)):
            # Whoever reads a register in the cycle that writes it takes `last` instead.
            m.submodules[f"registers_{name}"] = words = memory.Memory(
                shape=WIDTH,
                depth=REGISTERS,
                init=self.registers,
                attrs=ATTRIBUTES,
            )
            write = words.write_port()
            read = words.read_port(domain="comb")
            out = Signal(signed(WIDTH), name=f"found_{name}", reset_less=True)
            m.d.comb += [
                write.addr.eq(d),
                write.data.eq(result),
                write.en.eq(d != 0),
                read.addr.eq(number),
            ]
            m.d.sync += out.eq(read.data)
            found.append(out)
        return found

    def _special(self, m: Module, word: data.View) -> Value:
        product = self._product(m)
        special = Signal(signed(WIDTH))
        with m.Switch(word.b[:3]):
            for case, value in (
                (Special.PRODUCT, product),
                (Special.DOT, self.dot),
                (Special.BYTE, self.byte),
                (Special.WORD, self.word),
                (Special.BUS, self.bus),
            ):
                with m.Case(case):
                    m.d.comb += special.eq(value)
            with m.Default():
                m.d.comb += special.eq(self.base)
        return special

    def _product(self, m: Module) -> Value:
        """Product of the factors of the last MULTIPLY: the low halves in a multiplier block."""
        m.submodules.low = low = Mac16(signed=False)
        takes = self.action == Action.MULTIPLY
        left = Signal(signed(FACTOR_BITS))
        right = Signal(signed(FACTOR_BITS))
        upper = Signal(signed(2 * FACTOR_BITS - HALF_BITS))  # what the upper bits add to it
        rest = [factor[HALF_BITS:].as_signed() for factor in (left, right)]
        lows = [factor[:HALF_BITS] for factor in (left, right)]
        m.d.comb += [low.a.eq(self.a), low.b.eq(self.b), low.take.eq(takes)]
        with m.If(takes):
            m.d.sync += [left.eq(self.a), right.eq(self.b)]
        m.d.sync += upper.eq(
            _by_two_bits(lows[1], rest[0])
            + _by_two_bits(lows[0], rest[1])
            + (_by_two_bits(rest[0], rest[1]) << HALF_BITS)
        )
        product = Signal(signed(2 * FACTOR_BITS))
        m.d.comb += product.eq(Cat(low.p[:HALF_BITS], upper + low.p[HALF_BITS:]))
        return product

    def _arithmetic(self, m: Module, word: data.View, result: Signal) -> Value:
        """Drive ``result``; return whether ``a + b`` or ``a - b`` is negative."""
        a, b = self.a, self.b
        adds = word.alu == Alu.ADD
        total = Signal(signed(WIDTH))
        m.d.comb += total.eq(a + (b ^ Mux(adds, 0, -1)) + ~adds)
        with m.Switch(word.alu):
            with m.Case(Alu.ADD, Alu.SUB):
                m.d.comb += result.eq(total)
            with m.Case(Alu.AND):
                m.d.comb += result.eq(a & b)
            with m.Case(Alu.SHIFT):
                m.d.comb += result.eq(a >> b[:6].as_unsigned())
            with m.Default():
                less = total[-1]
                m.d.comb += result.eq(Mux(less ^ (word.alu == Alu.MAX), a, b))
        return total[-1]

    def _holds(self, m: Module, word: data.View, negative: Value) -> Value:
        busy = Cat(self.dot_busy, self.bus_busy, ~self.started)
        choices = Cat(0, 1, negative, ~negative, busy)
        return choices.bit_select(word.condition, 1)


def _by_two_bits(value: Value, factor: Value) -> Value:
    """Product with two bits, signed: without a multiplier block."""
    return Mux(factor[0], value, 0) - (Mux(factor[1], value, 0) << 1)
