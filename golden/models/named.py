"""Published vision transformers by timm's names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from golden.models.vit import Architecture, VisionTransformer
from vitaccel.errors import ConfigError

__all__ = ["ARCHITECTURES", "named_model"]

SEED = 0  # of a model without weights
# Mean and standard deviation of each channel of training images in 0 .. 1, as timm has them.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _vit(dim: int, heads: int, depth: int = 12, patch_size: int = 16) -> Architecture:
    return Architecture(
        image_size=224,
        channels=3,
        patch_size=patch_size,
        dim=dim,
        depth=depth,
        heads=heads,
        classes=1000,
    )


# DeiT: arXiv 2012.12877, table 1; ViT: arXiv 2010.11929, table 1, and timm's vision_transformer.py.
ARCHITECTURES: dict[str, Architecture] = {
    "deit_tiny_patch16_224": _vit(192, 3),
    "deit_small_patch16_224": _vit(384, 6),
    "deit_base_patch16_224": _vit(768, 12),
    "vit_tiny_patch16_224": _vit(192, 3),
    "vit_small_patch16_224": _vit(384, 6),
    "vit_small_patch32_224": _vit(384, 6, patch_size=32),
    "vit_base_patch16_224": _vit(768, 12),
    "vit_base_patch32_224": _vit(768, 12, patch_size=32),
}


def named_model(name: str, weights: Path | None = None) -> VisionTransformer:
    """Model ``name`` of `ARCHITECTURES`, with the parameters of a file or random ones of `SEED`.

    It takes images in 0 .. 1: their normalisation is folded into the patch embedding.

    Raises
    ------
    ConfigError
        The file is missing or broken; its tensors are not the model's: names
        those missing, surplus or misshapen, and the model they look like.
    """
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = VisionTransformer(ARCHITECTURES[name])
    if weights is not None:
        tensors = _read(weights)
        _check(name, model.state_dict(), tensors, weights)
        model.load_state_dict(tensors)
    _fold_normalization(model, *(IMAGENET if name.startswith("deit") else HALVES))
    return model.eval()


@torch.no_grad()
def _fold_normalization(
    model: VisionTransformer, mean: Sequence[float], deviation: Sequence[float]
) -> None:
    """Let the patch embedding take x where it took ``(x - mean) / deviation``."""
    projection = model.patch_embed.proj
    assert projection.bias is not None
    weight = projection.weight / torch.tensor(deviation)[:, None, None]
    projection.bias -= (weight * torch.tensor(mean)[:, None, None]).sum((1, 2, 3))
    projection.weight.copy_(weight)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as bad:
        raise ConfigError(f"weights {path} do not exist") from bad
    except (safetensors.SafetensorError, OSError) as bad:
        raise ConfigError(f"weights {path} are not a whole safetensors file: {bad}") from bad


def _check(name: str, want: Mapping[str, Tensor], got: Mapping[str, Tensor], path: Path) -> None:
    problems = []
    for what, names in (
        ("missing", want.keys() - got.keys()),
        ("surplus", got.keys() - want.keys()),
    ):
        if names:
            problems.append(f"{what}: {_some(sorted(names))}")
    shapes = [
        f"{key} {list(got[key].shape)}, not {list(want[key].shape)}"
        for key in sorted(want.keys() & got.keys())
        if got[key].shape != want[key].shape
    ]
    if shapes:
        problems.append(f"misshapen: {_some(shapes)}")
    if problems:
        alike = _looks_like(got)
        hint = f"; they look like {alike}" if alike else ""
        raise ConfigError(f"weights {path} are not those of {name}: {'; '.join(problems)}{hint}")


def _some(names: list[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _looks_like(tensors: Mapping[str, Tensor]) -> str | None:
    """Known model whose patch embedding and depth these tensors have."""
    patch, positions = tensors.get("patch_embed.proj.weight"), tensors.get("pos_embed")
    if patch is None or patch.ndim != 4 or positions is None:
        return "a Hugging Face model" if any("encoder.layer" in name for name in tensors) else None
    depth = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    for name, arch in ARCHITECTURES.items():
        if (
            patch.shape[0] == arch.dim
            and patch.shape[-1] == arch.patch_size
            and depth == arch.depth
        ):
            return f"{name} with a distillation token" if "dist_token" in tensors else name
    return None
