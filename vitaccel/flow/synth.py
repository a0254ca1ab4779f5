"""Synthesis, placement and routing of one component for ECP5: area, clock, critical path.

The component is synthesised alone, so its cell counts are its own. For routing it stands in a
harness: a shift register feeds every input, a register takes every output and a chain folds
those into one pin. So the clock includes the component's own paths to and from its ports.
"""

import hashlib
import importlib
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.lib import wiring

from vitaccel.errors import ConfigError
from vitaccel.flow import tools
from vitaccel.flow.nextpnr import ROUTER, Routing, read_routing
from vitaccel.presets import PRESETS

__all__ = ["DELAY_TARGET", "Report", "cells", "comb_of", "synthesize"]

TARGET_MHZ = 100  # what the placer strives for; high enough never to be satisfied early

# Without a delay to keep to, abc9 maps every path as fast as the slowest can be made, which takes a
# third more LUTs: in picoseconds, about seven LUTs as it reckons them, with 300 ps for a wire.
# Routed, with wires of a nanosecond, they fit a period of 10 ns.
DELAY_TARGET = "scratchpad -set abc9.D 3500"

_SYNTHESIS = f"""
{DELAY_TARGET}
read_rtlil {{name}}.il
hierarchy -top {{name}}
proc
flatten
opt_clean -purge
synth_ecp5 -top {{name}}
tee -q -o {{name}}.stat.json stat -json
"""

_SCRIPT = (
    _SYNTHESIS
    + """
design -stash bare
read_verilog harness.v
synth_ecp5 -top harness
delete {name}
design -copy-from bare {name}
hierarchy -top harness
flatten
clean
write_json harness.json
"""
)

_HARNESS = """
(* blackbox *) module {name}({ports});
endmodule
module harness(input clk, input i, output o);
  reg [{n_in}:0] feed;
  wire [{n_out}:0] out;
  reg [{n_out}:0] taken, fold;
  always @(posedge clk) begin
    feed <= {{feed, i}};
    taken <= out;
    fold <= {{fold, 1'b0}} ^ taken;
  end
  assign o = fold[{n_out}];
  {name} dut({wires});
endmodule
"""


@dataclass(frozen=True)
class Report:
    """Area of a component by itself and its clock in the harness.

    Parameters
    ----------
    comb
        LUT4 + 2·CCU2C + 6·TRELLIS_DPR16X4, the half-slices it occupies.
    ff, dsp, ram
        Flip-flops, MULT18X18D, DP16KD.
    fmax_mhz
        Routed clock per seed.
    critical_path
        The longest path of the slowest seed, in words.
    cells
        Every cell type with its count.
    """

    name: str
    comb: int
    ff: int
    dsp: int
    ram: int
    fmax_mhz: Mapping[int, float]
    critical_path: str
    cells: Mapping[str, int]

    @property
    def fmax_median_mhz(self) -> float:
        """Median clock over the seeds."""
        return statistics.median(self.fmax_mhz.values())

    def as_json(self) -> dict[str, Any]:
        """All figures as plain data, seeds as text."""
        return asdict(self) | {
            "fmax_mhz": {str(seed): mhz for seed, mhz in self.fmax_mhz.items()},
            "fmax_median_mhz": self.fmax_median_mhz,
        }


def synthesize(
    component: wiring.Component,
    name: str,
    folder: Path,
    *,
    speed: int = 6,
    seeds: Sequence[int] = (1, 2, 3),
) -> Report:
    """Synthesise ``component`` and route it once per seed on an LFE5U-85F.

    Results stay in ``folder/name``; a netlist and seed that are there already are not run again.

    Raises
    ------
    ToolError
        If Yosys or nextpnr is missing.
    BuildError
        If synthesis or routing fails, for instance because the component does not fit.
    """
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    text = rtlil.convert(component, name=name, emit_src=False, platform="ecp5")
    script = _SCRIPT.format(name=name)
    key = hashlib.blake2s(f"{text}{script}{_HARNESS}".encode()).hexdigest()
    if _stored(folder / "netlist.key") != key:
        (folder / f"{name}.il").write_text(text)
        (folder / "harness.v").write_text(_harness(text, name))
        (folder / "synth.ys").write_text(script)
        tools.run([*tools.command("yosys"), "synth.ys"], folder, "synth.log", f"{name}: synthesis")
        (folder / "netlist.key").write_text(key)
    counts = _counts(folder / f"{name}.stat.json")
    routed = {seed: _route(folder, name, key, speed, seed) for seed in seeds}
    slowest = min(routed.values(), key=lambda routing: routing.fmax_mhz)
    return Report(
        name=name,
        comb=comb_of(counts),
        ff=counts.get("TRELLIS_FF", 0),
        dsp=counts.get("MULT18X18D", 0),
        ram=counts.get("DP16KD", 0),
        fmax_mhz={seed: routing.fmax_mhz for seed, routing in routed.items()},
        critical_path=slowest.critical_path,
        cells=counts,
    )


