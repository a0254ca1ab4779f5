"""`vitaccel flash` against openFPGALoader itself, where there is one and no board."""

import re
import subprocess
from pathlib import Path

import pytest

from boards.board import Board
from boards.catalogue import BOARDS
from vitaccel.errors import DeviceError, ToolError
from vitaccel.flow import tools
from vitaccel.flow.flash import flash


@pytest.fixture(scope="module")
def loader() -> str:
    """Skip where it is missing, or one of its libraries is."""
    try:
        (word,) = tools.command("openFPGALoader")
        done = subprocess.run([word, "--list-boards"], capture_output=True, text=True, check=True)
    except (ToolError, OSError, subprocess.CalledProcessError) as missing:
        pytest.skip(f"openFPGALoader does not run here: {missing}")
    return done.stdout


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_it_knows_the_board(board: Board, loader: str) -> None:
    assert re.search(rf"^{re.escape(board.loader.board)}\s", loader, re.M)


@pytest.mark.parametrize("board", ["ulx3s-85f", "icebreaker", "ecpix5-85f"])
def test_no_board_on_the_cable_is_said_in_a_line(board: str, loader: str, tmp_path: Path) -> None:
    del loader
    identity = BOARDS[board].identity
    verify = b"" if identity is None else b"\xe2\0\0\0" + identity.to_bytes(4, "big")
    (tmp_path / "b.bit").write_bytes(b"\xff\xff\xbd\xb3\xff\xff\x3b\0\0\0" + verify + bytes(64))
    (tmp_path / "board.json").write_text(f'{{"board": "{board}", "bitstream": "b.bit"}}')
    with pytest.raises(DeviceError) as caught:
        flash(tmp_path)
    vendor, product = BOARDS[board].loader.usb
    assert str(caught.value) == (
        f"no {board} found (USB {vendor}:{product}); plug it in, switch it on, and try another "
        "cable: some only charge"
    )
