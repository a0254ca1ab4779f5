"""Netlists after synthesis, as Verilog with a model of every cell: what the FPGA is made of."""

import re
from pathlib import Path

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.lib import wiring

from hdl_tests.harness.ecp5_blocks import blocks
from vitaccel.flow import tools

__all__ = ["FAMILIES", "netlist"]

OUT = Path(__file__).parents[2] / "build" / "out" / "netlist"
_ICE40_CELLS = ("ice40", ("cells_sim.v",))
# What components make cells for, Yosys' command, and the folder and files of its cell models.
FAMILIES = {
    "ecp5": ("ecp5", "synth_ecp5", "ecp5", ("common_sim.vh", "ccu2c_sim.vh")),
    "ice40": (None, "synth_ice40 -dsp", *_ICE40_CELLS),
    "ultraplus": ("ultraplus", "synth_ice40", *_ICE40_CELLS),
}
_SCRIPT = """
read_rtlil {name}.il
hierarchy -top {name}
proc
flatten
opt_clean -purge
{synthesis} -top {name}
delete t:$scopeinfo
write_verilog -noattr {name}.v
"""


def netlist(dut: wiring.Component, name: str, family: str) -> str:
    """Synthesise ``dut`` as module ``name`` for ``family``; return Verilog that can be simulated.

    Multipliers of ``ice40`` are those that Yosys infers, of ``ultraplus`` those of `Mac16`.

    Raises
    ------
    ToolError, BuildError
        If Yosys is missing or fails.
    """
    import pyosys

    platform, synthesis, cells, models = FAMILIES[family]
    folder = OUT / family / name
    folder.mkdir(parents=True, exist_ok=True)
    text = rtlil.convert(dut, name=name, emit_src=False, platform=platform)
    (folder / f"{name}.il").write_text(text)
    script = _SCRIPT.format(name=name, synthesis=synthesis)
    (folder / "synth.ys").write_text(script)
    tools.run([*tools.command("yosys"), "synth.ys"], folder, "synth.log", f"{name}: synthesis")
    share = Path(pyosys.__file__).parent / "share" / cells
    texts = [_plain((share / model).read_text()) for model in models]
    if family == "ecp5":
        texts.append(blocks())
    return "\n".join([(folder / f"{name}.v").read_text(), *texts])


def _plain(models: str) -> str:
    """Take each cell's clock as it comes.

    Verilator may run what depends on a clock that another wire carries later than the rest, so that
    it saw the new values of other registers. Nothing of ours uses an inverted clock.
    """
    for wire, clock in (("clock", "CLK"), ("muxclk", "CLK"), ("muxwck", "WCK")):
        models = models.replace(f"posedge {wire}", f"posedge {clock}")
    return re.sub("^`include.*$", "", models, flags=re.M)
