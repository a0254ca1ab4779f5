"""Output folders: every file appears whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from vitaccel.errors import ConfigError

__all__ = ["write_files"]


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
        raise ConfigError(
            f"output folder {folder} cannot be written: {bad.strerror}; choose another with -o"
        ) from bad
