"""Output folders: every file appears whole or not at all."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from vitaccel.errors import ConfigError

__all__ = ["check_folder", "write_files"]


def check_folder(folder: Path | None) -> Path | None:
    """Refuse an output folder that cannot be written, before the work that it is for.

    Raises
    ------
    ConfigError
        If it, or what would hold it, is a file or read-only.
    """
    if folder is None:  # an option that was not given
        return None
    path = folder.absolute()
    there = next(part for part in (path, *path.parents) if part.exists())
    if not there.is_dir():
        raise _refused(folder, os.strerror(errno.ENOTDIR))
    if not os.access(there, os.W_OK | os.X_OK):
        raise _refused(folder, os.strerror(errno.EACCES))
    return folder


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write ``files`` (name to contents) into ``folder``, each by renaming a finished copy.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in files.items():
            part = folder / f"{name}.part"
            try:
                part.write_bytes(contents.encode() if isinstance(contents, str) else contents)
                part.replace(folder / name)
            finally:
                part.unlink(missing_ok=True)
    except OSError as bad:
        raise _refused(folder, bad.strerror or str(bad)) from bad


def _refused(folder: Path, why: str) -> ConfigError:
    return ConfigError(f"output folder {folder} cannot be written: {why}; choose another with -o")
