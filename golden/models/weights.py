"""Safetensors files: reading them, and what to say when they hold another model."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from golden.models.efficientvit import EfficientViTArchitecture
from golden.models.vit import Architecture
from vitaccel.errors import ConfigError

__all__ = ["check_weights", "is_hugging_face", "read_weights"]

# Ends of names, timm's and Hugging Face's: patch embedding; one per block; distillation token.
PATCH = ("patch_embed.proj.weight", "patch_embeddings.projection.weight")
LAST = (".norm2.weight", ".layernorm_after.weight")
DISTILLED = ("dist_token", "distillation_token")
STEM = "stem.in_conv.conv.weight"  # of an EfficientViT
ZIPPED = (".pt", ".pth")  # files of torch.save

Known = Mapping[str, Architecture] | Mapping[str, EfficientViTArchitecture]
Shapes = Mapping[str, tuple[int, ...]]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by name, floats as float32.

    Parameters
    ----------
    path
        Safetensors; or, ending in ``.pt`` or ``.pth``, what `torch.save` wrote of a state dict or
        of a dictionary with one as ``state_dict``.

    Raises
    ------
    ConfigError
        The file is missing or broken.
    """
    if path.suffix in ZIPPED:
        return _read_zipped(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except FileNotFoundError as bad:
        raise ConfigError(f"weights {path} do not exist") from bad
    except (safetensors.SafetensorError, OSError) as bad:
        raise ConfigError(f"weights {path} are not a whole safetensors file: {bad}") from bad
    return {name: value.float() for name, value in tensors.items()}


def _read_zipped(path: Path) -> dict[str, Tensor]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as bad:
        raise ConfigError(f"weights {path} do not exist") from bad
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as bad:
        raise ConfigError(f"weights {path} are not a whole file of tensors by torch.save") from bad
    held = held.get("state_dict", held) if isinstance(held, dict) else held
    if not isinstance(held, dict) or not all(isinstance(x, Tensor) for x in held.values()):
        raise ConfigError(f"weights {path} must be a state dict, not {type(held).__name__}")
    return {name: value.float() for name, value in held.items()}


def check_weights(what: str, want: Shapes, got: Mapping[str, Tensor], known: Known) -> None:
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


def _looks_like(tensors: Mapping[str, Tensor], known: Known) -> str:
    """Models whose width, patch size, depth and distillation these tensors have, if any."""
    stem = tensors[STEM].shape[0] if STEM in tensors else None
    patch = next((t for n, t in tensors.items() if n.endswith(PATCH) and t.ndim == 4), None)
    if patch is None:
        return " or ".join(
            name
            for name, arch in known.items()
            if isinstance(arch, EfficientViTArchitecture) and arch.widths[0] == stem
        )
    depth = len({name.split(".")[-3] for name in tensors if name.endswith(LAST)})
    distilled = any(name.endswith(DISTILLED) for name in tensors)
    return " or ".join(
        name
        for name, arch in known.items()
        if isinstance(arch, Architecture)
        and (patch.shape[0], patch.shape[-1], depth) == (arch.dim, arch.patch_size, arch.depth)
        and distilled == (arch.distillation != "none")
    )
