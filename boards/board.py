"""What a board is to us: a platform of Amaranth, a budget, a memory, a link and a loader."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boards.family import ECP5, Family
from vitaccel.ecp5 import Resources
from vitaccel.errors import ConfigError
from vitaccel.hw.link.uart import FEWEST
from vitaccel.hw.memory.sdram import Chip

__all__ = ["Board", "Link", "Loader"]

_BAUD_ERROR = 0.012  # half of what a receiver can bear; the chip's own clock has the other half


@dataclass(frozen=True)
class Link:
    """Serial port by which the host reaches the board.

    Parameters
    ----------
    chip
        What turns USB into a serial line.
    bauds
        Bits per second that it can do, fastest first.
    """

    chip: str
    bauds: tuple[int, ...]

    def baud(self, clock_hz: float) -> int:
        """Fastest rate that a whole number of clock cycles meets within `_BAUD_ERROR`.

        Raises
        ------
        ConfigError
            If there is none.
        """
        for baud in self.bauds:
            cycles = round(clock_hz / baud)
            if cycles >= FEWEST and abs(cycles * baud / clock_hz - 1) <= _BAUD_ERROR:
                return baud
        raise ConfigError(
            f"clock must be near a multiple of one of the rates of the {self.chip} "
            f"({', '.join(map(str, self.bauds))} baud), not {clock_hz / 1e6:g} MHz"
        )


@dataclass(frozen=True)
class Loader:
    """How openFPGALoader reaches the FPGA.

    Parameters
    ----------
    board
        Its name for the board, which implies the cable.
    usb
        Vendor and product of the cable, four hexadecimal digits each, for the udev rule.
    sram
        Whether it reaches the FPGA itself, not only the SPI flash that the FPGA starts from.
    """

    board: str
    usb: tuple[str, str]
    sram: bool = True


@dataclass(frozen=True)
class Board:
    """One board; a module of this package each.

    Parameters
    ----------
    name
        What ``--board`` takes.
    title
        Maker's name.
    platform
        Pins, package, speed grade, clock.
    preset
        Configuration that it gets unless the user names another.
    mhz
        Clock of the core unless the user says otherwise.
    lights
        Resources that show the state: name, number, and the part of it, if it has parts.
    sdram
        Chip that the platform has as resource ``sdram``.
    """

    name: str
    title: str
    platform: Callable[[], Any]
    link: Link
    loader: Loader
    preset: str
    mhz: float
    lights: tuple[tuple[str, int, str], ...]
    sdram: Chip | None = None
    family: Family = ECP5

    @property
    def fpga(self) -> str:
        """Name of the device."""
        return str(self.platform().device)

    @property
    def identity(self) -> int | None:
        """JTAG identity of the device, which its bitstreams bear; None if it has none."""
        return self.family.identities.get(self.fpga)

    @property
    def budget(self) -> Resources:
        """What the device has."""
        return self.family.devices[self.fpga]
