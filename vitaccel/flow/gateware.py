"""From a plan to a bitstream: synthesis, placement and routing per seed, packing."""

import fcntl
import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vitaccel import gowin
from vitaccel.errors import BuildError, ConfigError
from vitaccel.flow import tools
from vitaccel.flow.nextpnr import Routing, read_routing
from vitaccel.flow.plan import TOP, UNPACKED, Plan
from vitaccel.timing import Stopwatch

__all__ = ["Gateware", "build_gateware", "identity_of", "locked", "pack"]

# Command before the identity; Lattice FPGA-TN-02039 (ECP5 sysCONFIG), table 8.
_VERIFY_ID = b"\xe2\x00\x00\x00"
# The same of Gowin, as Apicula writes bits; TN653, table 3-1.
_GOWIN_ID = rb"^00000110(?:0{24})([01]{32})$"


@dataclass(frozen=True)
class Gateware:
    """A design, routed once per seed.

    Parameters
    ----------
    folder
        Has the plan's files, the netlist and a folder per seed, with the logs of the tools.
    cells
        Type of cell to number, after synthesis.
    routings
        By seed.
    """

    folder: Path
    cells: Mapping[str, int]
    routings: Mapping[int, Routing]

    @property
    def seed(self) -> int:
        """The fastest one."""
        return max(self.routings, key=lambda seed: self.routings[seed].fmax_mhz)

    @property
    def best(self) -> Routing:
        """Routing of the fastest seed."""
        return self.routings[self.seed]

    @property
    def worst_mhz(self) -> float:
        """Clock of the slowest seed."""
        return min(routing.fmax_mhz for routing in self.routings.values())

    @property
    def median_mhz(self) -> float:
        """Median clock over the seeds."""
        return statistics.median(routing.fmax_mhz for routing in self.routings.values())


def build_gateware(plan: Plan, folder: Path, seeds: Sequence[int], watch: Stopwatch) -> Gateware:
    """Synthesise, then place and route with every seed.

    What is in ``folder`` already, made of an equal plan by equal tools, is not made again; a step
    that was interrupted is. Two processes may share the folder.

    Raises
    ------
    ToolError
        If a tool is missing.
    BuildError
        If a tool fails, for instance because the design does not fit.
    ConfigError
        If the folder cannot be written.
    """
    words = {name: tools.command(name) for name in plan.tools}
    work = folder / plan.digest()
    with locked(work):
        with watch("synthesis"):
            if not (work / "netlist.done").exists():
                for name, text in plan.files.items():
                    (work / name).write_text(text)
                tools.run([*words["yosys"], f"{TOP}.ys"], work, "synthesis.log", "synthesis")
                (work / "netlist.done").touch()
        with watch("routing"):
            routings = {}
            for n, seed in enumerate(seeds):
                watch.tell(n / len(seeds))
                routings[seed] = _route(plan, work, seed)
    counts = json.loads((work / f"{TOP}.stat.json").read_text())["design"]["num_cells_by_type"]
    return Gateware(work, counts, routings)


def pack(plan: Plan, gateware: Gateware, fpga: str) -> bytes:
    """Make the bitstream of the fastest seed, and unpack it again to see whose it is.

    Raises
    ------
    BuildError
        If a tool fails, or the bitstream is not one of ``fpga``.
    """
    work = gateware.folder / f"seed-{gateware.seed}"
    bitstream = work / plan.packing[-1]
    with locked(gateware.folder):
        if not (work / "bitstream.done").exists():
            words = tools.command(plan.packing[0])
            tools.run([*words, *plan.packing[1:]], work, "packing.log", "packing")
            unpacker, *words = plan.unpacking
            tools.run([*tools.command(unpacker), *words], work, "unpacking.log", "unpacking")
            (work / "bitstream.done").touch()
    contents = bitstream.read_bytes()
    named = _device_of(contents, (work / UNPACKED).read_text())
    if named is None or not fpga.lower().endswith(named.lower()):
        raise BuildError(f"bitstream {bitstream} is for {named or 'no device'}, not for {fpga}")
    return contents


def _device_of(bitstream: bytes, unpacked: str) -> str | None:
    """Name of the device that a bitstream is for, as the tools call it."""
    found = re.search(r"^\.device (\S+)", unpacked, re.M)
    if found:
        return found[1]
    identity = identity_of(bitstream)
    return next((name for name, its in gowin.IDENTITIES.items() if its == identity), None)


def identity_of(bitstream: bytes) -> int | None:
    """JTAG identity of the ECP5 or Gowin FPGA that a bitstream is for; None if it has none."""
    line = re.search(_GOWIN_ID, bitstream, re.M)
    if line:
        return int(line[1], 2)
    at = bitstream.find(_VERIFY_ID)
    if at < 0:
        return None
    at += len(_VERIFY_ID)
    return int.from_bytes(bitstream[at : at + 4], "big")


def _route(plan: Plan, work: Path, seed: int) -> Routing:
    folder = work / f"seed-{seed}"
    if not (folder / "routing.done").exists():
        folder.mkdir(exist_ok=True)
        inputs = {name: f"../{name}" for name in (f"{TOP}.json", *plan.files)}
        words = [*tools.command(plan.routing[0]), *(_beside(w, inputs) for w in plan.routing[1:])]
        words += ["--seed", str(seed), "--report", "report.json"]
        tools.run(words, folder, "routing.log", f"place and route, seed {seed},")
        (folder / "routing.done").touch()
    return read_routing(folder / "report.json")


def _beside(word: str, inputs: Mapping[str, str]) -> str:
    """Name the file that ``word`` names, by itself or as ``key=file``, from the seed's folder."""
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}{inputs.get(value, value)}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make ``folder``, and wait until no other process works in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as bad:
        raise ConfigError(f"folder of builds {folder} cannot be written: {bad.strerror}") from bad
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
