"""Ports that units share: words, reads and writes of on-chip memory, commands."""

from collections.abc import Mapping

from amaranth import signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig

__all__ = [
    "DRAIN_LATENCY",
    "DrainPort",
    "ReadPort",
    "UnitPort",
    "WritePort",
    "command_layout",
    "fields_layout",
    "unit_layout",
    "units",
    "word_layout",
]

ADDRESS_BITS = 20
DRAIN_LATENCY = 2


def word_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """One word of on-chip memory: `rows` lanes of 8 bits, lane 0 in the low byte."""
    return data.ArrayLayout(unsigned(8), config.rows)


def fields_layout(fields: Mapping[str, int]) -> data.StructLayout:
    """Fields of `vitaccel.isa` as a structure, in the same order from bit 0."""
    return data.StructLayout({
        name: unsigned(width) if width > 0 else signed(-width) for name, width in fields.items()
    })


def command_layout(op: isa.Op, *, hybrid: bool = False) -> data.StructLayout:
    """What a unit gets to see of an instruction: its fields, without the header.

    Without ``hybrid`` it does not get those of `isa.HYBRID`, which are the last ones.
    """
    fields = isa.FIELDS[op]
    hybrid |= op not in {isa.Op.GEMM, isa.Op.POST}
    return fields_layout({n: width for n, width in fields.items() if hybrid or n not in isa.HYBRID})


def unit_layout(unit: isa.Unit, *, hybrid: bool = False) -> data.StructLayout:
    """Commands of a unit; ``fields`` of VECTOR are those of NORM if ``norm``, else of SOFTMAX."""
    ops = [op for op, owner in isa.UNIT_OF.items() if owner == unit]
    if unit != isa.Unit.VECTOR:
        return command_layout(ops[0], hybrid=hybrid)
    return data.StructLayout({"norm": 1, "fields": max(command_layout(op).size for op in ops)})


def units(config: AcceleratorConfig) -> tuple[isa.Unit, ...]:
    """Units of an accelerator, in the order of their numbers."""
    return tuple(u for u in isa.Unit if u != isa.Unit.DEPTHWISE or config.depthwise_taps)


class UnitPort(wiring.Signature):
    """What a dispatcher and its unit tell each other, seen from the dispatcher."""

    def __init__(self, unit: isa.Unit, *, hybrid: bool = False) -> None:
        super().__init__({
            "command": Out(stream.Signature(unit_layout(unit, hybrid=hybrid))),
            "done": In(1),
            "fault": In(isa.Status),
            "busy": In(1),
        })


class ReadPort(wiring.Signature):
    """Reader's side of a memory port: addresses out, words back in the same order.

    ``request`` is an ordinary stream of word addresses. ``valid`` and ``data`` answer every
    accepted request a fixed or varying number of cycles later and cannot be held back: the reader
    asks only for what it has room for.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__({
            "request": Out(stream.Signature(ADDRESS_BITS)),
            "valid": In(1),
            "data": In(word_layout(config)),
        })


def WritePort(config: AcceleratorConfig) -> stream.Signature:  # a name like ReadPort: used alike
    """Stream of (word address, word); a write has landed once taken, for every later read.

    Lanes whose bit of ``keep`` is set are not written; only activation memory heeds it.
    """
    fields = {"address": ADDRESS_BITS, "data": word_layout(config), "keep": config.rows}
    return stream.Signature(data.StructLayout(fields))


class DrainPort(wiring.Signature):
    """POST's side of the accumulators: wait for ``full``, read rows, give the bank back.

    ``data`` is row ``address`` of the full bank, all columns, `DRAIN_LATENCY` cycles after the
    address was driven (a new address every cycle is fine). A ``release`` pulse, at least
    `DRAIN_LATENCY` cycles after the last address of interest, frees the bank; ``full`` then shows
    the state of the other bank from the next cycle on.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__({
            "full": In(1),
            "release": Out(1),
            "address": Out(range(config.accumulator_rows)),
            "data": In(data.ArrayLayout(signed(config.accumulator_bits), config.columns)),
        })
