"""`vitaccel flash` against a stand-in for openFPGALoader that records how it was called."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from boards.catalogue import BOARDS, find_board
from vitaccel.errors import ConfigError, DeviceError, ToolError
from vitaccel.flow import flash as module
from vitaccel.flow.flash import flash, flash_command

STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" > {record}
{text}
"""
# What openFPGALoader says, standard error included.
ABSENT = """unable to open ftdi device: -3 (device not found)
JTAG init failed with: unable to open ftdi device
"""
ABSENT_DAP = "Error: no device found\n"
ABSENT_DIRTY = "fails to open device\nJTAG init failed with: std::exception\n"
LEFT_OUT = """Jtag: support for cmsisdap was not enabled at compile time
JTAG init failed with: std::exception
"""
NOT_STARTED = "Loading to CRAM: [====] 100.00%\nDone\nWait for CDONE FAIL\n"
FORBIDDEN = """unable to open ftdi device: -4 (usb_open() failed)
JTAG init failed with: unable to open ftdi device
"""
OTHER = """Open file: DONE
Parse file: DONE
mismatch between target's idcode and bitstream idcode
\tbitstream has 0x41113043 hardware requires 0x41111043
"""


def built(out: Path, board: str) -> Path:
    """What `build` leaves, as far as `flash` looks at it."""
    out.mkdir()
    (out / "board.json").write_text(json.dumps({"board": board, "bitstream": "b.bit"}))
    identity = BOARDS[board].identity
    verify = b"" if identity is None else b"\xe2\0\0\0" + identity.to_bytes(4, "big")
    (out / "b.bit").write_bytes(b"\xff\xff\xbd\xb3\xff\xff\x3b\0\0\0" + verify)
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(tmp_path / "out", "ulx3s-85f")


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a stand-in on `PATH` that runs shell text; returns where it writes its arguments."""

    def make(text: str = "exit 0") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        record = tmp_path / "arguments"
        tool = folder / "openFPGALoader"
        tool.write_text(STAND_IN.format(record=record, text=text))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.delenv("OPENFPGALOADER", raising=False)
        return record

    return make


def says(text: str) -> str:
    return f"cat >&2 <<'end'\n{text}end\nexit 1"


def test_loads_into_the_fpga_or_the_flash(folder: Path, loader: Callable[..., Path]) -> None:
    record = loader()
    about = flash(folder)
    arguments = ["--board", "ulx3s", "--write-sram", str(folder / "b.bit")]
    assert record.read_text().splitlines() == arguments
    assert about["loaded"] is True
    assert (about["board"], about["into"]) == ("ulx3s-85f", "FPGA")
    assert shlex.split(about["command"])[1:] == arguments
    assert flash(folder, spi=True)["into"] == "SPI flash"
    arguments[2] = "--write-flash"
    assert record.read_text().splitlines() == arguments


def test_the_icebreaker_is_loaded_through_its_flash(
    tmp_path: Path, loader: Callable[..., Path]
) -> None:
    record = loader()
    out = built(tmp_path / "ice", "icebreaker")
    assert flash(out)["into"] == "SPI flash"
    arguments = ["--board", "ice40_generic", "--write-flash", str(out / "b.bit")]
    assert record.read_text().splitlines() == arguments


def test_dry_run_only_says(folder: Path, loader: Callable[..., Path]) -> None:
    record = loader()
    about = flash(folder, dry_run=True)
    assert not record.exists()
    assert about["loaded"] is False
    assert about["command"].endswith(f"--board ulx3s --write-sram {folder / 'b.bit'}")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            ABSENT,
            (
                "no ulx3s-85f found (USB 0403:6015); plug it in, switch it on, and try another "
                "cable: some only charge"
            ),
        ),
        (
            ABSENT_DAP,
            (
                "no ulx3s-85f found (USB 0403:6015); plug it in, switch it on, and try another "
                "cable: some only charge"
            ),
        ),
        (
            ABSENT_DIRTY,
            (
                "no ulx3s-85f found (USB 0403:6015); plug it in, switch it on, and try another "
                "cable: some only charge"
            ),
        ),
        (
            LEFT_OUT,
            "openFPGALoader failed: Jtag: support for cmsisdap was not enabled at compile time",
        ),
        (
            FORBIDDEN,
            (
                "ulx3s-85f is there, but this user may not open it; write "
                'ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6015", TAG+="uaccess" into '
                "/etc/udev/rules.d/70-ulx3s.rules, run udevadm control --reload, and plug it in "
                "again"
            ),
        ),
        (
            OTHER,
            (
                "the board that answers is no ulx3s-85f: its FPGA is not LFE5U-85F; plug in the "
                "right one, or build for this one"
            ),
        ),
        ("Load: [==  ]\nFail: CRC error\n", "openFPGALoader failed: Fail: CRC error"),
        ("odd\n", "openFPGALoader failed: odd"),
        ("", "openFPGALoader failed: it said nothing"),
    ],
    ids=[
        "absent",
        "absent, CMSIS-DAP",
        "absent, DirtyJTAG",
        "left out",
        "forbidden",
        "other board",
        "failed",
        "unknown",
        "mute",
    ],
)
def test_one_line_for_what_went_wrong(
    said: str, message: str, folder: Path, loader: Callable[..., Path]
) -> None:
    loader(says(said))
    with pytest.raises(DeviceError) as caught:
        flash(folder)
    assert str(caught.value) == message
    assert caught.value.exit_code == 1


def test_another_board_is_an_error_even_if_the_loader_ends_well(
    folder: Path, loader: Callable[..., Path]
) -> None:
    loader(says(OTHER).replace("exit 1", "exit 0"))
    with pytest.raises(DeviceError, match=r"^the board that answers is no ulx3s-85f"):
        flash(folder)


def test_an_fpga_that_does_not_start(folder: Path, loader: Callable[..., Path]) -> None:
    """The loader ends well even so."""
    loader(says(NOT_STARTED).replace("exit 1", "exit 0"))
    with pytest.raises(DeviceError) as caught:
        flash(folder)
    assert str(caught.value) == (
        "ulx3s-85f took the bitstream, but its FPGA did not start; plug it in again, and see that "
        "its jumpers are where they were when it was new"
    )


def test_a_loader_that_hangs_is_ended(
    folder: Path, loader: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    loader("exec sleep 60")
    with pytest.raises(DeviceError, match=r"^openFPGALoader did not end within 0.2 s; unplug"):
        flash(folder)


def test_without_a_loader(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OPENFPGALOADER", raising=False)
    with pytest.raises(ToolError, match=r"^openFPGALoader is missing, loading a board needs it;"):
        flash(folder)


def test_folders_that_are_no_build(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        flash_command(tmp_path, False)
    assert str(caught.value) == (
        f"{tmp_path} must be a folder that build wrote, but {tmp_path}/board.json cannot be read: "
        "No such file or directory"
    )
    for text, why in (
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"bitstream": "b.bit"}', "KeyError"),
        ('{"board": "ulx3s-85f"}', "KeyError"),
    ):
        (folder / "board.json").write_text(text)
        with pytest.raises(ConfigError, match=rf"board.json is not of a build: {why}.*build again"):
            flash_command(folder, False)
    (folder / "board.json").write_text('{"board": "ulx4", "bitstream": "b.bit"}')
    with pytest.raises(ConfigError, match=r"^board must be one of ulx3s-12f, .*, not 'ulx4'$"):
        flash_command(folder, False)


def test_bitstreams_for_another_fpga(folder: Path) -> None:
    path = folder / "b.bit"
    other = (find_board("ulx3s-25f").identity or 0).to_bytes(4, "big")
    path.write_bytes(path.read_bytes()[:-4] + other)
    with pytest.raises(ConfigError) as caught:
        flash_command(folder, False)
    assert str(caught.value) == (
        f"bitstream {path} is for another FPGA: it has identity 0x41111043, the LFE5U-85F of "
        "ulx3s-85f has 0x41113043; build again"
    )
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"another FPGA: it has no ECP5, the LFE5U-85F"):
        flash_command(folder, False)
    path.unlink()
    with pytest.raises(ConfigError, match=r"b.bit cannot be read: No such file or directory; "):
        flash_command(folder, False)
