"""Dot products of two rows of words, in the background."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.mac16 import Mac16
from vitaccel.hw.serial.microinstruction import WIDTH, Action
from vitaccel.isa import Stationary

__all__ = ["WORD_ADDRESS_BITS", "DotUnit", "mode_layout"]

WORD_ADDRESS_BITS = 14
_LANES = 4
_PRODUCT_BITS = 17
_COUNT_BITS = 10


def mode_layout() -> data.StructLayout:
    """How to multiply.

    ``source``: see `isa.Stationary`. Of TRANSPOSED only lane ``lane`` of a stationary word counts,
    and it meets one streamed lane after the other.
    """
    return data.StructLayout({"lane": 2, "source": Stationary, "unsigned": 1})


class DotUnit(wiring.Component):
    """Sum of products of streamed lanes with stationary lanes.

    A step takes one streamed word and the stationary word that goes with it: from the parameter
    memory for WEIGHT, a step a cycle, otherwise from the activation memory: two cycles a step for
    ROWS, five for four of TRANSPOSED.

    Parameters
    ----------
    config
        Sets the bits of the sum.

    Members
    -------
    action, a, b : In
        Of the processor: STATIONARY, SHAPE, MODE, DOT. A DOT ends the one before.
    blocked : In(1)
        The processor uses the memories in this cycle.
    activation_address, parameter_address : Out(WORD_ADDRESS_BITS)
        Words to read.
    activation_word, parameter_word : In(32)
        What the addresses of the cycle before found.
    busy : Out(1)
        Under way.
    o : Out(signed(accumulator_bits))
        The sum, unless ``busy``.

    Timing
    ------
    `LATENCY` cycles beside those of the steps.
    """

    action: Signal
    a: Signal
    b: Signal
    blocked: Signal
    activation_address: Signal
    parameter_address: Signal
    activation_word: Signal
    parameter_word: Signal
    busy: Signal
    o: Signal

    LATENCY = 4

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "action": In(Action),
            "a": In(signed(WIDTH)),
            "b": In(signed(WIDTH)),
            "blocked": In(1),
            "activation_address": Out(WORD_ADDRESS_BITS),
            "parameter_address": Out(WORD_ADDRESS_BITS),
            "activation_word": In(32),
            "parameter_word": In(32),
            "busy": Out(1),
            "o": Out(signed(config.accumulator_bits)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mode = Signal(mode_layout())
        with m.If(self.action == Action.MODE):
            m.d.sync += mode.as_value().eq(self.a)
        reading, found_streamed, found, part = self._read(m, mode)
        held = Signal(32)
        with m.If(found_streamed):
            m.d.sync += held.eq(self.activation_word)
        streamed, still = self._lanes(mode, held, part)
        multiplies, adds = Signal(), Signal()
        products = []
        for n, (left, right) in enumerate(zip(streamed, still, strict=True)):
            m.submodules[f"lane_{n}"] = lane = Mac16(signed=True)
            m.d.comb += [lane.a.eq(left), lane.b.eq(right), lane.take.eq(1)]
            products.append(lane.p[:_PRODUCT_BITS].as_signed())
        starts = self.action == Action.DOT
        m.d.comb += self.busy.eq(reading | found | multiplies | adds)
        m.d.sync += [
            multiplies.eq(found & ~starts),
            adds.eq(multiplies & ~starts),
        ]
        with m.If(starts):
            m.d.sync += self.o.eq(0)
        with m.Elif(adds):
            m.d.sync += self.o.eq(self.o + sum(products))
        return m

    def _lanes(self, mode: data.View, held: Value, part: Value) -> tuple[list[Value], list[Value]]:
        """Factors out of the words that are there."""
        by_lane = mode.source == Stationary.TRANSPOSED
        weights = mode.source == Stationary.WEIGHT
        moving = Mux(weights, self.activation_word, held)
        word = Mux(weights, self.parameter_word, self.activation_word)
        streamed, still = ([w.word_select(n, 8) for n in range(_LANES)] for w in (moving, word))
        chosen = moving.word_select(part, 8)
        streamed[0] = Mux(by_lane, chosen, streamed[0])
        still[0] = Mux(by_lane, word.word_select(mode.lane, 8), still[0])
        still[1:] = [Mux(by_lane, 0, lane) for lane in still[1:]]
        signs = [lane[7] & ~mode.unsigned for lane in streamed]
        return (
            [Cat(lane, sign).as_signed() for lane, sign in zip(streamed, signs, strict=True)],
            [lane.as_signed() for lane in still],
        )

    def _read(self, m: Module, mode: data.View) -> tuple[Value, Value, Value, Value]:
        """Walk through the words.

        Return whether that is not over; whether a streamed word is there whose stationary words
        follow; whether a stationary word is there, and which streamed lane goes with it.
        """
        base, still, moving = (Signal(WORD_ADDRESS_BITS, name=n) for n in ("base", "still", "move"))
        stride = Signal(WORD_ADDRESS_BITS)
        steps, left = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        reading, second, found, found_streamed = Signal(), Signal(), Signal(), Signal()
        part, part_found = Signal(2), Signal(2)
        weights = mode.source == Stationary.WEIGHT
        goes = reading & ~self.blocked
        ends = goes & (weights | second)
        complete = (mode.source != Stationary.TRANSPOSED) | (part == _LANES - 1)
        m.d.comb += [
            self.activation_address.eq(Mux(second, still, moving)),
            self.parameter_address.eq(still),
        ]
        m.d.sync += [found.eq(ends), found_streamed.eq(goes & ~second), part_found.eq(part)]
        with m.If(goes):
            m.d.sync += second.eq(~weights & ~(second & complete))
        with m.If(ends):
            m.d.sync += [still.eq(still + stride), left.eq(left - 1), part.eq(part + 1)]
            with m.If(complete):
                m.d.sync += moving.eq(moving + 1)
            with m.If(left == 0):
                m.d.sync += reading.eq(0)
        with m.Switch(self.action):
            with m.Case(Action.STATIONARY):
                m.d.sync += base.eq(self.a[2:])
            with m.Case(Action.SHAPE):
                m.d.sync += [steps.eq(self.a), stride.eq(self.b)]
            with m.Case(Action.DOT):
                m.d.sync += [
                    still.eq(base),
                    moving.eq(self.a[2:]),
                    left.eq(steps),
                    Cat(second, part, found, found_streamed).eq(0),
                    reading.eq(1),
                ]
        return reading, found_streamed, found, part_found
