"""All boards by name."""

from collections.abc import Mapping

from boards import colorlight_i5, ecpix5, icebreaker, tang_nano, ulx3s
from boards.board import Board
from vitaccel.errors import ConfigError

__all__ = ["BOARDS", "find_board"]

_MODULES = (ulx3s, ecpix5, colorlight_i5, icebreaker, tang_nano)
BOARDS: Mapping[str, Board] = {board.name: board for module in _MODULES for board in module.BOARDS}


def find_board(name: str) -> Board:
    """Look up a board.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    if name not in BOARDS:
        raise ConfigError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
