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
from boards.fit import needed, shortfalls
from vitaccel.ecp5 import Resources
from vitaccel.files import write_files
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch

__all__ = ["board_list"]


def board_list(cache: Path, watch: Stopwatch) -> list[dict[str, Any]]:
    """What there is to know of every board, as JSON takes it.

    Parameters
    ----------
    cache
        Folder that keeps what the presets need, which takes a second each to count.
    """
    with watch("presets"):
        parallel = _needs(cache, watch)
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
                for name, need in (_serial(board) or parallel).items()
                if not list(shortfalls(board, need))
            ],
        }
        for board in BOARDS.values()
    ]


def _memory(board: Board) -> str:
    return "on chip" if board.sdram is None else f"{board.sdram.size >> 20} MiB SDRAM"


def _ram_kib(board: Board) -> int:
    """Block RAM, and large memories for program and parameters where there are some."""
    large = 2 * (board.family.most_bytes or 0) // 1024
    return round(board.budget.ram * board.family.block_kib) + large


def _serial(board: Board) -> Mapping[str, Resources]:
    """Presets of the serial core and what they take, for a board that is for these."""
    if board.family.serial is None:
        return {}
    return {
        name: needed(config, 0, family=board.family)
        for name, config in PRESETS.items()
        if config.core == "serial"
    }


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
