"""LiteDRAM's controller of an SDRAM chip, generated once per chip and clock."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

from vitaccel.flow import tools
from vitaccel.flow.gateware import locked
from vitaccel.hw.memory.sdram import Chip, Controller
from vitaccel.hw.memory.sdram_setup import Step

__all__ = ["make_controller"]


def make_controller(chip: Chip, hz: float, cache: Path, *, simulated: bool = False) -> Controller:
    """Generate a controller, or find the one of an earlier call.

    Parameters
    ----------
    hz
        Clock of core and chip: refresh and pauses depend on it.
    cache
        Folder that keeps controllers under a digest of all of this, the script and the versions
        of the packages.
    simulated
        With LiteDRAM's model of the chip instead of pins.

    Raises
    ------
    ToolError
        If LiteDRAM is missing.
    BuildError
        If it fails.
    ConfigError
        If ``cache`` cannot be written.
    """
    words = tools.command("litedram")
    request = json.dumps({
        "chip": chip.name,
        "width": chip.width,
        "hz": hz,
        "simulated": simulated,
    })
    versions = [tools.version("litedram"), _litex()]
    about = json.dumps([request, tools.LITEDRAM_JOB.read_text(), versions])
    folder = cache / hashlib.blake2s(about.encode(), digest_size=6).hexdigest()
    with locked(folder):
        if not (folder / "done").exists():
            (folder / "request.json").write_text(request)
            tools.run(words, folder, "log", "controller of the SDRAM")
            (folder / "done").touch()
        setup = json.loads((folder / "controller.json").read_text())
        verilog = (folder / "controller.v").read_text()
    return Controller(chip, verilog, tuple(Step(*step) for step in setup), simulated)


def _litex() -> str:
    try:
        return importlib.metadata.version("litex")
    except importlib.metadata.PackageNotFoundError:
        return ""  # `tools.run` tells what the script missed
