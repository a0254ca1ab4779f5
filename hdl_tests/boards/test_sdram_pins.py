"""SDRAM of the ULX3S in its FPGA: pins, clocks, registers at the pins, area."""

import re
from pathlib import Path
from typing import Any

import pytest
from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.wiring import In

from boards import fit
from boards.catalogue import find_board
from boards.clocking import Clocking
from boards.design import Design
from boards.sdram_pins import CLOCK_DOMAIN, sdram_pins
from vitaccel.flow.gateware import build_gateware, identity_of, pack
from vitaccel.flow.plan import Plan, make_plan
from vitaccel.flow.sdram import make_controller
from vitaccel.flow.synth import comb_of
from vitaccel.hw.memory.sdram import Controller, Sdram
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch

BOARD = find_board("ulx3s-85f")
CONFIG = PRESETS["tiny"]


class Probe(Elaboratable):
    """`Sdram` between two shift registers: its bus on two pins."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pll = Design(BOARD, CONFIG, 32 << 20, sdram=True).nearest(50)
        m.submodules.clocking = clocking = Clocking(pll, CLOCK_DOMAIN)
        m.domains += clocking.domain
        memory = Sdram(CONFIG, self.controller, sdram_pins(m, platform))
        m.submodules.memory = memory
        platform.add_file("litedram.v", self.controller.verilog)
        pins = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, pins.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, pins.tx)
        ports = {name: getattr(memory, name) for name in memory.signature.members}
        ins = Cat(p for n, p in ports.items() if memory.signature.members[n].flow is In)
        outs = Cat(p for n, p in ports.items() if memory.signature.members[n].flow is not In)
        shift, last = Signal(len(ins)), Signal(len(outs))
        m.d.sync += [shift.eq(Cat(rx.i, shift)), last.eq(outs), tx.o.eq(last.xor())]
        m.d.comb += ins.eq(shift)
        return m


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    assert BOARD.sdram is not None
    controller = make_controller(BOARD.sdram, 50e6, tmp_path_factory.mktemp("cache"))
    return make_plan(Probe(controller), BOARD.platform())


def test_every_pin_and_clock_is_constrained(plan: Plan) -> None:
    lpf = plan.files["top.lpf"]
    located = set(re.findall(r'^LOCATE COMP "([^"]+)"', lpf, re.M))
    wide = {"a": 13, "ba": 2, "dq": 16, "dqm": 2}
    single = ("clk", "clk_en", "cs", "ras", "cas", "we")
    assert located == {
        "clk25_0__io",
        "uart_0__rx__io",
        "uart_0__tx__io",
        *(f"sdram_0__{name}__io" for name in single),
        *(f"sdram_0__{name}__io[{n}]" for name, width in wide.items() for n in range(width)),
    }
    clocks = dict(re.findall(r'^FREQUENCY (?:NET|PORT) "([^"]+)" (\S+) HZ', lpf, re.M))
    assert {name: float(hz) for name, hz in clocks.items()} == {
        "clk25_0__io": 25e6,
        "clocking.pll_clock": 50e6,
        "clocking.core_clock": 50e6,
        "clocking.sdram_clock": 50e6,
    }
    top = plan.files["top.il"].split("module \\top\n")[1].split("\nend\n")[0]
    ports = set(re.findall(r"^  wire width \d+ (?:input|output|inout) \d+ +\\(\S+)", top, re.M))
    assert {name.split("[")[0] for name in located} == ports


def test_the_clock_of_the_chip_is_a_quarter_late(plan: Plan) -> None:
    """Phases count from where the core's clock has its own, in cycles of 600 MHz and eighths."""
    found = re.findall(r"parameter \\(CLKO\w+) (\d+)$", plan.files["top.il"], re.M)
    value = {name: int(number) for name, number in found}
    assert value["CLKOS_DIV"] == value["CLKOP_DIV"] == 12
    late = 8 * (value["CLKOS_CPHASE"] - value["CLKOP_CPHASE"])
    late += value["CLKOS_FPHASE"] - value["CLKOP_FPHASE"]
    assert late == 8 * 12 // 4


@pytest.mark.synth
def test_bitstream(plan: Plan, tmp_path: Path) -> None:
    """Data and commands have registers at their pins; the estimate holds."""
    gateware = build_gateware(plan, tmp_path / "cache", (1,), Stopwatch())
    config = (gateware.folder / "seed-1" / "top.config").read_text()
    assert len(re.findall(r"INREGMODE FF$", config, re.M)) == 16
    commands = 13 + 2 + 2 + 5  # address, bank, mask; CKE, chip select, RAS, CAS, WE
    assert len(re.findall(r"OUTREG\.OUTREGMODE FF$", config, re.M)) == 16 + commands
    assert {wanted for _, wanted in gateware.best.clocks.values()} == {50.0}
    assert gateware.best.fmax_mhz > 50
    assert comb_of(gateware.cells) <= fit.SDRAM.comb
    assert identity_of(pack(plan, gateware, BOARD.fpga)) == BOARD.identity
