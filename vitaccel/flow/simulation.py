"""Build Verilog with Verilator, once per text, and run cocotb benches on it."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amaranth.lib import wiring
from cocotb_tools import config as cocotb

from vitaccel.errors import BuildError, ConfigError, MismatchError
from vitaccel.flow import tools
from vitaccel.verilog import verilog_text

__all__ = ["Model", "build_model", "progress", "run_bench"]

# -fPIC and main: the model is a library, see model.cpp. X never reaches a register of ours.
_VERILATOR = (
    "--cc --exe --vpi --prefix Vtop -o model.so -O3 --no-timing --x-assign fast --x-initial fast "
    "-Wno-fatal --timescale 1ns/1ps -CFLAGS -fPIC -CFLAGS -Dmain=model_main"
).split()
# -O1 builds the demo in 60 % of the time of -O2 and simulates 3 % slower. CFG_…: without it the
# wheel's makefile does not use its precompiled header.
_MAKE = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2", "CFG_CXXFLAGS_PCH_I=-include")
_SHIM = Path(__file__).with_name("model.cpp")
_LOADER = "import ctypes, sys; ctypes.PyDLL(sys.argv[1]).simulate()"
_PROGRESS = "VITACCEL_PROGRESS"


@dataclass(frozen=True)
class Model:
    """A simulation model that `build_model` made.

    Parameters
    ----------
    name
        Its Verilog module.
    folder
        Holds ``<name>.v``, ``model.so`` and ``build.log``.
    """

    name: str
    folder: Path


def build_model(design: wiring.Component | str, name: str, folder: Path, *, jobs: int = 2) -> Model:
    """Build ``design``, a component or Verilog text, with top module ``name``.

    Models are kept in ``folder`` under a digest of the Verilog, the options and the versions of
    the tools, so a known design costs nothing. Only the ports of the top are visible to benches:
    keeping every signal visible costs minutes of C++ and most of the speed. Interrupted builds
    leave no model behind.

    Raises
    ------
    ToolError
        If Verilator, the compiler, make or perl is missing.
    BuildError
        If Verilator or the compiler fails.
    ConfigError
        If the folder cannot be written.
    """
    text = design if isinstance(design, str) else verilog_text(design, name)
    words = {tool: tools.command(tool) for tool in ("verilator", "g++", "make", "perl")}
    toolchain = [tools.version("verilator"), tools.version("g++"), *words["verilator"]]
    toolchain += [importlib.metadata.version("cocotb"), *_VERILATOR, *_MAKE, _SHIM.read_text()]
    model = Model(name, folder / f"{name}-{_digest(text, *toolchain)}")
    if (model.folder / "model.so").exists():
        return model
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}-"))
    except OSError as bad:
        raise ConfigError(f"folder of models {folder} cannot be written: {bad.strerror}") from bad
    runtime = folder / f"runtime-{_digest(*toolchain)}"
    try:
        (work / f"{name}.v").write_text(text)
        (work / "ports.vlt").write_text(_control(text, name))
        _compile(words, work, name, runtime, jobs)
        for rest in work.iterdir():
            if rest.name not in {f"{name}.v", "model.so", "build.log"}:
                rest.unlink()
        with contextlib.suppress(OSError):  # another process finished the same model first
            work.rename(model.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return model


def _digest(*texts: str) -> str:
    return hashlib.blake2s("\0".join(texts).encode(), digest_size=6).hexdigest()


def _control(text: str, name: str) -> str:
    """Make the ports of the top module visible, and nothing else."""
    top = re.search(rf"^module {name}\(.*?^endmodule", text, re.M | re.S)
    if top is None:
        raise BuildError(f"{name} must be a module of the Verilog text; none has that name")
    ports = re.findall(r"^ *(?:input|output) (?:\w+ )?(?:\[[^]]*\] )?(\w+) *;", top[0], re.M)
    lines = [f'public_flat_rw -module "{name}" -var "{port}"' for port in ports]
    return "\n".join(["`verilator_config", *lines, ""])


def _compile(
    words: Mapping[str, list[str]], work: Path, name: str, runtime: Path, jobs: int
) -> None:
    """Run Verilator and make in ``work``; its own runtime is compiled once and kept."""
    for compiled in runtime.glob("verilated*.o"):
        shutil.copy2(compiled, work)
    main = cocotb.share_dir / "lib" / "verilator" / "verilator.cpp"
    link = f"-shared -Wl,-rpath,{cocotb.libs_dir} -L{cocotb.libs_dir} -lcocotbvpi_verilator"
    options = [*_VERILATOR, "-Mdir", ".", "--top-module", name, "-LDFLAGS", link]
    compiler = words["g++"][0]
    variables = [f"PYTHON3={sys.executable}", f"CXX={compiler}", f"LINK={compiler}", *_MAKE]
    steps = (
        [*words["verilator"], *options, str(main), str(_SHIM), "ports.vlt", f"{name}.v"],
        [*words["make"], "-f", "Vtop.mk", f"-j{jobs}", *variables],
    )
    log = work / "build.log"
    environment = os.environ | {"MAKEFLAGS": ""}  # we may run under a make of our own
    for step in steps:
        with log.open("a") as out:
            done = subprocess.run(
                step, cwd=work, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False
            )
        if done.returncode:
            kept = log.replace(work.parent / f"{name}.build.log")
            why = re.search(r"^.*(%Error|error:).*$", kept.read_text(), re.M)
            tail = why[0].strip() if why else f"{Path(step[0]).name} ended with {done.returncode}"
            raise BuildError(f"simulation model of {name} failed to build, see {kept}: {tail}")
    if not runtime.exists():
        _keep_runtime(work, runtime)


def _keep_runtime(work: Path, runtime: Path) -> None:
    staged = Path(tempfile.mkdtemp(dir=runtime.parent, prefix=".runtime-"))
    for compiled in work.glob("verilated*.o"):
        shutil.copy2(compiled, staged)
    with contextlib.suppress(OSError):  # another process was first
        staged.rename(runtime)
    shutil.rmtree(staged, ignore_errors=True)


def run_bench(
    model: Model,
    bench: str,
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    seed: int = 1,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
) -> None:
    """Run every cocotb test of the importable module ``bench`` on ``model``.

    Working directory is ``folder``, which also receives ``<bench>.log`` and ``<bench>.xml``.
    Nothing is printed. ``on_progress`` is called with what the bench passes to `progress`.

    Raises
    ------
    MismatchError
        If a test fails or the simulator ends without a verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = bench.rpartition(".")[2]
    log, results = (folder / f"{stem}.log").resolve(), (folder / f"{stem}.xml").resolve()
    results.unlink(missing_ok=True)
    reading, writing = os.pipe()
    environment = os.environ | _cocotb(model, bench, seed, results) | dict(env or {})
    environment[_PROGRESS] = str(writing)
    with log.open("w") as out, os.fdopen(reading) as reports:
        process = subprocess.Popen(
            [sys.executable, "-c", _LOADER, str((model.folder / "model.so").resolve())],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )
        os.close(writing)
        try:
            for line in reports:
                on_progress(json.loads(line))
            process.wait()
        finally:
            process.kill()
            process.wait()
    _judge(bench, results, log, process.returncode)


def _cocotb(model: Model, bench: str, seed: int, results: Path) -> dict[str, str]:
    return {
        "COCOTB_ANSI_OUTPUT": "0",
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TEST_MODULES": bench,
        "COCOTB_TOPLEVEL": model.name,
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "GPI_USERS": cocotb.pygpi_entry_point(),
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path),
        "TOPLEVEL_LANG": "verilog",
    }


def _judge(bench: str, results: Path, log: Path, code: int) -> None:
    if not results.exists():
        raise MismatchError(f"{bench} ended without a verdict (exit code {code}), see {log}")
    cases = ElementTree.parse(results).getroot().findall(".//testcase")
    if not cases:
        raise MismatchError(f"{bench} has no tests, see {log}")
    for case in cases:
        for bad in (*case.findall("failure"), *case.findall("error")):
            why = (bad.get("message") or bad.get("type") or "failed").splitlines()[0]
            raise MismatchError(f"{bench}: {case.get('name')}: {why}, see {log}")


def progress(**fields: Any) -> None:
    """Tell `run_bench`'s caller something; for benches, inside the simulator."""
    if _PROGRESS in os.environ:
        os.write(int(os.environ[_PROGRESS]), f"{json.dumps(fields)}\n".encode())
