"""Gowin's FPGAs: what its devices have, and how bitstreams name them."""

from vitaccel.ecp5 import Resources

__all__ = ["DEVICES", "IDENTITIES"]

# Gowin DS226 (GW2AR), table 1-1: LUT4, registers, multipliers of 18 x 18 bits, BSRAM of 18 kbit.
DEVICES = {"GW2A-18C": Resources(comb=20736, ff=15552, dsp=48, ram=46)}
# JTAG identity, which the bitstream bears too: Gowin TN653, table 2-4.
IDENTITIES = {"GW2A-18C": 0x0000081B}
