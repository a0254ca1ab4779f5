"""What a user may name on the command line as a model or as images."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from golden.datasets import digits, read_folder
from golden.models import ARCHITECTURES, load_checkpoint, named_model
from golden.network import Network
from vitaccel.errors import ConfigError
from vitaccel.frontend import from_module, from_pt2

__all__ = ["Images", "load_images", "load_network"]


class Images(NamedTuple):
    """Float images ``[n, c, h, w]`` and labels int64 ``[n]`` where they are known."""

    images: Tensor
    labels: Tensor | None


def load_network(spec: str, weights: Path | None = None) -> Network:
    """Float network of ``digits`` (shipped), a checkpoint ``.safetensors`` of ours, or a ``.pt2``.

    Also of a name in `golden.models.ARCHITECTURES`, with ``weights`` or random parameters.

    Raises
    ------
    ConfigError
        If the file is none of these, or holds an operator that does not map.
    """
    path = Path(spec)
    named = spec in ARCHITECTURES
    if weights is not None and not named:
        raise ConfigError(f"weights go with a model by name, not with {spec!r}")
    if spec == "digits" or named or path.suffix == ".safetensors":
        if named:
            model = named_model(spec, weights)
        else:
            model = load_checkpoint() if spec == "digits" else load_checkpoint(path)
        a = model.arch
        example = torch.zeros(1, a.channels, a.image_size, a.image_size)
        return from_module(model, example, name=path.stem)
    if path.suffix == ".pt2":
        return from_pt2(path)
    near = difflib.get_close_matches(spec, ARCHITECTURES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"model must be 'digits', a name such as deit_tiny_patch16_224, a .safetensors checkpoint "
        f"or a .pt2, not {spec!r}{hint}"
    )


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
