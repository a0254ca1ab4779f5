"""What the tools are to do for a board, before any of them runs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from amaranth import Elaboratable

from vitaccel.flow import tools
from vitaccel.flow.nextpnr import ROUTER
from vitaccel.flow.synth import DELAY_TARGET
from vitaccel.hw.primitives.multiplier import on_ecp5
from vitaccel.verilog import no_collection

__all__ = ["TOP", "UNPACKED", "Plan", "make_plan"]

TOP = "top"
UNPACKED = "unpacked.config"
# Before synth_ecp5: its abc9 of Yosys 0.70 aborts over ports that are arrays.
_AFTER_READ = "proc\nflatten\nopt_clean -purge"
_AFTER_SYNTHESIS = f"tee -q -o {TOP}.stat.json stat -json"


@dataclass(frozen=True)
class Plan:
    """Files, and what to call on them.

    Parameters
    ----------
    files
        Name to text: netlist, constraints, script of Yosys, what the design adds by
        ``platform.add_file``.
    routing, packing
        Tool and arguments that read ``top.json`` and make a configuration in text, and that make
        a bitstream of it, whose name comes last.
    """

    files: Mapping[str, str]
    routing: tuple[str, ...]
    packing: tuple[str, ...]

    @property
    def tools(self) -> tuple[str, str, str]:
        """Names of the tools, in order."""
        return "yosys", self.routing[0], self.packing[0]

    @property
    def unpacking(self) -> tuple[str, ...]:
        """Tool and arguments that read the bitstream again, into the file `UNPACKED`."""
        tool, bitstream = tools.UNPACKERS[self.packing[0]], self.packing[-1]
        if tool != "gowin_unpack":
            return tool, bitstream, UNPACKED
        device = self.packing[self.packing.index("-d") + 1]
        return tool, "-d", device, "-o", UNPACKED, bitstream

    def digest(self) -> str:
        """Twelve hex digits of all of it and the versions of the tools."""
        versions = {name: tools.version(name) for name in self.tools}
        about = [dict(self.files), self.routing, self.packing, versions]
        return hashlib.blake2s(json.dumps(about).encode(), digest_size=6).hexdigest()


def make_plan(
    top: Elaboratable, platform: Any, places: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Convert ``top`` and the constraints of ``platform``, a fresh one.

    ``places`` names cells of the netlist and where nextpnr is to put them, see `boards.floorplan`.
    The same design gives the same plan in every folder and run. Clocks and pins are constrained by
    the platform: nextpnr refuses a pin that is not.
    """
    ecp5 = on_ecp5(platform)
    with no_collection():
        plan = platform.build(
            top,
            name=TOP,
            do_build=False,
            emit_src=False,
            script_after_read=f"{DELAY_TARGET}\n{_AFTER_READ}" if ecp5 else _AFTER_READ,
            script_after_synth="\n".join([_AFTER_SYNTHESIS, *_placed(places)]),
        )
    _, routing, packing = json.loads(plan.files[f"build_{TOP}.json"])["commands"]
    if "--svf" in packing:  # Amaranth wants one beside the bitstream; nobody loads it here
        packing = packing[: packing.index("--svf")]
    ends = (".il", ".ys", ".lpf", ".pcf", ".cst", ".sdc")
    kept = {*(f"{TOP}{end}" for end in ends), *platform.extra_files}
    return Plan(
        files={name: text for name, text in plan.files.items() if name in kept},
        routing=(*routing, *(ROUTER if ecp5 else ()), "--timing-allow-fail"),
        packing=tuple(packing),
    )


def _placed(places: Mapping[str, str]) -> list[str]:
    """Commands to Yosys that tell nextpnr where cells are to stand."""
    return [f'setattr -set BEL "{bel}" {TOP}/c:{cell}' for cell, bel in places.items()]
