"""Safetensors files: reading them, and what to say when they hold another model."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from golden.models.vit import Architecture
from vitaccel.errors import ConfigError

__all__ = ["check_weights", "is_hugging_face", "read_weights"]

# Ends of names, timm's and Hugging Face's: patch embedding; one per block; distillation token.
PATCH = ("patch_embed.proj.weight", "patch_embeddings.projection.weight")
LAST = (".norm2.weight", ".layernorm_after.weight")
DISTILLED = ("dist_token", "distillation_token")

Shapes = Mapping[str, tuple[int, ...]]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by name, floats as float32.

    Raises
    ------
    ConfigError
        The file is missing or broken.
    """
    try:
        tensors = safetensors.torch.load_file(path)
    except FileNotFoundError as bad:
        raise ConfigError(f"weights {path} do not exist") from bad
    except (safetensors.SafetensorError, OSError) as bad:
        raise ConfigError(f"weights {path} are not a whole safetensors file: {bad}") from bad
    return {name: value.float() for name, value in tensors.items()}


def check_weights(
    what: str, want: Shapes, got: Mapping[str, Tensor], known: Mapping[str, Architecture]
) -> None:
    """Compare names and shapes with those that a model has.

    Parameters
    ----------
    what
        Subject of the message, such as ``weights F are not those of M``.
    known
        Architectures that the tensors may belong to instead, by name.

    Raises
    ------
    ConfigError
        Names what is missing, surplus or misshapen, and the models that it looks like.
    """
    shapes = (
        f"{name} {list(got[name].shape)}, not {list(want[name])}"
        for name in sorted(want.keys() & got.keys())
        if tuple(got[name].shape) != tuple(want[name])
    )
    lists = {
        "missing": _some(sorted(want.keys() - got.keys())),
        "surplus": _some(sorted(got.keys() - want.keys())),
        "misshapen": _some(shapes),
    }
    problems = "; ".join(f"{kind}: {names}" for kind, names in lists.items() if names)
    if problems:
        alike = _looks_like(got, known)
        raise ConfigError(f"{what}: {problems}" + (f"; they look like {alike}" if alike else ""))


def _some(names: Iterable[str], most: int = 3) -> str:
    names = list(names)
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def is_hugging_face(tensors: Iterable[str]) -> bool:
    """Whether names are those of transformers."""
    return any(".encoder.layer." in name for name in tensors)


def _looks_like(tensors: Mapping[str, Tensor], known: Mapping[str, Architecture]) -> str:
    """Models whose width, patch size, depth and distillation these tensors have, if any."""
    patch = next((t for n, t in tensors.items() if n.endswith(PATCH) and t.ndim == 4), None)
    if patch is None:
        return ""
    depth = len({name.split(".")[-3] for name in tensors if name.endswith(LAST)})
    distilled = any(name.endswith(DISTILLED) for name in tensors)
    return " or ".join(
        name
        for name, arch in known.items()
        if (patch.shape[0], patch.shape[-1], depth) == (arch.dim, arch.patch_size, arch.depth)
        and distilled == (arch.distillation != "none")
    )
