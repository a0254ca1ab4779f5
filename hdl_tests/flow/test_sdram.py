"""LiteDRAM's controller: what is generated, that it is kept, and what is said when it fails."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from boards.catalogue import find_board
from vitaccel.errors import BuildError, ConfigError, ToolError
from vitaccel.flow import tools
from vitaccel.flow.sdram import make_controller
from vitaccel.flow.simulated_board import simulate_board
from vitaccel.hw.memory.sdram import Chip, Controller
from vitaccel.timing import Stopwatch

_CHIP = find_board("ulx3s-85f").sdram
assert _CHIP is not None
CHIP: Chip = _CHIP
COMMAND, ISSUE, ADDRESS = 513, 514, 515  # words of DFII's registers
PRECHARGE, MODE, REFRESH = 11, 15, 13  # chip select with RAS + WE, all three, RAS + CAS


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return make_controller(CHIP, 50e6, tmp_path_factory.mktemp("cache"))


def test_ports_are_those_of_the_chip(controller: Controller) -> None:
    head = controller.verilog[: controller.verilog.index(");")]
    assert head.startswith("module litedram_core (")
    widths = {
        name: int(high or 0) + 1
        for high, name in re.findall(r"wire +(?:\[(\d+):0\])? *(\w+)", head)
    }
    assert widths["sdram_dq"] == 8 * CHIP.width
    assert widths["user_port_bus_wdata"] == 8 * CHIP.width
    assert 1 << widths["user_port_bus_araddr"] == CHIP.size
    assert controller.verilog.endswith("endmodule\n")


def test_the_chip_is_started_as_its_makers_say(controller: Controller) -> None:
    """CKE, 200 us at least, precharge, two refreshes, mode; then the controller takes over."""
    issued = []
    last = {ADDRESS: 0, COMMAND: 0}
    for address, data, _ in controller.setup:
        last[address] = data
        if address == ISSUE:
            issued.append((last[COMMAND], last[ADDRESS]))
    burst, two_cycles, all_banks, first = 0, 2 << 4, 1 << 10, 1 << 8
    mode = two_cycles | burst
    assert issued == [
        (PRECHARGE, all_banks),
        (MODE, mode | first),
        (PRECHARGE, all_banks),
        (REFRESH, 0),
        (REFRESH, 0),
        (MODE, mode),
    ]
    enabled = [step for step in controller.setup if step.address == 512]
    assert [step.data for step in enabled] == [0b1110, 0b1110, 0b0001]
    assert enabled[1].wait >= 200e-6 * 50e6
    assert controller.setup[-1][:2] == (0, 1)


def test_the_same_in_every_folder(controller: Controller, tmp_path: Path) -> None:
    assert make_controller(CHIP, 50e6, tmp_path) == controller


def test_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_controller(CHIP, 50e6, tmp_path, simulated=True)
    assert "sdram_dq" not in first.verilog
    monkeypatch.setattr(tools, "run", lambda *_: pytest.fail("run again"))
    assert make_controller(CHIP, 50e6, tmp_path, simulated=True) == first
    with pytest.raises(pytest.fail.Exception, match="run again"):
        make_controller(CHIP, 60e6, tmp_path, simulated=True)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError) as caught:
        make_controller(Chip("NOSUCH", 2, 32 << 20), 50e6, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert str(caught.value) == (
        f"controller of the SDRAM failed, see {folder / 'log'}: AttributeError: module "
        "'litedram.modules' has no attribute 'NOSUCH'"
    )
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError) as refused:
        make_controller(CHIP, 50e6, file)
    assert str(refused.value).startswith(f"folder of builds {file}/")
    assert str(refused.value).endswith("cannot be written: Not a directory")
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as missing:
        make_controller(CHIP, 50e6, tmp_path)
    assert str(missing.value) == (
        "litedram is missing, the SDRAM of a board needs it; pip install litedram litex"
    )


def test_a_board_without_sdram_is_not_simulated_with_it(tmp_path: Path) -> None:
    deployment: Any = SimpleNamespace(board="ecpix5-85f", sdram=True)
    with pytest.raises(ConfigError) as caught:
        simulate_board(deployment, np.zeros((1, 1)), tmp_path, Stopwatch())
    assert str(caught.value) == ("board.json names SDRAM, which ecpix5-85f has not; build again")
