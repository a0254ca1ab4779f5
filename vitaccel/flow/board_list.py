"""The boards, and which presets fit each."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vitaccel
from boards.board import Board
from boards.catalogue import BOARDS
from boards.family import ICE40
from boards.fit import needed, shortfalls
from vitaccel.ecp5 import Resources
from vitaccel.files import write_files
from vitaccel.hw.memory.axi_spram import AxiSpram
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch

__all__ = ["board_list"]

BLOCK_KIB = 2.25  # DP16KD
SMALL_BLOCK_KIB = 0.5  # SB_RAM40_4K, beside two memories of `AxiSpram.SIZE`


def board_list(cache: Path, watch: Stopwatch) -> list[dict[str, Any]]:
    """What there is to know of every board, as JSON takes it.

    Parameters
    ----------
    cache
        Folder that keeps what the presets need, which takes a second each to count.
    """
    with watch("presets"):
        parallel = _needs(cache, watch)
    serial = {
        name: needed(config, 0, family=ICE40)
        for name, config in PRESETS.items()
        if config.core == "serial"
    }
    needs = {False: parallel, True: {**parallel, **serial}}
    return [
        {
            "name": board.name,
            "title": board.title,
            "fpga": board.fpga,
            "multipliers": board.budget.dsp,
            "luts": board.budget.comb,
            "ram_kib": _ram_kib(board),
            "memory": _memory(board),
            "link": board.link.chip,
            "baud": board.link.bauds[0],
            "preset": board.preset,
            "presets": [
                name
                for name, need in needs[board.family is ICE40].items()
                if not list(shortfalls(board, need))
            ],
        }
        for board in BOARDS.values()
    ]


def _memory(board: Board) -> str:
    return "on chip" if board.sdram is None else f"{board.sdram.size >> 20} MiB SDRAM"


def _ram_kib(board: Board) -> int:
    if board.family is ICE40:
        return round(board.budget.ram * SMALL_BLOCK_KIB) + 2 * AxiSpram.SIZE // 1024
    return round(board.budget.ram * BLOCK_KIB)


def _needs(cache: Path, watch: Stopwatch) -> Mapping[str, Resources]:
    path = cache / f"{_digest()}.json"
    if not path.exists():
        found = {}
        parallel = {name: c for name, c in PRESETS.items() if c.core == "parallel"}
        for n, (name, config) in enumerate(parallel.items()):
            watch.tell(n / len(parallel))
            found[name] = asdict(needed(config, 0))
        write_files(cache, {path.name: json.dumps(found)})
    return {name: Resources(**need) for name, need in json.loads(path.read_text()).items()}


def _digest() -> str:
    """Of everything that could change the counts: our sources and the presets."""
    hasher = hashlib.blake2s(digest_size=6)
    home = Path(vitaccel.__file__).parent
    for path in sorted([*home.glob("*.py"), *home.glob("*.json"), *home.glob("hw/**/*.py")]):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()
