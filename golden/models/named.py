"""Published vision transformers by timm's names."""

from pathlib import Path

import torch

from golden.models.efficientvit import EfficientViT
from golden.models.named_efficientvit import (
    EFFICIENTVITS,
    IMAGENET,
    efficientvit_model,
    efficientvit_preprocess,
)
from golden.models.vit import Architecture, VisionTransformer
from golden.models.weights import check_weights, is_hugging_face, read_weights
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError

__all__ = ["ARCHITECTURES", "model_names", "named_model", "named_preprocess"]

SEED = 0  # of a model without weights
CROP = 0.9  # timm's crop_pct: side of the model's image over the shorter side that is resized to
# Mean and standard deviation of each channel, where they are not those of ImageNet.
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _vit(dim: int, heads: int, patch_size: int = 16, *, distilled: bool = False) -> Architecture:
    return Architecture(
        image_size=224,
        channels=3,
        patch_size=patch_size,
        dim=dim,
        depth=12,
        heads=heads,
        classes=1000,
        distillation="head" if distilled else "none",
    )


# DeiT: arXiv 2012.12877, table 1; ViT: arXiv 2010.11929, table 1, and timm's vision_transformer.py.
ARCHITECTURES: dict[str, Architecture] = {
    "deit_tiny_patch16_224": _vit(192, 3),
    "deit_small_patch16_224": _vit(384, 6),
    "deit_base_patch16_224": _vit(768, 12),
    "deit_tiny_distilled_patch16_224": _vit(192, 3, distilled=True),
    "deit_small_distilled_patch16_224": _vit(384, 6, distilled=True),
    "deit_base_distilled_patch16_224": _vit(768, 12, distilled=True),
    "vit_tiny_patch16_224": _vit(192, 3),
    "vit_small_patch16_224": _vit(384, 6),
    "vit_small_patch32_224": _vit(384, 6, 32),
    "vit_base_patch16_224": _vit(768, 12),
    "vit_base_patch32_224": _vit(768, 12, 32),
}


def model_names() -> list[str]:
    """Names that `named_model` knows."""
    return [*ARCHITECTURES, *EFFICIENTVITS]


def named_model(name: str, weights: Path | None = None) -> VisionTransformer | EfficientViT:
    """Model ``name`` of `model_names`, with the parameters of a file or random ones of `SEED`.

    It takes images in 0 .. 1; a ViT's patch embedding has their normalisation folded in.

    Raises
    ------
    ConfigError
        The file is missing or broken; its tensors are not the model's: names
        those missing, surplus or misshapen, and the models they look like.
    """
    if name in EFFICIENTVITS:
        return efficientvit_model(name, weights)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = VisionTransformer(ARCHITECTURES[name])
    if weights is not None:
        tensors = read_weights(weights)
        if is_hugging_face(tensors):
            raise ConfigError(
                f"weights {weights} bear the names of Hugging Face, not timm's; name the folder "
                f"that save_pretrained wrote instead of {name}: hf:{weights.parent}"
            )
        want = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        check_weights(f"weights {weights} are not those of {name}", want, tensors, ARCHITECTURES)
        model.load_state_dict(tensors)
    model.normalize(*(IMAGENET if name.startswith("deit") else HALVES))
    return model.eval()


def named_preprocess(name: str) -> Preprocess:
    """What timm does to pictures for model ``name``."""
    if name in EFFICIENTVITS:
        return efficientvit_preprocess(name)
    return Preprocess(resize=int(ARCHITECTURES[name].image_size / CROP), resample="bicubic")
