"""What a board needs for a network, in one folder: program, network, and how to reach the board."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden.qnetwork import QNetwork
from golden.storage import load, save
from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.files import write_files
from vitaccel.hw.axi.axi import PAGE_BYTES

__all__ = ["SIMULATED", "Deployment", "save_deployment"]

ABOUT, NETWORK = "board.json", "network"
SIMULATED = "simulated"


@dataclass(frozen=True)
class Deployment:
    """A network ready to run on a board.

    ``board`` is `SIMULATED` if it was compiled for none in particular; ``baud`` and ``clock_mhz``
    are None then. ``sdram``: the memory is the board's SDRAM, not block RAM.
    """

    board: str
    config: AcceleratorConfig
    program: Program
    network: QNetwork
    memory_bytes: int
    baud: int | None = None
    clock_mhz: float | None = None
    sdram: bool = False

    @classmethod
    def load(cls, folder: Path) -> "Deployment":
        """Read what ``compile`` or ``build`` wrote.

        Raises
        ------
        ConfigError
            If a part is missing or damaged, or they do not belong together.
        """
        about = _read(folder / ABOUT)
        program = Program.load(folder)
        config = AcceleratorConfig.parse(about["config"])
        if program.config_digest != config.digest():
            raise ConfigError(
                f"{folder} holds a program for configuration {program.config_digest} and a board "
                f"with {config.digest()}; compile or build again"
            )
        return cls(
            about["board"],
            config,
            program,
            load(folder / NETWORK),
            about["memory_bytes"],
            about.get("baud"),
            about.get("clock_mhz"),
            about.get("sdram", False),
        )

    def save(self, folder: Path, **more: Any) -> None:
        """Write what `load` reads; ``more`` goes into ``board.json`` too.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        about = {
            "board": self.board,
            "config": self.config.model_dump(),
            "config_digest": self.config.digest(),
            "memory_bytes": self.memory_bytes,
            "baud": self.baud,
            "clock_mhz": self.clock_mhz,
            "sdram": self.sdram,
        }
        self.program.save(folder)
        save(self.network, folder / NETWORK)
        write_files(folder, {ABOUT: json.dumps(about | more, indent=1)})


def _read(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text())
        missing = {"board", "config", "memory_bytes"} - set(about)
    except OSError as bad:
        raise ConfigError(
            f"{path} cannot be read: {bad.strerror}; infer takes what compile or build wrote"
        ) from bad
    except (ValueError, TypeError) as bad:
        raise ConfigError(f"{path} is damaged: {bad}; compile or build again") from bad
    if missing:
        raise ConfigError(f"{path} lacks {', '.join(sorted(missing))}; compile or build again")
    return about


def save_deployment(
    folder: Path, network: QNetwork, config: AcceleratorConfig, program: Program
) -> None:
    """Write what the simulated board needs.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    size = max(PAGE_BYTES, 1 << (program.size - 1).bit_length())
    Deployment(SIMULATED, config, program, network, size).save(folder)
