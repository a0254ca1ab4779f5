"""Put a bitstream into a board, with openFPGALoader."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from boards.board import Board
from boards.catalogue import find_board
from vitaccel.errors import ConfigError, DeviceError
from vitaccel.flow import tools
from vitaccel.flow.gateware import identity_of

__all__ = ["flash", "flash_command", "read_board_file"]

TIMEOUT_S = 300  # a SPI flash of 16 MB takes about two minutes
_REASONS = ("rror", "fail", "unable", "not found", "not enabled", "mismatch", "denied")


def read_board_file(folder: Path) -> dict[str, Any]:
    """``board.json`` of a folder that `build` wrote.

    Raises
    ------
    ConfigError
        If there is none, or it is not ours.
    """
    path = folder / "board.json"
    try:
        about = json.loads(path.read_text())
        _ = about["board"], about["bitstream"]
    except OSError as bad:
        raise ConfigError(
            f"{folder} must be a folder that build wrote, but {path} cannot be read: {bad.strerror}"
        ) from bad
    except (ValueError, KeyError, TypeError) as bad:
        raise ConfigError(f"{path} is not of a build: {bad!r}; build again") from bad
    return about


def flash_command(folder: Path, spi: bool) -> tuple[Board, list[str]]:
    """Words that load the bitstream of ``folder``, and the board that they are for.

    Parameters
    ----------
    spi
        Into the SPI flash, where it outlives the power; else into the FPGA if the cable reaches it.

    Raises
    ------
    ConfigError
        If the folder is no build, or its bitstream is for another FPGA.
    ToolError
        If openFPGALoader is missing.
    """
    about = read_board_file(folder)
    board = find_board(about["board"])
    path = folder / about["bitstream"]
    try:
        identity = identity_of(path.read_bytes())
    except OSError as bad:
        raise ConfigError(f"bitstream {path} cannot be read: {bad.strerror}; build again") from bad
    if identity != board.identity:
        found = "no ECP5" if identity is None else f"identity {identity:#010x}"
        raise ConfigError(
            f"bitstream {path} is for another FPGA: it has {found}, the {board.fpga} of "
            f"{board.name} has {board.identity:#010x}; build again"
        )
    where = "--write-flash" if spi or not board.loader.sram else "--write-sram"
    words = tools.command("openFPGALoader")
    return board, [*words, "--board", board.loader.board, where, str(path)]


def flash(folder: Path, spi: bool = False, dry_run: bool = False) -> dict[str, Any]:
    """Load the bitstream of ``folder``; with ``dry_run`` only say how.

    Returns
    -------
    dict
        ``board``, ``command`` (one line for a shell), ``loaded`` and ``into``: FPGA or SPI flash.

    Raises
    ------
    ConfigError, ToolError
        See `flash_command`.
    DeviceError
        If there is no board, no permission, or another board.
    """
    board, words = flash_command(folder, spi)
    where = "SPI flash" if "--write-flash" in words else "FPGA"
    about = {
        "board": board.name,
        "command": shlex.join(words),
        "loaded": not dry_run,
        "into": where,
    }
    if dry_run:
        return about
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise DeviceError(
            f"openFPGALoader did not end within {TIMEOUT_S} s; unplug {board.name} and try again"
        ) from late
    said = done.stdout + done.stderr
    if done.returncode or re.search(r"mismatch between target|\bFAIL\b", said):
        raise DeviceError(_explain(board, said))
    return about


def _explain(board: Board, said: str) -> str:
    """One line for what openFPGALoader says when it fails."""
    vendor, product = board.loader.usb
    if "mismatch between target" in said:
        return (
            f"the board that answers is no {board.name}: its FPGA is not {board.fpga}; plug in the "
            f"right one, or build for this one"
        )
    if re.search(r"device not found|no [\w -]*device|fails to open device", said, re.I):
        return (
            f"no {board.name} found (USB {vendor}:{product}); plug it in, switch it on, and try "
            f"another cable: some only charge"
        )
    if "usb_open() failed" in said or "denied" in said or "LIBUSB_ERROR_ACCESS" in said:
        rule = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", TAG+="uaccess"'
        return (
            f"{board.name} is there, but this user may not open it; write {rule} into "
            f"/etc/udev/rules.d/70-{board.loader.board}.rules, run udevadm control --reload, and "
            f"plug it in again"
        )
    if re.search(r"CDONE\W+FAIL\b", said):
        return (
            f"{board.name} took the bitstream, but its FPGA did not start; plug it in again, and "
            f"see that its jumpers are where they were when it was new"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = [line for line in lines if any(reason in line for reason in _REASONS)] or lines[-1:]
    return f"openFPGALoader failed: {why[0] if why else 'it said nothing'}"
