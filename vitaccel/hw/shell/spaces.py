"""Hands the words of LOAD to the on-chip memories."""

from amaranth import Array, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import ADDRESS_BITS, WritePort, word_layout
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.turns import Turns
from vitaccel.isa import Space, Status

__all__ = ["Spaces", "depths", "loaded_layout", "write_ports"]


def depths(config: AcceleratorConfig) -> dict[Space, int]:
    """Addresses of each space that there is."""
    own = {
        Space.DEPTHWISE_WEIGHT: config.depthwise_steps << 3,
        Space.DEPTHWISE_PARAM: config.depthwise_words << 3,
    }
    return (own if config.depthwise_taps else {}) | {
        Space.ACTIVATION: config.activation_words,
        Space.WEIGHT: config.weight_words,
        Space.POST_PARAM: config.post_words << 4,
        Space.TABLE: config.table_slots << 8,
        Space.VECTOR_PARAM: config.vector_words << 3,
        Space.EXP: config.table_slots << 9,
    }


def write_ports(config: AcceleratorConfig) -> dict[str, wiring.Member]:
    """One `WritePort` per space that there is, named like it."""
    return {space.name.lower(): Out(WritePort(config)) for space in depths(config)}


def loaded_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One word and where it goes; ``last`` ends a command."""
    return data.StructLayout({
        "space": 3,
        "address": ADDRESS_BITS,
        "data": word_layout(config),
        "last": 1,
    })


class Spaces(wiring.Component):
    """Route words by `isa.Space`, each checked against the depth of its memory.

    Parameters
    ----------
    config
        Sets lanes and depths.

    Members
    -------
    i : In(stream of loaded_layout)
        Words.
    activation, weight, post_param, table, ... : Out(WritePort)
        The memories, see `write_ports`; each may stall, which stalls all.
    busy : Out(1)
        A word is waiting.
    done : Out(1)
        One pulse per command, the cycle after its last word has been taken.
    fault : Out(Status)
        LOCAL_ADDRESS or ILLEGAL_FIELD (no such space) instead of a write; held until reset, and
        nothing is written any more.

    Timing
    ------
    Latency 1 cycle; one word per cycle. No combinational paths.
    """

    i: stream.Interface
    busy: Signal
    done: Signal
    fault: Signal

    LATENCY = Skid.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "i": In(stream.Signature(loaded_layout(config))),
            **write_ports(config),
            "busy": Out(1),
            "done": Out(1),
            "fault": Out(Status),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bounds = depths(self.config)
        width = len(Space)
        shape = data.StructLayout({
            "address": ADDRESS_BITS,
            "last": 1,
            "chosen": width,  # one bit per space; none if there is no such space or address
            "unknown": 1,
        })
        m.submodules.words = words = Skid(shape)
        m.submodules.turns = turns = Turns(word_layout(self.config))
        i, o = self.i.p, words.o.p
        bound = Array([bounds.get(space, 0) for space in Space])[i.space]
        m.d.comb += [
            *(places.i.valid.eq(self.i.valid) for places in (words, turns)),
            self.i.ready.eq(words.i.ready),
            words.i.p.address.eq(i.address),
            turns.i.payload.eq(i.data),
            words.i.p.last.eq(i.last),
            words.i.p.unknown.eq(bound == 0),
        ]
        with m.If(i.address < bound):
            m.d.comb += words.i.p.chosen.eq((1 << i.space)[:width])
        taken = Signal(width)
        for space in bounds:
            port = getattr(self, space.name.lower())
            m.d.comb += [
                port.valid.eq(words.o.valid & o.chosen[space]),
                port.p.address.eq(o.address),
                port.p.data.eq(turns.o.payload),
                taken[space].eq(port.valid & port.ready),
            ]
        m.d.comb += [
            self.busy.eq(words.o.valid),
            *(places.o.ready.eq(taken.any()) for places in (words, turns)),
        ]
        m.d.sync += self.done.eq(taken.any() & o.last)
        with m.If(words.o.valid & ~o.chosen.any()):
            with m.If(o.unknown):
                m.d.sync += self.fault.eq(Status.ILLEGAL_FIELD)
            with m.Else():
                m.d.sync += self.fault.eq(Status.LOCAL_ADDRESS)
        return m
