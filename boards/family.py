"""What boards with FPGAs of one kind have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boards.clocking import Clocking, Pll, pll_clocks
from boards.clocking_gowin import GowinClocking, gowin_clocks
from boards.clocking_ice40 import Ice40Clocking, ice40_clocks
from vitaccel import gowin
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import DEVICES, Resources
from vitaccel.hw.memory.axi_ram import AxiRam
from vitaccel.hw.memory.axi_spram import AxiSpram

__all__ = ["ECP5", "GOWIN", "ICE40", "Family"]


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
    devices
        What each has, by name.
    identities
        Of devices with JTAG, which their bitstreams bear too.
    block_kib
        Of data that a block of RAM holds.
    serial
        What the serial core and all around it take, which hardly depends on the configuration,
        without memories of words; None: it is not for them.
    most_bytes
        That ``memory`` can have, if it is not made of block RAM; parameters of the serial core
        are not either, then.
    """

    clocks: Callable[[float, float, float], list[Pll]]
    clocking: Callable[[Pll], Any]
    memory: Callable[[AcceleratorConfig, int], Any]
    latency: int
    names: Mapping[str, str]
    cells: Mapping[str, str]
    devices: Mapping[str, Resources]
    identities: Mapping[str, int]
    block_kib: float
    serial: Resources | None = None
    most_bytes: int | None = None


# Die, and identity: Lattice FPGA-TN-02039 (ECP5 sysCONFIG), table 4. A 12F is a 25F under another
# name, whose other half the open tools use as well.
_ECP5 = {
    "LFE5U-12F": ("LFE5U-25F", 0x21111043),
    "LFE5U-25F": ("LFE5U-25F", 0x41111043),
    "LFE5U-45F": ("LFE5U-45F", 0x41112043),
    "LFE5U-85F": ("LFE5U-85F", 0x41113043),
    "LFE5UM5G-45F": ("LFE5U-45F", 0x81112043),
    "LFE5UM5G-85F": ("LFE5U-85F", 0x81113043),
}
ECP5 = Family(
    clocks=pll_clocks,
    clocking=Clocking,
    memory=AxiRam,
    latency=AxiRam.READ_LATENCY,
    names={"comb": "LUT4", "ff": "flip-flops", "dsp": "MULT18X18D", "ram": "DP16KD (18 kbit)"},
    cells={"comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "ram": "DP16KD"},
    devices={name: DEVICES[die] for name, (die, _) in _ECP5.items()},
    identities={name: identity for name, (_, identity) in _ECP5.items()},
    block_kib=2.25,
)
ICE40 = Family(
    clocks=ice40_clocks,
    clocking=Ice40Clocking,
    memory=lambda config, size: AxiSpram(config),
    latency=AxiSpram.READ_LATENCY,
    names={
        "comb": "LUT4",
        "ff": "flip-flops",
        "dsp": "SB_MAC16",
        "ram": "SB_RAM40_4K (4 kbit)",
    },
    cells={"comb": "ICESTORM_LC", "ff": "SB_DFF", "dsp": "ICESTORM_DSP", "ram": "ICESTORM_RAM"},
    # Lattice FPGA-DS-02008, table 2.1.
    devices={"iCE40UP5K": Resources(comb=5280, ff=5280, dsp=8, ram=30)},
    identities={},
    block_kib=0.5,
    serial=Resources(comb=3200, ff=1000, dsp=5, ram=16),  # as nextpnr packs them
    most_bytes=AxiSpram.SIZE,
)
GOWIN = Family(
    clocks=gowin_clocks,
    clocking=GowinClocking,
    memory=AxiRam,
    latency=AxiRam.READ_LATENCY,
    names={"comb": "LUT4", "ff": "flip-flops", "dsp": "MULT18X18", "ram": "BSRAM (18 kbit)"},
    cells={"comb": "LUT4", "ff": "DFF", "dsp": "MULT18X18", "ram": "BSRAM"},
    devices=gowin.DEVICES,
    identities=gowin.IDENTITIES,
    block_kib=2.25,
    serial=Resources(comb=5300, ff=1450, ram=5),
)
