"""Register map of the AXI4-Lite port: one table for the gateware, the driver and the manual."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from vitaccel.isa import Fields, Unit

__all__ = [
    "CONTROL",
    "IDENTITY",
    "REGISTERS",
    "SEQUENCER",
    "STATUS",
    "VERSION",
    "Register",
    "State",
    "digest_word",
]

IDENTITY = int.from_bytes(b"VITA", "little")
VERSION = 1
SEQUENCER = 7  # STATUS.unit when no unit but the sequencer is meant


class State(IntEnum):
    """STATUS.state."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    ERROR = 3


CONTROL: Fields = MappingProxyType({
    "start": 1,  # begin a run; ignored while RUNNING
    "soft_reset": 1,  # back to IDLE from any state
    "clear_interrupt": 1,
})

STATUS: Fields = MappingProxyType({
    "state": 2,  # State
    "interrupt": 1,  # pending, whether enabled or not
    "draining": 1,  # the memory still owes answers to bursts of the last run
    "code": 4,  # isa.Status
    "unit": 3,  # isa.Unit, or SEQUENCER
})


@dataclass(frozen=True)
class Register:
    """One 32-bit register."""

    offset: int  # bytes
    text: str
    writable: bool = False
    init: int = 0


def _table() -> dict[str, Register]:
    registers = {
        "ID": Register(0x00, "'VITA' in ASCII, first letter in the low byte"),
        "VERSION": Register(0x04, "version of this map"),
        "CONFIG_DIGEST": Register(0x08, "first eight hex digits of AcceleratorConfig.digest()"),
        "CONTROL": Register(0x0C, "write ones to act, see CONTROL; reads 0", writable=True),
        "STATUS": Register(0x10, "see STATUS"),
        "STATUS_PC": Register(0x14, "instruction that STATUS speaks of, counted from 0"),
        "INTERRUPT_ENABLE": Register(0x18, "bit 0: let the interrupt out", writable=True, init=1),
        "PROGRAM_BASE": Register(0x20, "byte address, multiple of the bus width", writable=True),
        "PROGRAM_LENGTH": Register(0x24, "instructions, 1 to 65535", writable=True),
        "MEMORY_BASE": Register(0x28, "first byte address the core may touch", writable=True),
        "MEMORY_LIMIT": Register(0x2C, "first byte address past those", writable=True),
        "WATCHDOG": Register(
            0x30, "cycles without a sign of life before WATCHDOG; 0: never", True, 1 << 20
        ),
        "CYCLES": Register(0x34, "cycles of the last run"),
        "MXU_BEATS": Register(0x38, "beats the MXU launched in the last run"),
    }
    for unit in Unit:
        text = f"cycles in which {unit.name} had a command under way"
        registers[f"BUSY_{unit.name}"] = Register(0x40 + 4 * unit, text)
    for unit in Unit:
        text = f"cycles in which {unit.name} lacked a semaphore"
        registers[f"WAITING_{unit.name}"] = Register(0x60 + 4 * unit, text)
    return registers


REGISTERS: Mapping[str, Register] = MappingProxyType(_table())


def digest_word(digest: str) -> int:
    """CONFIG_DIGEST of a configuration with this digest."""
    return int(digest[:8], 16)
