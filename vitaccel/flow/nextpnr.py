"""Reports of nextpnr: clocks, utilisation, and the longest path in words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROUTER", "Routing", "read_routing"]

# The default router takes ten times as long on a full array.
ROUTER = ("--router", "router2")

_GROUND = "$PACKER_GND_NET"  # clock of ports that are never used: no clock


@dataclass(frozen=True)
class Routing:
    """One routed design.

    Parameters
    ----------
    fmax_mhz
        What the slowest clock reaches.
    clocks
        Per clock net what it reaches and what it was asked for, MHz.
    utilization
        Per kind of cell how many are used, and how many there are.
    critical_path
        The longest path between registers, in words.
    wiring
        Share of that path's time that is routing, 0 to 1.
    """

    fmax_mhz: float
    clocks: Mapping[str, tuple[float, float]]
    utilization: Mapping[str, tuple[int, int]]
    critical_path: str
    wiring: float


def read_routing(path: Path) -> Routing:
    """Read the file that ``--report`` wrote."""
    report = json.loads(path.read_text())
    hops = _longest(report)
    ticking = {
        name: clock for name, clock in report["fmax"].items() if not name.startswith(_GROUND)
    }
    clocks = {
        name: (round(clock["achieved"], 2), round(clock["constraint"], 2))
        for name, clock in ticking.items()
    }
    return Routing(
        fmax_mhz=round(min(clock["achieved"] for clock in ticking.values()), 1),
        clocks=clocks,
        utilization={
            name: (cells["used"], cells["available"])
            for name, cells in report.get("utilization", {}).items()
        },
        critical_path=_words(hops),
        wiring=round(_delay(hops, "routing") / _delay(hops), 3),
    )


def _longest(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Hops of the longest register-to-register path."""
    clocked = [p["path"] for p in report["critical_paths"] if "<async>" not in (p["from"], p["to"])]
    return max(clocked, key=_delay)


def _delay(path: list[dict[str, Any]], kind: str = "") -> float:
    """Nanoseconds of all hops, or of those of one kind."""
    return sum(hop["delay"] for hop in path if kind in ("", hop["type"]))


def _words(path: list[dict[str, Any]]) -> str:
    """Say where a path goes and what its time is spent on."""
    total, routing = _delay(path), _delay(path, "routing")
    logic = [hop["from"] for hop in path if hop["type"] == "logic"]
    carries = sum(end["port"].startswith(("FC", "COUT")) or "CCU2C" in end["cell"] for end in logic)
    names = [_plain(hop["net"]) for hop in path if hop["type"] == "routing"]
    through = ", ".join(dict.fromkeys(names))
    first, last = (_plain(path[n]["from"]["cell"]) for n in (0, -1))
    return (
        f"{first} to {last}: {total:.1f} ns, {routing:.1f} of it routing, "
        f"{len(logic) - carries} LUTs and {carries} carry steps; through {through}"
    )


def _plain(name: str) -> str:
    """Cut a name down to the signal or memory of the component that it came from."""
    cells = r"SB_|TRELLIS|LUT\d|CCU2C|PFUMX|L6MUX|MULT18|DO[AB]\d|[A-Z]\d*_"
    signal = re.sub(rf"(_({cells}|[RW](DATA|ADDR)|RAM\b)|\$).*", "", name.removeprefix("dut."))
    return re.sub(r"(\.\d+)+$", "", signal)  # blocks of a memory
