"""On-chip memories of the serial core."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.single_port_ram import SinglePortRam
from vitaccel.hw.serial.dot_unit import WORD_ADDRESS_BITS
from vitaccel.hw.serial.microinstruction import WIDTH, Action
from vitaccel.hw.shared import Shared
from vitaccel.isa import Space

__all__ = ["Memories", "parameter_places"]

_PARAMETER_BIT = 2 + WORD_ADDRESS_BITS  # of byte addresses: all but the activation memory


def parameter_places(config: AcceleratorConfig) -> dict[Space | None, int]:
    """First byte address of each space of LOAD; None is a row under way of NORM and SOFTMAX."""
    sizes = {
        Space.WEIGHT: config.weight_words,
        Space.POST_PARAM: 16 * config.post_words,
        Space.TABLE: 256 * config.table_slots,
        Space.VECTOR_PARAM: 8 * config.vector_words,
        Space.EXP: 512 * config.table_slots,
        None: config.row_words * config.rows,
    }
    places: dict[Space | None, int] = {Space.ACTIVATION: 0}
    word = 0
    for space, size in sizes.items():
        places[space] = (1 << _PARAMETER_BIT) + 4 * word
        word += size
    return places


class Memories(wiring.Component):
    """Activation memory in block RAM, everything else in a large memory.

    Parameters
    ----------
    config
        Sets their sizes.

    Members
    -------
    action, a, last : In
        Of the processor: LOAD, STORE_BYTE, STORE_WORD. Parameters are stored as words only.
    activation_address, parameter_address : In(WORD_ADDRESS_BITS)
        What the dot-product unit reads, unless ``taken``.
    taken : Out(1)
        The processor uses the memories.
    activation_word, parameter_word : Out(32)
        What was found at the address of the cycle before.
    byte, word : Out(signed(8)), Out(signed(32))
        What the LOAD of the cycle before found.

    Timing
    ------
    One cycle.
    """

    action: Signal
    a: Signal
    last: Signal
    activation_address: Signal
    parameter_address: Signal
    taken: Signal
    activation_word: Signal
    parameter_word: Signal
    byte: Signal
    word: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "action": In(Action),
            "a": In(signed(WIDTH)),
            "last": In(signed(WIDTH)),
            "activation_address": In(WORD_ADDRESS_BITS),
            "parameter_address": In(WORD_ADDRESS_BITS),
            "taken": Out(1),
            "activation_word": Out(32),
            "parameter_word": Out(32),
            "byte": Out(signed(8)),
            "word": Out(signed(32)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        activation = BlockRam(32, self.config.activation_words, granules=4)
        parameters = SinglePortRam(self.config.parameter_words)
        m.submodules.activation = Shared(activation)
        m.submodules.parameters = Shared(parameters)
        word = self.a[2:_PARAMETER_BIT]
        among_parameters = self.a[_PARAMETER_BIT]
        stores = Signal(4)
        with m.Switch(self.action):
            with m.Case(Action.STORE_BYTE):
                m.d.comb += stores.eq(Const(1, 4) << self.a[:2])
            with m.Case(Action.STORE_WORD):
                m.d.comb += stores.eq(-1)
        byte_wide = self.action == Action.STORE_BYTE
        m.d.comb += [
            self.taken.eq((self.action == Action.LOAD) | stores.any()),
            activation.read_address.eq(Mux(self.taken, word, self.activation_address)),
            activation.write_address.eq(word),
            activation.write_data.eq(Mux(byte_wide, self.last[:8].replicate(4), self.last[:32])),
            activation.write.eq(Mux(among_parameters, 0, stores)),
            parameters.address.eq(Mux(self.taken, word, self.parameter_address)),
            parameters.write_data.eq(self.last),
            parameters.write.eq(
                (among_parameters & (self.action == Action.STORE_WORD)).replicate(4)
            ),
            self.activation_word.eq(activation.read_data),
            self.parameter_word.eq(parameters.read_data),
        ]
        from_parameters, lane = Signal(), Signal(2)
        m.d.sync += Cat(lane, from_parameters).eq(Cat(self.a[:2], among_parameters))
        m.d.comb += [
            self.word.eq(Mux(from_parameters, self.parameter_word, self.activation_word)),
            self.byte.eq(self.word.word_select(lane, 8)),
        ]
        return m
