"""`flow.plan` and `flow.gateware`: a blinking light, from Amaranth to a checked bitstream."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth import Elaboratable, Module, Signal
from amaranth.lib import io

from boards.catalogue import find_board
from boards.clocking import Clocking, pll_clocks
from vitaccel.errors import BuildError
from vitaccel.flow.gateware import build_gateware, identity_of, pack
from vitaccel.flow.plan import make_plan
from vitaccel.timing import Stopwatch

BOARD = find_board("ulx3s-25f")


class Blinker(Elaboratable):
    def __init__(self, bits: int = 24) -> None:
        self.bits = bits

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocking = clocking = Clocking(pll_clocks(25, 60, 60)[0])
        m.domains += clocking.domain
        count = Signal(self.bits)
        m.d.sync += count.eq(count + 1)
        m.submodules.light = light = io.Buffer(
            io.Direction.Output, platform.request("led", 0, dir="-")
        )
        m.d.comb += light.o.eq(count[-1])
        return m


def test_plan_is_the_same_every_time_and_complete() -> None:
    plan = make_plan(Blinker(), BOARD.platform())
    assert plan == make_plan(Blinker(), BOARD.platform())
    assert plan.digest() == make_plan(Blinker(), BOARD.platform()).digest()
    assert plan.digest() != make_plan(Blinker(25), BOARD.platform()).digest()
    assert plan.digest() != make_plan(Blinker(), find_board("ulx3s-12f").platform()).digest()
    assert set(plan.files) == {"top.il", "top.ys", "top.lpf"}
    assert plan.tools == ("yosys", "nextpnr-ecp5", "ecppack")
    assert plan.packing[-1] == "top.bit"
    limits = [line for line in plan.files["top.lpf"].splitlines() if line.startswith("FREQ")]
    assert limits == [
        'FREQUENCY NET "clocking.pll_clock" 60000000.0 HZ;',
        'FREQUENCY NET "clocking.core_clock" 60000000.0 HZ;',
        'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;',
    ]


@pytest.mark.synth
def test_blinker_becomes_a_bitstream(tmp_path: Path) -> None:
    plan = make_plan(Blinker(), BOARD.platform())
    steps: list[tuple[str, float | None]] = []
    watch = Stopwatch(lambda step, share: steps.append((step, share)))
    gateware = build_gateware(plan, tmp_path, (1, 2), watch)
    assert gateware.cells["TRELLIS_FF"] >= 24
    assert gateware.cells["EHXPLLL"] == 1
    assert list(gateware.routings) == [1, 2]
    assert steps == [
        ("synthesis", None),
        ("synthesis", 1.0),
        ("routing", None),
        ("routing", 0.0),
        ("routing", 0.5),
        ("routing", 1.0),
    ]
    for routing in gateware.routings.values():
        assert [wanted for _, wanted in routing.clocks.values()] == [60.0, 60.0]
        assert routing.utilization["EHXPLLL"] == (1, 2)
        assert "count" in routing.critical_path
    assert gateware.best.fmax_mhz == max(r.fmax_mhz for r in gateware.routings.values())
    assert gateware.worst_mhz <= gateware.median_mhz <= gateware.best.fmax_mhz
    bitstream = pack(plan, gateware, "LFE5U-25F")
    assert identity_of(bitstream) == BOARD.identity
    with pytest.raises(BuildError, match=r"top.bit is for LFE5U-25F, not for LFE5U-85F$"):
        pack(plan, gateware, "LFE5U-85F")


@pytest.mark.synth
def test_a_pin_without_a_place_is_refused(tmp_path: Path) -> None:
    plan = make_plan(Blinker(), BOARD.platform())
    lines = plan.files["top.lpf"].splitlines()
    kept = [line for line in lines if "led_0__io" not in line]
    assert len(kept) == len(lines) - 2
    bare = replace(plan, files={**plan.files, "top.lpf": "\n".join(kept)})
    with pytest.raises(BuildError) as caught:
        build_gateware(bare, tmp_path, (1,), Stopwatch())
    assert str(caught.value).startswith("place and route, seed 1, failed, see ")
    assert "led_0__io" in str(caught.value)


def test_identities_in_bitstreams() -> None:
    assert identity_of(b"\xff\xff\xe2\0\0\0\x41\x11\x10\x43\0") == 0x41111043
    lines = ("1" * 160, "1010010111000011", "00000110" + "0" * 24 + f"{0x81B:032b}", "0" * 64)
    assert identity_of("\n".join(lines).encode()) == 0x81B
    assert identity_of(b"\x7e\xaa\x99\x7e") is None
