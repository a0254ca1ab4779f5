"""Stand-ins for the tools that make a bitstream: quick, and as fast or slow as a test wants."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from boards.board import Board
from vitaccel.flow.plan import Plan

__all__ = ["Tools", "fake_plan"]

_CELLS = ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD")
_YOSYS = """#!/bin/sh
[ "$1" = --version ] && {{ echo Yosys stand-in; exit; }}
echo synthesis >> {calls}
echo '{{"design": {{"num_cells_by_type": {{"LUT4": 1000, "TRELLIS_FF": 500}}}}}}' > top.stat.json
echo '{{}}' > top.json
"""
_NEXTPNR = """#!/bin/sh
[ "$1" = --version ] && {{ echo nextpnr stand-in; exit; }}
[ -f ../top.json ] || exit 1
while [ $# -gt 0 ]; do
    [ "$1" = --seed ] && seed=$2
    [ "$1" = --report ] && report=$2
    shift
done
echo seed $seed >> {calls}
wanted=$(cat ../wanted)
mhz=$(cat {folder}/$wanted-$seed 2>/dev/null || cat {folder}/any-$seed)
[ $mhz = never ] && {{ echo "ERROR: Unable to find legal placement"; exit 1; }}
sed "s/MHZ/$mhz/; s/WANTED/$wanted/" {folder}/report > $report
echo config > top.config
"""
_PACK = """#!/bin/sh
[ "$1" = --version ] && {{ echo ecppack stand-in; exit; }}
echo packing >> {calls}
printf '\\377\\377\\275\\263\\342\\0\\0\\0{identity}' > top.bit
"""
_UNPACK = """#!/bin/sh
echo .device {fpga} > unpacked.config
"""
_LOADER = """#!/bin/sh
echo loading $@ >> {calls}
"""


def _hop(kind: str, delay: float, net: str = "") -> dict[str, Any]:
    end = {"cell": f"core.{net or 'total'}_LUT4_Z", "port": "F"}
    return {"type": kind, "delay": delay, "from": end, "to": end, "net": net}


class Tools:
    """Puts the stand-ins into the environment; seeds reach 60 MHz unless `reach` says otherwise."""

    def __init__(self, folder: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        self._calls = folder / "calls"
        path = [_hop("clk-to-q", 1.0), _hop("routing", 7.0, "core.sum"), _hop("setup", 2.0)]
        report = {
            "fmax": {"core_clock": {"achieved": "MHZ", "constraint": "WANTED"}},
            "utilization": {cell: {"used": 10, "available": 100} for cell in _CELLS},
            "critical_paths": [{"from": "posedge c", "to": "posedge c", "path": path}],
        }
        text = json.dumps(report).replace('"MHZ"', "MHZ").replace('"WANTED"', "WANTED")
        (folder / "report").write_text(text)
        identity = "".join(f"\\{byte:03o}" for byte in (board.identity or 0).to_bytes(4, "big"))
        for name, script in (
            ("YOSYS", _YOSYS),
            ("NEXTPNR_ECP5", _NEXTPNR),
            ("ECPPACK", _PACK),
            ("ECPUNPACK", _UNPACK),
            ("OPENFPGALOADER", _LOADER),
        ):
            tool = folder / name.lower()
            values = {"identity": identity, "fpga": board.fpga}
            tool.write_text(script.format(calls=self._calls, folder=folder, **values))
            tool.chmod(0o755)
            monkeypatch.setenv(name, str(tool))
        for seed in range(1, 10):
            self.reach(60.0, seed)

    def reach(self, mhz: float | str, seed: int, wanted: str = "any") -> None:
        """From now on ``seed`` reaches ``mhz``, or only at clock ``wanted``; "never": fails."""
        (self.folder / f"{wanted}-{seed}").write_text(f"{mhz}\n")

    def calls(self) -> list[str]:
        """What ran since the last time this was asked."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return lines


def fake_plan(top: Any, platform: Any, places: Mapping[str, str]) -> Plan:
    """Plan of a design that only has a clock; takes the place of `make_plan`."""
    return Plan(
        files={"top.ys": "", "wanted": f"{top.pll.mhz:g}"},
        routing=("nextpnr-ecp5", "--json", "top.json"),
        packing=("ecppack", "top.config", "top.bit"),
    )
