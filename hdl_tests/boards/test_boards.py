"""Every board: what it says of itself, its pins and clocks, its bitstream."""

import re
from pathlib import Path
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.board import Board, Link
from boards.catalogue import BOARDS, find_board
from boards.design import Design
from boards.family import ECP5
from vitaccel.errors import ConfigError
from vitaccel.flow.gateware import build_gateware, identity_of, pack
from vitaccel.flow.plan import Plan
from vitaccel.hw.link.board_core import LIGHTS
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch

SMALL = PRESETS["small"]
FPGAS = {
    "ulx3s-12f": "LFE5U-12F",
    "ulx3s-25f": "LFE5U-25F",
    "ulx3s-45f": "LFE5U-45F",
    "ulx3s-85f": "LFE5U-85F",
    "ecpix5-45f": "LFE5UM5G-45F",
    "ecpix5-85f": "LFE5UM5G-85F",
    "colorlight-i5": "LFE5U-25F",
    "icebreaker": "iCE40UP5K",
    "tang-nano-20k": "GW2A-18C",
}
# Lowest bits of the JTAG identity, which name the maker.
MAKERS = {"LFE5U": 0x043, "GW2A-": 0x81B}
boards = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


class Echo(wiring.Component):
    """Takes the place of `BoardCore`, which takes seconds: what comes in goes out."""

    rx: Signal
    tx: Signal
    lights: Signal

    def __init__(self, config: object, memory: Any, *rest: object) -> None:
        self.memory = memory
        super().__init__({"rx": In(1), "tx": Out(1), "lights": Out(LIGHTS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = self.memory
        m.d.sync += [self.tx.eq(self.rx), self.lights.eq(self.lights + 1)]
        return m


@pytest.fixture(autouse=True)
def _no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boards.top.BoardCore", Echo)


def echo_plan(board: Board) -> Plan:
    design = Design(board, PRESETS[board.preset], 4096)
    return design.plan(design.nearest(board.mhz))


def constraints(plan: Plan) -> str:
    kinds = (".lpf", ".pcf", ".cst", ".sdc")
    return "".join(text for name, text in plan.files.items() if name.endswith(kinds))


def constrained(text: str) -> set[str]:
    return set(re.findall(r'^ *(?:LOCATE COMP |set_io |IO_LOC )"?([^" ]+)', text, re.M))


def clocks(text: str) -> list[float]:
    hertz = re.findall(r'^FREQUENCY (?:NET|PORT) "[^"]+" (\S+) HZ', text, re.M)
    megahertz = re.findall(r"^set_frequency \S+ (\S+)", text, re.M)
    nanoseconds = re.findall(r"^ *create_clock .*-period (\S+) ", text, re.M)
    return [
        *map(float, hertz),
        *(1e6 * float(mhz) for mhz in megahertz),
        *(1e9 / float(ns) for ns in nanoseconds),
    ]


def ports(plan: Plan) -> set[str]:
    top, *_ = plan.files["top.il"].split("module \\top\n")[1].split("\nend\n")
    return set(re.findall(r"^  wire width 1 (?:input|output|inout) \d+ +\\(\S+)", top, re.M))


@boards
def test_a_board_knows_itself(board: Board) -> None:
    assert find_board(board.name) is board
    assert board.fpga == FPGAS[board.name]
    if board.identity is None:
        assert board.budget.comb == 5280
    else:
        assert board.identity & 0xFFF == MAKERS[board.fpga[:5]]
        assert board.budget.comb >= 20736
    design = Design(board, PRESETS[board.preset], 4096)
    pll = design.nearest(board.mhz)
    assert pll.mhz == board.mhz
    assert pll in design.clocks()


@boards
def test_no_clock_and_no_pin_is_unconstrained(board: Board) -> None:
    """Of the gateware of the board but the core; with SDRAM see `test_sdram_pins`."""
    plan = echo_plan(board)
    text, platform = constraints(plan), board.platform()
    gated = board.family is ECP5  # before the gate and behind it
    wanted = sorted([*[board.mhz * 1e6] * (1 + gated), platform.default_clk_frequency])
    assert sorted(clocks(text)) == pytest.approx(wanted)
    assert len(constrained(text)) == 3 + len(board.lights[:LIGHTS])
    assert constrained(text) == ports(plan)


@pytest.mark.synth
@boards
def test_bitstream_is_for_the_board(board: Board, tmp_path: Path) -> None:
    plan = echo_plan(board)
    gateware = build_gateware(plan, tmp_path / "cache", (1,), Stopwatch())
    assert [wanted for _, wanted in gateware.best.clocks.values()] == [board.mhz]
    assert gateware.best.fmax_mhz > board.mhz
    assert identity_of(pack(plan, gateware, board.fpga)) == board.identity


def test_clocks_of_a_design() -> None:
    design = Design(find_board("ulx3s-85f"), SMALL, 4096)
    every = [pll.mhz for pll in design.clocks()]
    assert every == sorted(set(every))
    assert design.oscillator_mhz == 25
    for pll in design.clocks():
        assert pll.mhz == pytest.approx(25 / pll.before * pll.feedback)
        assert 400 <= pll.mhz * pll.after <= 800
        assert 25 / pll.before >= 3.125
        assert pll.after <= 128
        baud = design.board.link.baud(pll.mhz * 1e6)
        cycles = pll.mhz * 1e6 / baud
        assert abs(round(cycles) / cycles - 1) <= 0.012
    below = design.below(62.4)
    assert below is not None
    assert below.mhz == max(mhz for mhz in every if mhz <= 62.4)
    assert design.below(1) is None
    for mhz in (9, 1000):
        with pytest.raises(ConfigError) as caught:
            design.nearest(mhz)
        assert str(caught.value) == (
            f"mhz must be {every[0]:g} to {every[-1]:g}, which is what the PLL of ulx3s-85f makes, "
            f"not {mhz}"
        )


def test_clocks_of_the_icebreaker() -> None:
    design = Design(find_board("icebreaker"), PRESETS["icebreaker"], 4096)
    for pll in design.clocks():
        assert pll.mhz == pytest.approx(12 * pll.feedback / pll.after)
        assert 533 <= pll.mhz * pll.after <= 1066
        assert pll.after in {2, 4, 8, 16, 32, 64}
        assert pll.before == 1
        assert pll.feedback <= 64


def test_clocks_of_the_tang_nano() -> None:
    design = Design(find_board("tang-nano-20k"), PRESETS["tang-nano-20k"], 4096)
    for pll in design.clocks():
        assert pll.mhz == pytest.approx(27 / pll.before * pll.feedback)
        assert 500 <= pll.mhz * pll.after <= 1200
        assert 27 / pll.before >= 3
        assert max(pll.before, pll.feedback) <= 64


def test_rates_of_the_serial_port() -> None:
    link = Link("FT231X", (3_000_000, 2_000_000, 1_000_000))
    assert link.baud(48e6) == 3_000_000
    assert link.baud(50e6) == 2_000_000  # 17 cycles would miss 3 Mbaud by 2 %
    assert link.baud(10e6) == 2_000_000  # 3 cycles are too few
    with pytest.raises(ConfigError) as caught:
        link.baud(2.5e6)
    assert str(caught.value) == (
        "clock must be near a multiple of one of the rates of the FT231X (3000000, 2000000, "
        "1000000 baud), not 2.5 MHz"
    )


def test_unknown_board() -> None:
    with pytest.raises(ConfigError) as caught:
        find_board("ulx4")
    assert str(caught.value) == f"board must be one of {', '.join(BOARDS)}, not 'ulx4'"
