"""Which memory of a board a network is compiled for."""

from dataclasses import dataclass

from boards.board import Board
from boards.fit import check_fit, check_fit_sdram, fits, memory_size
from golden.qnetwork import QNetwork
from vitaccel.compile import compile_network
from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.memories import memory_timing

__all__ = ["BoardMemory", "choose_memory"]


@dataclass(frozen=True)
class BoardMemory:
    """A program and the memory that it is for.

    Parameters
    ----------
    timing
        That it was compiled for.
    size
        Bytes of block RAM, or of the board's SDRAM if ``sdram``.
    need
        What the whole design is estimated to take.
    """

    program: Program
    timing: MemoryTiming
    size: int
    sdram: bool
    need: Resources


def choose_memory(network: QNetwork, board: Board, config: AcceleratorConfig) -> BoardMemory:
    """Compile for block RAM; if that is too little and the board has SDRAM, for that.

    Raises
    ------
    ConfigError
        If the network does not map, or does not fit either way.
    """
    on_chip = MemoryTiming(latency=board.family.latency)
    program = compile_network(network, config, timing=on_chip)
    if board.sdram is None or fits(board, config, program.size):
        need = check_fit(board, config, program.size)
        return BoardMemory(program, on_chip, memory_size(program.size), False, need)
    timing = memory_timing("sdram", config)
    program = compile_network(network, config, timing=timing)
    need = check_fit_sdram(board, config, program.size)
    return BoardMemory(program, timing, board.sdram.size, True, need)
