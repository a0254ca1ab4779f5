"""Whether a design fits a board, before any synthesis."""

from collections.abc import Iterator
from dataclasses import asdict

from boards.board import Board
from vitaccel.census import Storage
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources, words
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi import PAGE_BYTES
from vitaccel.hw.memory.deep_ram import part_depths
from vitaccel.resources import resources

__all__ = ["check_fit", "fit_line", "memory_size", "needed", "shortfalls"]

NAMES = {
    "comb": "LUT4",
    "ff": "flip-flops",
    "dsp": "MULT18X18D",
    "ram": "DP16KD (18 kbit)",
}
# Bridge, arbiter, serial port, memory and clock beside the accelerator: what Yosys 0.70 makes of
# them, see hdl_tests/boards/test_fit.py. The bridge's queue of requests is one block.
SURROUNDINGS = Resources(comb=1500, ff=1100, ram=1)


def memory_size(program_bytes: int) -> int:
    """Bytes of block RAM for a program of so many: whole pages."""
    return -(-program_bytes // PAGE_BYTES) * PAGE_BYTES


def needed(config: AcceleratorConfig, memory_bytes: int) -> Resources:
    """Estimate the whole design of a board: accelerator, memory, host link."""
    bus = config.axi_bytes
    parts = [
        words(Storage(8 * bus, depth, "block", granules=bus))
        for depth in part_depths(memory_bytes // bus)
    ]
    rest = SURROUNDINGS + Resources(ram=sum(part.blocks for part in parts))
    return sum(resources(config).values(), rest)


def shortfalls(board: Board, need: Resources) -> Iterator[str]:
    """Everything that the board has too little of, in words."""
    has = asdict(board.budget)
    for kind, amount in asdict(need).items():
        if amount > has[kind]:
            yield f"{amount} {NAMES[kind]} of {has[kind]}"


def fit_line(board: Board, need: Resources) -> str:
    """Say what a design that fits takes."""
    has = asdict(board.budget)
    parts = [f"{amount} of {has[kind]} {NAMES[kind]}" for kind, amount in asdict(need).items()]
    return f"fits {board.name}, estimated: {', '.join(parts)}"


def check_fit(board: Board, config: AcceleratorConfig, program_bytes: int = 0) -> Resources:
    """Return what the design needs.

    Parameters
    ----------
    program_bytes
        Memory that the network needs, code and data; 0 asks for the accelerator alone.

    Raises
    ------
    ConfigError
        If that is more than the board has of something: what, and what would help.
    """
    need = needed(config, memory_size(program_bytes))
    short = list(shortfalls(board, need))
    if not short:
        return need
    if program_bytes and not list(shortfalls(board, needed(config, 0))):
        raise ConfigError(
            f"the network's {memory_size(program_bytes) // 1024} KiB of memory and the accelerator "
            f"would take {', '.join(short)} on {board.name}; quantise to fewer bits, or take a "
            f"board with more block RAM"
        )
    raise ConfigError(
        f"{board.name} is too small: the accelerator would take {', '.join(short)}; "
        f"`vitaccel boards` lists what fits"
    )
