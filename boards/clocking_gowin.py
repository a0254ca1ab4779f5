"""Clock of the core out of a Gowin board's oscillator."""

from typing import Any

from amaranth import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from boards.clocking import Pll

__all__ = ["GowinClocking", "gowin_clocks"]

# What every device of the families GW1N and GW2A can do.
_PHASE_MHZ = 3
_VCO_MHZ = (500, 1200)
_DIVIDERS = 64
_AFTER = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


def gowin_clocks(oscillator_mhz: float, slowest: float, fastest: float) -> list[Pll]:
    """Every clock from ``slowest`` to ``fastest`` MHz that the PLL makes, slowest first.

    Source
    ------
    Gowin DS117 (GW1NR) and DS226 (GW2AR), PLL switching characteristics; UG286 (clock), rPLL.
    """
    found: dict[float, Pll] = {}
    for before in range(1, int(oscillator_mhz / _PHASE_MHZ) + 1):
        for feedback in range(1, _DIVIDERS + 1):
            mhz = oscillator_mhz / before * feedback
            after = next((n for n in _AFTER if _VCO_MHZ[0] <= mhz * n <= _VCO_MHZ[1]), None)
            if after is not None and slowest <= mhz <= fastest:
                found.setdefault(round(mhz, 6), Pll(mhz, before, feedback, after))
    return [found[mhz] for mhz in sorted(found)]


class GowinClocking(Elaboratable):
    """Drives ``domain``, ``sync`` with the clock of ``pll`` and a reset; whoever uses this adds it.

    It is in reset until the clock is stable. Both clocks are constrained.
    """

    def __init__(self, pll: Pll) -> None:
        self.pll = pll
        self.domain = ClockDomain("sync")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.oscillator = oscillator = io.Buffer(
            io.Direction.Input, platform.request(platform.default_clk, dir="-")
        )
        clock = Signal(name="core_clock")
        locked = Signal()
        m.submodules.pll = self._cell(platform, oscillator.i, clock, locked)
        platform.add_clock_constraint(clock, self.pll.mhz * 1e6)
        m.d.comb += ClockSignal().eq(clock)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        return m

    def _cell(self, platform: Any, oscillator: Signal, clock: Signal, locked: Signal) -> Instance:
        pll = self.pll
        off = {"RESET": 1, "RESET_P": 1, "CLKFB": 1, "FBDSEL": 6, "IDSEL": 6, "ODSEL": 6}
        off |= {"PSDA": 4, "DUTYDA": 4, "FDLY": 4}
        return Instance(
            "rPLL",
            p_DEVICE=platform.family,
            p_FCLKIN=f"{pll.mhz * pll.before / pll.feedback:g}",
            p_IDIV_SEL=pll.before - 1,
            p_FBDIV_SEL=pll.feedback - 1,
            p_ODIV_SEL=pll.after,
            p_CLKFB_SEL="internal",
            i_CLKIN=oscillator,
            **{f"i_{name}": Const(0, width) for name, width in off.items()},
            o_CLKOUT=clock,
            o_LOCK=locked,
        )
