"""Parts with a module of their own in the Verilog, however often they occur."""

import re
from collections.abc import Iterator
from typing import Any

from amaranth import ClockSignal, Const, Elaboratable, Instance, ResetInserter, ResetSignal, Value
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring

__all__ = ["PartLibrary", "Shared"]


class Shared(Elaboratable):
    """Stands for a part.

    In a `PartLibrary` it is an instance of the module that all equal parts have in common,
    elsewhere the part itself.

    Parameters
    ----------
    part
        What it elaborates to depends on nothing but its class and its public attributes, whose
        ``repr`` tells them apart. It may have a method ``verilog(name)`` that writes the module;
        otherwise it is converted.
    reset
        Resets the part beside the domain's own reset. Without it nothing in the part may have a
        reset: a ``ResetInserter`` around an instance does not reach into it.
    """

    def __init__(self, part: wiring.Component, reset: Value | None = None) -> None:
        self.part = part
        self.reset = reset

    def elaborate(self, platform: object) -> Any:
        if isinstance(platform, PartLibrary):
            return platform.instance(self.part, self.reset)
        return self.part if self.reset is None else ResetInserter(self.reset)(self.part)


class PartLibrary:
    """Platform that gathers the shared parts of a design.

    Iteration gives each distinct part once, with the name of its module: also those that come up
    while earlier ones are elaborated with this platform.

    Parameters
    ----------
    prefix
        Of the names, which go on with the class and, from the second of a class on, a number.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.without_reset: set[str] = set()  # modules with an instance whose reset is tied off
        self._names: dict[tuple[str, str], str] = {}
        self._parts: list[tuple[str, wiring.Component]] = []

    def __iter__(self) -> Iterator[tuple[str, wiring.Component]]:
        return iter(self._parts)

    def instance(self, part: wiring.Component, reset: Value | None) -> Instance:
        """Instance of the module that stands for ``part``."""
        name = self._name(part)
        # As `Fragment.get` does; else Amaranth warns of its equals.
        vars(part)["_MustUse__used"] = True
        ports = {"i_clk": ClockSignal(), **_ports(part)}
        if reset is not None:
            ports["i_rst"] = ResetSignal() | reset
        elif not hasattr(part, "verilog"):
            self.without_reset.add(name)
            ports["i_rst"] = Const(0)
        return Instance(name, **ports)

    def _name(self, part: wiring.Component) -> str:
        members = {str(path[0]) for path, _, _ in part.signature.flatten(part)}
        parameters = {
            name: value
            for name, value in vars(part).items()
            if name not in members and not name.startswith("_")
        }
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(part).__name__).lower()
        key = kind, f"{part.signature.members!r} {parameters!r}"
        if key not in self._names:
            n_same = sum(known == kind for known, _ in self._names)
            name = f"{self.prefix}_{kind}" + (f"_{n_same + 1}" if n_same else "")
            self._names[key] = name
            self._parts.append((name, part))
        return self._names[key]


def _ports(part: wiring.Component) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    for path, member, value in part.signature.flatten(part):
        signal = value.as_value() if isinstance(value, ValueCastable) else value
        direction = "i" if member.flow == wiring.In else "o"
        ports[f"{direction}_{'__'.join(map(str, path))}"] = signal
    return ports