def cells(component: wiring.Component, name: str, folder: Path) -> dict[str, int]:
    """Synthesise ``component`` without routing: cells by type.

    Results stay in ``folder`` under a digest of the netlist, so an equal one is not run again.

    Raises
    ------
    ToolError, BuildError
        If Yosys is missing or fails.
    """
    text = rtlil.convert(component, name=name, emit_src=False, platform="ecp5")
    script = _SYNTHESIS.format(name=name)
    digest = hashlib.blake2s(f"{text}{script}".encode(), digest_size=8).hexdigest()
    done = folder / f"{name}-{digest}.json"
    if not done.exists():
        work = folder / name
        work.mkdir(parents=True, exist_ok=True)
        (work / f"{name}.il").write_text(text)
        (work / "synth.ys").write_text(script)
        tools.run([*tools.command("yosys"), "synth.ys"], work, "synth.log", f"{name}: synthesis")
        (work / f"{name}.stat.json").replace(done)
    return _counts(done)


def comb_of(counts: Mapping[str, int]) -> int:
    """LUT4 + 2 CCU2C + 6 TRELLIS_DPR16X4 among ``counts``, the half-slices they occupy.

    Of an iCE40 its LUTs.
    """
    weights = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "SB_LUT4": 1}
    return sum(weight * counts.get(cell, 0) for cell, weight in weights.items())


def _counts(path: Path) -> dict[str, int]:
    return json.loads(path.read_text())["design"]["num_cells_by_type"]


def _stored(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _harness(text: str, name: str) -> str:
    """Wrap the ports that the RTLIL of the top module declares."""
    top = text[text.index(f"module \\{name}\n") :]
    top = top[: top.index("\nend\n")]
    ports, wires, n_in, n_out = [], [], 0, 0
    for width, way, port in re.findall(
        r"^  wire width (\d+) +(?:signed +)?(input|output) \d+ +(?:signed +)?\\(\S+)", top, re.M
    ):
        size = int(width)
        ports.append(f"{way} [{size - 1}:0] {port}")
        if port == "clk":
            wires.append(".clk(clk)")
        elif way == "input":
            wires.append(f".{port}(feed[{n_in} +: {size}])")
            n_in += size
        else:
            wires.append(f".{port}(out[{n_out} +: {size}])")
            n_out += size
    return _HARNESS.format(
        name=name,
        ports=", ".join(ports),
        wires=", ".join(wires),
        n_in=max(n_in - 1, 0),
        n_out=max(n_out - 1, 0),
    )


def _route(folder: Path, name: str, key: str, speed: int, seed: int) -> Routing:
    report = folder / f"speed{speed}-seed{seed}.json"
    stamp = report.with_suffix(".key")
    if _stored(stamp) != key:
        words = tools.command("nextpnr-ecp5")
        words += ["--85k", "--package", "CABGA756", "--speed", str(speed), "--seed", str(seed)]
        words += ["--json", "harness.json", "--report", report.name, *ROUTER]
        words += ["--freq", str(TARGET_MHZ), "--timing-allow-fail"]
        tools.run(words, folder, f"seed{seed}.log", f"{name}: place and route, seed {seed},")
        stamp.write_text(key)
    return read_routing(report)


def _main(
    component: Annotated[str, typer.Argument(help="module:factory, called with a configuration")],
    preset: Annotated[str, typer.Option(help="configuration to build it with")] = "demo",
    seeds: Annotated[str, typer.Option(help="seeds of the placer, comma-separated")] = "1,2,3",
    speed: Annotated[int, typer.Option(help="speed grade, 6 to 8")] = 6,
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("build/out/synth"),
) -> None:
    """Print area, clock and critical path of one component as JSON."""
    module, _, attribute = component.partition(":")
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    factory = getattr(importlib.import_module(module), attribute)
    name = re.sub(r"\W", "_", attribute).lower()
    report = synthesize(
        factory(PRESETS[preset]),
        name,
        out / preset,
        speed=speed,
        seeds=[int(s) for s in seeds.split(",")],
    )
    typer.echo(json.dumps(report.as_json(), indent=1))


if __name__ == "__main__":
    typer.run(_main)
