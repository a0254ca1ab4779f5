"""`docs/boards.md` has a command line for every board, of names that exist."""

import re
from pathlib import Path

from boards.catalogue import BOARDS
from vitaccel.presets import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()
LINES = PAGE[PAGE.index("## One line for each board") : PAGE.index("## What `build` does")]
BUILDS = re.findall(r"`vitaccel build (\S+) --board (\S+) --config (\S+) -o out`", LINES)


def test_every_board_has_a_line() -> None:
    assert sorted(board for _, board, _ in BUILDS) == sorted(BOARDS)
    assert {preset for _, _, preset in BUILDS} <= set(PRESETS)


def test_networks_are_made_for_the_presets_that_take_them() -> None:
    made = re.findall(r"--config (\S+)\s+-o (net\S*)`", LINES)
    assert set(made) == {(preset, network) for network, _, preset in BUILDS}
