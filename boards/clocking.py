"""Clock of the core out of a board's oscillator."""

from dataclasses import dataclass
from typing import Any

from amaranth import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

__all__ = ["Clocking", "Pll", "pll_clocks"]

_PHASE_MHZ = 3.125  # slowest input of the phase detector
_VCO_MHZ = (400, 800)
_VCO_BEST_MHZ = 600
_DIVIDERS = 128


@dataclass(frozen=True)
class Pll:
    """Dividers of an EHXPLLL whose first output is also its feedback.

    ``mhz = oscillator / before * feedback``; the oscillator inside runs at ``mhz * after``.

    Source
    ------
    Lattice FPGA-DS-02012 (ECP5 family data sheet), 3.20, sysCLOCK PLL timing.
    """

    mhz: float
    before: int
    feedback: int
    after: int


def pll_clocks(oscillator_mhz: float, slowest: float, fastest: float) -> list[Pll]:
    """Every clock from ``slowest`` to ``fastest`` MHz that the PLL makes, slowest first."""
    found: dict[float, Pll] = {}
    for before in range(1, int(oscillator_mhz / _PHASE_MHZ) + 1):
        for feedback in range(1, _DIVIDERS + 1):
            mhz = oscillator_mhz / before * feedback
            after = min(max(1, round(_VCO_BEST_MHZ / mhz)), _DIVIDERS)
            in_range = _VCO_MHZ[0] <= mhz * after <= _VCO_MHZ[1]
            if slowest <= mhz <= fastest and in_range:
                found.setdefault(round(mhz, 6), Pll(mhz, before, feedback, after))
    return [found[mhz] for mhz in sorted(found)]


class Clocking(Elaboratable):
    """Drives ``domain``, ``sync`` with the clock of ``pll``, which begins when it is stable.

    Registers then are as the bitstream made them: the domain has no reset, which would have to be
    everywhere within a cycle. Whoever uses this adds the domain to its own. All clocks are
    constrained.

    Parameters
    ----------
    pll
        See `Pll`.
    late
        Domain of the same clock a quarter of a cycle later, which whoever uses this defines,
        without a reset; None: there is none.
    """

    def __init__(self, pll: Pll, late: str | None = None) -> None:
        self.pll = pll
        self.late = late
        self.domain = ClockDomain("sync", reset_less=True)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.oscillator = oscillator = io.Buffer(
            io.Direction.Input, platform.request(platform.default_clk, dir="-")
        )
        m.domains.pll = ClockDomain(reset_less=True, local=True)
        early = Signal(name="pll_clock", attrs={"keep": 1})
        clock = Signal(name="core_clock", attrs={"keep": 1})
        locked, steady = Signal(), Signal()
        clocks = {"o_CLKOP": early}
        if self.late is not None:
            later = Signal(name=f"{self.late}_clock", attrs={"keep": 1})
            m.d.comb += ClockSignal(self.late).eq(later)
            clocks |= {"o_CLKOS": later, **self._quarter()}
            platform.add_clock_constraint(later, self.pll.mhz * 1e6)
        m.submodules.pll = self._cell(oscillator.i, early, locked, clocks)
        m.submodules.steady = FFSynchronizer(locked, steady, o_domain="pll")
        m.submodules.gate = Instance("DCCA", i_CLKI=early, i_CE=steady, o_CLKO=clock)
        m.d.comb += [ClockSignal("pll").eq(early), ClockSignal().eq(clock)]
        for signal in (early, clock):
            platform.add_clock_constraint(signal, self.pll.mhz * 1e6)
        return m

    def _quarter(self) -> dict[str, Any]:
        """Parameters of the second output; its phase counts eighths of the oscillator inside."""
        after = self.pll.after
        return {
            "p_CLKOS_ENABLE": "ENABLED",
            "p_CLKOS_DIV": after,
            "p_CLKOS_CPHASE": after - 1 + 2 * after // 8,
            "p_CLKOS_FPHASE": 2 * after % 8,
            "a_FREQUENCY_PIN_CLKOS": str(round(self.pll.mhz, 6)),
            "p_OUTDIVIDER_MUXB": "DIVB",
            "i_ENCLKOS": 0,
        }

    def _cell(
        self, oscillator: Signal, clock: Signal, locked: Signal, more: dict[str, Any]
    ) -> Instance:
        pll = self.pll
        return Instance(
            "EHXPLLL",
            p_CLKI_DIV=pll.before,
            p_CLKFB_DIV=pll.feedback,
            p_CLKOP_DIV=pll.after,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=pll.after - 1,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_INTFB_WAKE="DISABLED",
            a_FREQUENCY_PIN_CLKI=str(round(pll.mhz * pll.before / pll.feedback, 6)),
            a_FREQUENCY_PIN_CLKOP=str(round(pll.mhz, 6)),
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            i_CLKI=oscillator,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_ENCLKOP=0,
            i_PLLWAKESYNC=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            o_LOCK=locked,
            **more,
        )
