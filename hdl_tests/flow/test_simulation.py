"""`flow.simulation`: models are built once, benches judged, nothing left half-written."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.errors import BuildError, ConfigError, MismatchError, ToolError
from vitaccel.flow.simulation import Model, build_model, progress, run_bench

BENCHES = {
    "passes": """
        @cocotb.test()
        async def adds(dut):
            Clock(dut.clk, 10, unit="ns").start(start_high=False)
            dut.rst.value, dut.i.value = 0, 41
            await ClockCycles(dut.clk, 3)
            print("a line for the log")
            assert not hasattr(dut, "inner")
            progress(sum=int(dut.o.value), word=os.environ["WORD"], seed=cocotb.RANDOM_SEED)
        """,
    "fails": """
        @cocotb.test()
        async def adds(dut):
            assert int(dut.o.value) == 7, "sum must be 7"
        """,
    "empty": "",
    "dies": """
        @cocotb.test()
        async def ends(dut):
            os._exit(3)
        """,
    "hangs": """
        @cocotb.test()
        async def waits(dut):
            progress(alive=True)
            Clock(dut.clk, 10, unit="ns").start()
            await ClockCycles(dut.clk, 10**12)
        """,
}
HEAD = """
import os
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from vitaccel.flow.simulation import progress
"""


class Increment(wiring.Component):
    i: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner = Signal(8)
        m.d.sync += inner.eq(self.i)
        m.d.comb += self.o.eq(inner + 1)
        return m


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(models: Path) -> Model:
    return build_model(Increment(), "increment", models)


@pytest.fixture
def benches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on `sys.path` with every bench as a module."""
    for name, text in BENCHES.items():
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


pytestmark = pytest.mark.cosim


def test_bench_passes_without_a_word(
    model: Model, benches: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[dict] = []
    run_bench(model, "passes", benches, env={"WORD": "x"}, seed=5, on_progress=told.append)
    assert len(told) == 1
    assert told[0]["sum"] == 42
    assert told[0]["word"] == "x"
    assert capfd.readouterr() == ("", "")
    assert "a line for the log" in (benches / "passes.log").read_text()
    again: list[dict] = []
    run_bench(model, "passes", benches, env={"WORD": "y"}, seed=6, on_progress=again.append)
    assert again[0]["seed"] != told[0]["seed"]


@pytest.mark.parametrize(
    ("bench", "why"),
    [
        ("fails", "fails: adds: sum must be 7, see "),
        ("empty", "empty ended without a verdict (exit code "),
        ("dies", "dies ended without a verdict (exit code 3), see "),
    ],
)
def test_bench_that(bench: str, why: str, model: Model, benches: Path) -> None:
    with pytest.raises(MismatchError) as caught:
        run_bench(model, bench, benches)
    assert str(caught.value).startswith(why)
    assert str(caught.value).endswith(f"{bench}.log")


def command_lines() -> Iterator[bytes]:
    """Of all processes; ``ps`` is not everywhere."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended meanwhile
            yield entry.read_bytes()


def test_an_interrupt_ends_the_simulator(model: Model, benches: Path) -> None:
    def interrupt(told: dict) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench(model, "hangs", benches, on_progress=interrupt)
    assert not any(str(model.folder / "model.so").encode() in words for words in command_lines())


def test_progress_is_silent_outside_a_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITACCEL_PROGRESS", raising=False)
    progress(images=1)


def test_known_design_is_not_built_again(model: Model, models: Path) -> None:
    before = (model.folder / "model.so").stat().st_mtime_ns
    assert build_model(Increment(), "increment", models) == model
    assert (model.folder / "model.so").stat().st_mtime_ns == before
    assert {path.name for path in model.folder.iterdir()} == {
        "build.log",
        "increment.v",
        "model.so",
    }


def test_refuses_text_without_the_top_module(models: Path) -> None:
    with pytest.raises(BuildError, match=r"^other must be a module of the Verilog text; none has"):
        build_model("module increment(); endmodule", "other", models)


def test_a_build_that_fails_leaves_its_log_and_nothing_else(tmp_path: Path) -> None:
    text = "module broken(a);\n  input a;\n  wire = ;\nendmodule\n"
    with pytest.raises(BuildError) as caught:
        build_model(text, "broken", tmp_path)
    assert str(caught.value).startswith("simulation model of broken failed to build, see ")
    assert "%Error: broken.v:3:" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.build.log"]


def test_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GXX", "no-such-compiler")
    with pytest.raises(ToolError, match=r"^g\+\+ is missing, simulation needs it; apt-get"):
        build_model("module x(a);\n  input a;\nendmodule", "x", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        build_model("module x(a);\n  input a;\nendmodule", "x", tmp_path / "file")
    assert (
        str(caught.value) == f"folder of models {tmp_path / 'file'} cannot be written: File exists"
    )


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    slow = tmp_path / "slow-make"
    slow.write_text("#!/bin/sh\necho started\nsleep 60\n")
    slow.chmod(0o755)
    code = (
        "import signal, sys, pathlib; from vitaccel.flow.simulation import build_model;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # whatever ours is set to
        "build_model('module x(a);\\n  input a;\\nendmodule', 'x', pathlib.Path(sys.argv[1]))"
    )
    folder = tmp_path / "models"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env=os.environ | {"MAKE": str(slow)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not any("started" in log.read_text() for log in folder.glob(".x-*/build.log")):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in said
    assert list(folder.iterdir()) == []
