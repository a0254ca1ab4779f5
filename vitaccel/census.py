"""What a component is made of before synthesis: the cells and memories that it instantiates."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth import Instance, Shape
from amaranth.hdl import Fragment
from amaranth.lib import wiring

from vitaccel.hw.shared import PartLibrary

__all__ = ["Census", "Storage", "census"]

TOP = "top"


@dataclass(frozen=True)
class Storage:
    """A memory with one writing port.

    Parameters
    ----------
    width, depth
        Bits of a word, words.
    kind
        "queue": read without a clock. "clocked": read ports have a register and bring the old word
        when it is written in the same cycle. "block": they have a register, and nobody looks at a
        word while it is written, see `vitaccel.hw.primitives.block_ram`.
    readers
        Reading ports; one of several is the writing port too.
    granules
        Equal pieces of a word that are written separately.
    """

    width: int
    depth: int
    kind: str
    readers: int = 1
    granules: int = 1


@dataclass(frozen=True)
class Census:
    """Cells by type and memories of a component, each with its number."""

    cells: Mapping[str, int]
    storage: Mapping[Storage, int]


class _Ecp5Parts(PartLibrary):
    """Lets `Multiplier` choose the cell of the ECP5."""

    device = "LFE5U-85F"


def census(component: wiring.Component) -> Census:
    """Count in ``component``, and in the parts it shares as often as they occur."""
    library = _Ecp5Parts(TOP)
    parts = {TOP: _count(component, library)}
    for name, part in library:
        parts[name] = _count(part, library)
    return _total(parts, TOP)


def _count(component: wiring.Component, library: PartLibrary) -> Census:
    cells: Counter[str] = Counter()
    storage: Counter[Storage] = Counter()
    for fragment in _fragments(Fragment.get(component, library)):
        if isinstance(fragment, Instance):
            cells[str(vars(fragment)["type"])] += 1
        elif hasattr(fragment, "_data"):  # what a `Memory` elaborates to, not public in Amaranth
            storage[_storage(fragment)] += 1
    return Census(cells, storage)


def _storage(memory: Any) -> Storage:
    width, depth = Shape.cast(memory._data.shape).width, memory._data.depth
    ports = memory._read_ports
    if "no_rw_check" in memory._attrs:
        kind = "block"
    else:
        kind = "queue" if all(port._domain == "comb" for port in ports) else "clocked"
    (writer,) = memory._write_ports
    return Storage(width, depth, kind, len(ports), len(writer._en))


def _fragments(fragment: Any) -> Iterator[Any]:
    yield fragment
    for inside, *_ in getattr(fragment, "subfragments", ()):
        yield from _fragments(inside)


def _total(parts: Mapping[str, Census], name: str) -> Census:
    """Counts of a part with all parts inside."""
    cells: Counter[str] = Counter()
    storage = Counter(parts[name].storage)
    for kind, number in parts[name].cells.items():
        if kind not in parts:
            cells[kind] += number
            continue
        inside = _total(parts, kind)
        for cell, count in inside.cells.items():
            cells[cell] += number * count
        for memory, count in inside.storage.items():
            storage[memory] += number * count
    return Census(cells, storage)
