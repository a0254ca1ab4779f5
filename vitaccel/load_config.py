"""What a user may name on the command line as a configuration."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS

__all__ = ["load_config"]


def load_config(text: str, changes: Sequence[str] = ()) -> AcceleratorConfig:
    """Resolve a preset name or a TOML file, then ``name=value`` changes.

    Raises
    ------
    ConfigError
        Neither a preset nor a file, not TOML, or a parameter out of its domain.
    """
    if text in PRESETS:
        raw: dict[str, Any] = PRESETS[text].model_dump()
    else:
        path = Path(text)
        if not path.is_file():
            raise ConfigError(f"config must be a file or one of {', '.join(PRESETS)}, not {text!r}")
        try:
            raw = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
            raise ConfigError(f"{path} is not TOML: {bad}") from bad
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"set must be name=value, not {change!r}")
        raw[name.strip()] = _value(value.strip())
    return AcceleratorConfig.parse(raw)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string
