"""What a user may name on the command line: configurations, models, images."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from golden.datasets import digits, read_folder
from golden.models import load_checkpoint
from golden.network import Network
from vitaccel.config import PRESETS, AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.frontend import from_module, from_pt2

__all__ = ["Images", "load_config", "load_images", "load_network"]


class Images(NamedTuple):
    """Float images ``[n, c, h, w]`` and labels int64 ``[n]`` where they are known."""

    images: Tensor
    labels: Tensor | None


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


def load_network(spec: str) -> Network:
    """Float network of ``digits`` (shipped), a checkpoint ``.safetensors`` of ours, or a ``.pt2``.

    Raises
    ------
    ConfigError
        If the file is none of these, or holds an operator that does not map.
    """
    path = Path(spec)
    if spec == "digits" or path.suffix == ".safetensors":
        model = load_checkpoint() if spec == "digits" else load_checkpoint(path)
        a = model.arch
        example = torch.zeros(1, a.channels, a.image_size, a.image_size)
        return from_module(model, example, name=path.stem)
    if path.suffix == ".pt2":
        return from_pt2(path)
    raise ConfigError(f"model must be 'digits', a .safetensors checkpoint or a .pt2, not {spec!r}")


def load_images(spec: str, shape: Sequence[int], count: int | None = None) -> Images:
    """Images of shape ``[c, h, w]``: ``digits`` (held out), ``digits:train``, or a folder.

    Raises
    ------
    ConfigError
        If there are none, one is broken, or their shape is not the network's.
    """
    if spec in ("digits", "digits:train"):
        split = digits().test if spec == "digits" else digits().train
        images: Tensor = split.images
        labels: Tensor | None = split.labels
    else:
        images, labels = read_folder(Path(spec), (shape[0], shape[1], shape[2])), None
    if tuple(images.shape[1:]) != tuple(shape):
        raise ConfigError(
            f"images of {spec} have shape {list(images.shape[1:])}, but the network takes "
            f"{list(shape)}"
        )
    stop = len(images) if count is None else count
    return Images(images[:stop], None if labels is None else labels[:stop])
