"""`vitaccel boards`, `build` and `flash`, with stand-ins for the tools."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from boards import fit
from boards.catalogue import BOARDS, find_board
from boards.design import Design
from hdl_tests.harness.fpga_tools import Tools, fake_plan
from vitaccel.ecp5 import Resources
from vitaccel.flow import board_list
from vitaccel.hw.memory.sdram import Controller

Run = Callable[..., tuple[int, str, list[str]]]
BOARD = find_board("ulx3s-85f")
PATH = (
    "core.total to core.total: 10.0 ns, 7.0 of it routing, 0 LUTs and 0 carry steps; "
    "through core.sum"
)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Stand-ins, and a working folder of the test's own, where builds are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("boards.design.make_plan", fake_plan)
    # No gateware is made that nobody elaborates: Amaranth warns of that, whatever test comes next.
    monkeypatch.setattr(Design, "top", lambda design, pll, _: SimpleNamespace(pll=pll))
    monkeypatch.setattr(fit, "resources", lambda config: {"all": Resources(20_000, 10, 41, 33)})
    return Tools(tmp_path / "tools", BOARD, monkeypatch)


@pytest.fixture
def build(run: Run, network: Path) -> Run:
    def call(*words: str | Path) -> tuple[int, str, list[str]]:
        return run("build", network, "--board", BOARD.name, "-o", "out", *words)

    return call


def test_a_build_leaves_all_that_is_needed(build: Run, run: Run, tools: Tools) -> None:
    tools.reach(70.5, 2)
    code, out, _ = build()
    assert code == 0
    assert tools.calls() == ["synthesis", "seed 1", "seed 2", "seed 3", "packing"]
    lines = out.splitlines()
    assert lines[0].startswith("LFE5U-85F: 10 of 100 LUT4, 10 of 100 flip-flops, 10 of 100 MULT")
    assert lines[1] == "clock 50 MHz; routed for 60, 70.5, 60 MHz, median 60, worst 60"
    assert lines[2] == f"longest path: {PATH}"
    assert lines[4] == "bitstream: out/ulx3s-85f.bit"
    out = Path("out")
    assert {path.name for path in out.iterdir()} == {
        "board.json",
        "network",
        "program.bin",
        "program.json",
        "program.txt",
        "report.html",
        "report.json",
        "ulx3s-85f.bit",
    }
    about = json.loads((out / "report.json").read_text())
    assert about["fmax_mhz"] == {"1": 60.0, "2": 70.5, "3": 60.0}
    assert about["seed"] == 2
    assert about["tools"]["yosys"] == "Yosys stand-in"
    assert about["resources"]["dsp"] == {"used": 10, "available": 100, "estimated": 41}
    assert about["critical_path"] == PATH
    board = json.loads((out / "board.json").read_text())
    assert (board["board"], board["clock_mhz"], board["baud"]) == ("ulx3s-85f", 50.0, 2_000_000)
    assert board["config_digest"] == json.loads((out / "program.json").read_text())["config_digest"]
    page = (out / "report.html").read_text()
    assert "70.5 MHz" in page
    assert "core.sum" in page
    assert "src=" not in page

    code, said, _ = run("flash", "out", "--dry-run")
    assert (code, tools.calls()) == (0, [])
    assert said.endswith("--board ulx3s --write-sram out/ulx3s-85f.bit\n")
    assert run("flash", "out", "--spi")[:2] == (0, "ulx3s-85f: loaded into its SPI flash\n")
    assert tools.calls() == ["loading --board ulx3s --write-flash out/ulx3s-85f.bit"]


def test_it_fits_is_said_first(build: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("vitaccel.console.note", lambda line: said.append((line, tools.calls())))
    assert build("--seeds", "1")[0] == 0
    ((line, ran_before),) = said
    assert line.startswith("fits ulx3s-85f, estimated: 21500 of 83640 LUT4, ")
    assert ran_before == []


def test_nothing_changed_nothing_run(build: Run, tools: Tools) -> None:
    _, first, _ = build()
    tools.calls()
    assert build()[1] == first
    assert tools.calls() == []
    assert build("--seeds", "3,4")[0] == 0
    assert tools.calls() == ["seed 4", "packing"]
    assert build("--mhz", "55")[0] == 0
    assert tools.calls() == ["synthesis", "seed 1", "seed 2", "seed 3", "packing"]


def test_another_version_of_a_tool_builds_again(build: Run, tools: Tools) -> None:
    build()
    tools.calls()
    yosys = tools.folder / "yosys"
    yosys.write_text(yosys.read_text().replace("Yosys stand-in", "Yosys 2"))
    assert build("--seeds", "1")[0] == 0
    assert tools.calls() == ["synthesis", "seed 1", "packing"]


def test_an_interrupted_step_is_run_again(build: Run, tools: Tools) -> None:
    tools.reach("never", 2)
    code, out, messages = build()
    assert (code, out) == (5, "")
    assert messages[0].startswith(
        "place and route, seed 2, failed, see build/out/boards/ulx3s-85f-"
    )
    assert messages[0].endswith("seed-2/routing.log: ERROR: Unable to find legal placement")
    assert not Path("out").exists()
    tools.calls()
    tools.reach(61.0, 2)
    assert build()[0] == 0
    assert tools.calls() == ["seed 2", "seed 3", "packing"]


def test_a_clock_that_is_missed(build: Run, tools: Tools) -> None:
    for seed in (1, 2, 3):
        tools.reach(40.0 + seed, seed)
    code, out, messages = build()
    assert (code, out) == (5, "")
    message = (
        f"ulx3s-85f reaches 43 of 50 MHz with the best of seeds 1, 2, 3; longest path: {PATH}; try "
        "--mhz 42.86, --pll, more --seeds, a smaller array: most of that path is wiring"
    )
    assert messages == [message]
    assert not Path("out").exists()


def test_the_fastest_clock_that_closes(build: Run, tools: Tools) -> None:
    """100 MHz is missed, so is what that reached; the third closes."""
    tools.reach(66.0, 1)
    tools.reach(64.0, 1, "65.625")
    code, out, _ = build("--pll", "--seeds", "1")
    assert code == 0
    assert out.splitlines()[1] == "clock 62.5 MHz; routed for 66 MHz, median 66, worst 66"
    assert tools.calls() == ["synthesis", "seed 1"] * 3 + ["packing"]


def test_a_clock_that_nextpnr_did_not_know(build: Run, tools: Tools) -> None:
    report = tools.folder / "report"
    report.write_text(report.read_text().replace("WANTED", "12"))
    code, out, messages = build()
    message = (
        "clock core_clock was routed for 12 MHz, not for 50; this is a bug: the design has a clock "
        "without a constraint"
    )
    assert (code, out, messages) == (5, "", [message])
    assert not Path("out").exists()


def test_no_clock_closes(build: Run, tools: Tools) -> None:
    tools.reach(3.0, 1)
    code, _, messages = build("--pll", "--seeds", "1")
    assert code == 5
    assert messages[0].startswith("ulx3s-85f reaches 3 of 100 MHz with the best of seeds 1; ")
    assert messages[0].endswith("try more --seeds, a smaller array: most of that path is wiring")


def test_what_a_build_refuses(build: Run, run: Run, network: Path, tools: Tools) -> None:
    known = ", ".join(BOARDS)
    message = f"board must be one of {known}, not 'ulx4'"
    assert run("build", network, "--board", "ulx4", "-o", "out") == (3, "", [message])
    message = "mhz and pll exclude each other: pll looks for the clock by itself"
    assert build("--mhz", "50", "--pll") == (3, "", [message])
    message = "seeds must be whole numbers separated by commas, not '1,x'"
    assert build("--seeds", "1,x") == (3, "", [message])
    words = ["--board", "ulx3s-25f", "-o", "out", "--config", "tiny"]
    message = (
        "ulx3s-25f is too small: the accelerator would take 41 MULT18X18D of 28; `vitaccel boards` "
        "lists what fits"
    )
    assert run("build", network, *words) == (3, "", [message])
    assert tools.calls() == []
    assert not Path("out").exists()


def test_a_network_too_large_for_block_ram_goes_into_sdram(
    build: Run, run: Run, network: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only 4 of the 85F's 208 blocks are left, and the network wants more."""
    monkeypatch.setattr(fit, "resources", lambda config: {"all": Resources(20_000, 10, 41, 203)})
    made: list[Controller] = []
    monkeypatch.setattr(
        Design, "top", lambda design, pll, sdram: made.append(sdram) or SimpleNamespace(pll=pll)
    )
    code, out, _ = build("--seeds", "1", "--json")
    assert code == 0
    about = json.loads(out)
    assert (about["sdram"], about["memory_bytes"]) == (True, 32 << 20)
    board = json.loads(Path("out/board.json").read_text())
    assert (board["sdram"], board["memory_bytes"]) == (True, 32 << 20)
    ((controller,)) = made
    assert controller.chip == BOARD.sdram
    assert not controller.simulated
    words = ("build", network, "--board", "ecpix5-85f", "-o", "out")
    code, _, (message,) = run(*words)
    assert code == 3
    assert message.startswith("the network's ")
    assert message.endswith("take a board with more block RAM")


