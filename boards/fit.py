"""Whether a design fits a board, before any synthesis."""

from collections.abc import Iterator
from dataclasses import asdict

from boards.board import Board
from boards.family import ECP5, Family
from vitaccel.census import Storage
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources, words
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi import PAGE_BYTES, max_beats
from vitaccel.hw.axi.narrow import MOST_BEATS
from vitaccel.hw.memory.deep_ram import part_depths
from vitaccel.resources import resources

__all__ = [
    "check_core",
    "check_fit",
    "check_fit_sdram",
    "fit_line",
    "fits",
    "memory_size",
    "needed",
    "shortfalls",
]

# Bridge, arbiter, serial port, memory and clock beside the accelerator: what Yosys 0.70 makes of
# them, see hdl_tests/boards/test_fit.py. The bridge's queue of requests is one block.
SURROUNDINGS = Resources(comb=1500, ff=1100, ram=1)
# LiteDRAM's controller with `Sdram` around it, see hdl_tests/boards/test_sdram_pins.py.
SDRAM = Resources(comb=1600, ff=700)
_BLOCK_WORDS = 512  # of 32 bits, in one block of 16 kbit or four of 4
_WORDS_KIB = 2


def memory_size(program_bytes: int) -> int:
    """Bytes of block RAM for a program of so many: whole pages."""
    return -(-program_bytes // PAGE_BYTES) * PAGE_BYTES


def needed(
    config: AcceleratorConfig, memory_bytes: int, sdram: bool = False, family: Family = ECP5
) -> Resources:
    """Estimate the whole design of a board: accelerator, memory, host link.

    Units that work side by side are counted for the ECP5, see `check_core`.
    """
    if config.core == "serial":
        return _needed_serial(config, memory_bytes, family)
    if sdram:
        return sum(resources(config).values(), SURROUNDINGS + SDRAM)
    bus = config.axi_bytes
    parts = [
        words(Storage(8 * bus, depth, "block", granules=bus))
        for depth in part_depths(memory_bytes // bus)
    ]
    rest = SURROUNDINGS + Resources(ram=sum(part.blocks for part in parts))
    return sum(resources(config).values(), rest)


def check_core(board: Board, config: AcceleratorConfig) -> None:
    """Refuse the kind of core that is not for the FPGAs of this family.

    Raises
    ------
    ConfigError
        If it is.
    """
    core = "parallel" if board.family.serial is None else "serial"
    if config.core != core:
        raise ConfigError(
            f"{board.name} takes core = {core!r} alone, not {config.core!r}; its preset is "
            f"{board.preset}"
        )


def _needed_serial(config: AcceleratorConfig, memory_bytes: int, family: Family) -> Resources:
    assert family.serial is not None
    memories = [config.activation_words]
    if family.most_bytes is None:
        memories += [config.parameter_words, *part_depths(memory_bytes // config.axi_bytes)]
    blocks = max(1, round(_WORDS_KIB / family.block_kib))
    return family.serial + Resources(ram=blocks * sum(-(-n // _BLOCK_WORDS) for n in memories))


def shortfalls(board: Board, need: Resources) -> Iterator[str]:
    """Everything that the board has too little of, in words."""
    has = asdict(board.budget)
    for kind, amount in asdict(need).items():
        if amount > has[kind]:
            yield f"{amount} {board.family.names[kind]} of {has[kind]}"


def fit_line(board: Board, need: Resources, sdram: bool = False) -> str:
    """Say what a design that fits takes."""
    has = asdict(board.budget)
    parts = [
        f"{amount} of {has[kind]} {board.family.names[kind]}"
        for kind, amount in asdict(need).items()
    ]
    where = " with its SDRAM" if sdram else ""
    return f"fits {board.name}{where}, estimated: {', '.join(parts)}"


def fits(board: Board, config: AcceleratorConfig, program_bytes: int) -> bool:
    """Whether accelerator and network fit, with block RAM for memory."""
    need = needed(config, memory_size(program_bytes), family=board.family)
    return not list(shortfalls(board, need))


def check_fit(board: Board, config: AcceleratorConfig, program_bytes: int = 0) -> Resources:
    """Return what the design needs.

    Parameters
    ----------
    program_bytes
        Memory that the network needs, code and data; 0 asks for the accelerator alone.

    Raises
    ------
    ConfigError
        If the core is not for this board, or that is more than the board has of something: what,
        and what would help.
    """
    check_core(board, config)
    size, most = memory_size(program_bytes), board.family.most_bytes
    if most is not None and size > most:
        raise ConfigError(
            f"the network's {size // 1024} KiB of memory are more than the {most // 1024} KiB of "
            f"{board.name}; take a smaller network, such as digits-small"
        )
    need = needed(config, size, family=board.family)
    short = list(shortfalls(board, need))
    if not short:
        return need
    if program_bytes and fits(board, config, 0):
        raise ConfigError(
            f"the network's {memory_size(program_bytes) // 1024} KiB of memory and the accelerator "
            f"would take {', '.join(short)} on {board.name}; quantise to fewer bits, or take a "
            f"board with more block RAM"
        )
    raise _too_small(board, short)


def check_fit_sdram(board: Board, config: AcceleratorConfig, program_bytes: int) -> Resources:
    """Return what the design needs with the board's SDRAM for memory.

    Raises
    ------
    ConfigError
        If that is more than the board has, or the SDRAM is too small or cannot take the bursts.
    """
    assert board.sdram is not None
    if program_bytes > board.sdram.size:
        raise ConfigError(
            f"the network's {-(-program_bytes // (1 << 20))} MiB of memory do not fit the "
            f"{board.sdram.size >> 20} MiB of SDRAM of {board.name}; quantise to fewer bits"
        )
    most = MOST_BEATS * board.sdram.width // config.axi_bytes
    if max_beats(config) > most:
        raise ConfigError(
            f"burst_beats must be at most {most} for an axi_bytes of {config.axi_bytes} and the "
            f"SDRAM of {board.name}, not {config.burst_beats}"
        )
    need = needed(config, 0, sdram=True)
    short = list(shortfalls(board, need))
    if short:
        raise _too_small(board, short)
    return need


def _too_small(board: Board, short: list[str]) -> ConfigError:
    return ConfigError(
        f"{board.name} is too small: the accelerator would take {', '.join(short)}; "
        f"`vitaccel boards` lists what fits"
    )
