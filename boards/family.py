"""What boards with FPGAs of one kind have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boards.clocking import Clocking, Pll, pll_clocks
from boards.clocking_ice40 import Ice40Clocking, ice40_clocks
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources
from vitaccel.hw.memory.axi_ram import AxiRam
from vitaccel.hw.memory.axi_spram import AxiSpram

__all__ = ["ECP5", "ICE40", "UP5K", "Family"]


@dataclass(frozen=True)
class Family:
    """How to use the parts of these FPGAs.

    Parameters
    ----------
    clocks
        Every clock that the PLL makes: of oscillator, slowest and fastest in MHz.
    clocking
        Clock of one of these.
    memory
        AXI4 memory of at least so many bytes.
    latency
        Cycles from an address to the first word of this memory.
    names, cells
        Of the kinds of `Resources`: in words, and what nextpnr or Yosys calls them.
    most_bytes
        That ``memory`` can have, if that is not a matter of block RAM.
    """

    clocks: Callable[[float, float, float], list[Pll]]
    clocking: Callable[[Pll], Any]
    memory: Callable[[AcceleratorConfig, int], Any]
    latency: int
    names: Mapping[str, str]
    cells: Mapping[str, str]
    most_bytes: int | None = None


ECP5 = Family(
    pll_clocks,
    Clocking,
    AxiRam,
    AxiRam.READ_LATENCY,
    {"comb": "LUT4", "ff": "flip-flops", "dsp": "MULT18X18D", "ram": "DP16KD (18 kbit)"},
    {"comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "ram": "DP16KD"},
)
ICE40 = Family(
    ice40_clocks,
    Ice40Clocking,
    lambda config, size: AxiSpram(config),
    AxiSpram.READ_LATENCY,
    {"comb": "LUT4", "ff": "flip-flops", "dsp": "SB_MAC16", "ram": "SB_RAM40_4K (4 kbit)"},
    {"comb": "ICESTORM_LC", "ff": "SB_DFF", "dsp": "ICESTORM_DSP", "ram": "ICESTORM_RAM"},
    AxiSpram.SIZE,
)
UP5K = Resources(comb=5280, ff=5280, dsp=8, ram=30)  # Lattice FPGA-DS-02008, table 2.1