def test_boards_and_what_fits(run: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = {"tiny": "parallel", "other": "parallel", "little": "serial"}
    presets = {name: SimpleNamespace(core=core) for name, core in cores.items()}
    monkeypatch.setattr(board_list, "PRESETS", presets)
    needs = {
        "tiny": Resources(20_000, 10, 41, 33),
        "other": Resources(20_000, 10, 28, 33),
        "little": Resources(2_000, 10, 7, 20),
    }
    counted: list[str] = []

    def needed(config: SimpleNamespace, *_: int, **__: object) -> Resources:
        (name,) = (name for name, preset in presets.items() if preset is config)
        counted.append(name)
        return needs[name]

    monkeypatch.setattr(board_list, "needed", needed)
    code, out, _ = run("boards", "--json")
    found = {about["name"]: about for about in json.loads(out)["boards"]}
    assert code == 0
    assert list(found) == list(BOARDS)
    assert found["ulx3s-25f"]["presets"] == ["other"]
    assert found["ulx3s-85f"]["presets"] == ["tiny", "other"]
    assert found["ulx3s-85f"]["memory"] == "32 MiB SDRAM"
    assert found["ecpix5-85f"]["memory"] == "on chip"
    assert (found["ulx3s-85f"]["multipliers"], found["ulx3s-85f"]["ram_kib"]) == (156, 468)
    assert found["icebreaker"]["presets"] == ["little"]
    assert (found["icebreaker"]["multipliers"], found["icebreaker"]["ram_kib"]) == (8, 143)
    assert found["tang-nano-20k"]["presets"] == ["little"]
    assert found["tang-nano-20k"]["ram_kib"] == 104
    assert set(counted) == set(needs)
    counted.clear()
    code, out, _ = run("boards")  # the second time next to nothing is counted
    assert code == 0
    assert set(counted) == {"little"}
    for name in BOARDS:
        assert name in out
