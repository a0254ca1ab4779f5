"""Clock of the core out of an iCE40 board's oscillator."""

from typing import Any

from amaranth import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer

from boards.clocking import Pll

__all__ = ["Ice40Clocking", "ice40_clocks"]

_PHASE_MHZ = (10, 133)
_VCO_MHZ = (533, 1066)
_FEEDBACK = 64
_AFTER = (2, 4, 8, 16, 32, 64)
# What the data sheet's tool sets for a phase detector of 10 to 17 MHz.
_FILTER_RANGE = 1


def ice40_clocks(oscillator_mhz: float, slowest: float, fastest: float) -> list[Pll]:
    """Every clock from ``slowest`` to ``fastest`` MHz that the PLL makes, slowest first.

    Without a divider before the phase detector: ``mhz = oscillator * feedback / after``.

    Source
    ------
    Lattice FPGA-DS-02008 (iCE40 UltraPlus family data sheet), table 4.13, sysCLOCK PLL timing.
    """
    assert _PHASE_MHZ[0] <= oscillator_mhz <= _PHASE_MHZ[1]
    found: dict[float, Pll] = {}
    for after in _AFTER:
        for feedback in range(1, _FEEDBACK + 1):
            mhz = oscillator_mhz * feedback / after
            if _VCO_MHZ[0] <= mhz * after <= _VCO_MHZ[1] and slowest <= mhz <= fastest:
                found.setdefault(round(mhz, 6), Pll(mhz, 1, feedback, after))
    return [found[mhz] for mhz in sorted(found)]


class Ice40Clocking(Elaboratable):
    """Drives ``domain``, ``sync`` with the clock of ``pll`` and a reset; whoever uses this adds it.

    The PLL sits in the pad of the oscillator. It is in reset until the clock is stable. Both clocks
    are constrained.
    """

    def __init__(self, pll: Pll) -> None:
        self.pll = pll
        self.domain = ClockDomain("sync")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pad = platform.request(platform.default_clk, dir="-")
        clock = Signal(name="core_clock", attrs={"keep": 1})
        locked = Signal()
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(self.pll.before - 1, 4),
            p_DIVF=Const(self.pll.feedback - 1, 7),
            p_DIVQ=Const(self.pll.after.bit_length() - 1, 3),
            p_FILTER_RANGE=Const(_FILTER_RANGE, 3),
            io_PACKAGEPIN=pad.io,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )
        platform.add_clock_constraint(clock, self.pll.mhz * 1e6)
        m.d.comb += ClockSignal().eq(clock)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        return m
