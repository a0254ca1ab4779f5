"""Published EfficientViTs by timm's names; their weights by timm's or by mit-han-lab's."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from golden.models.efficientvit import EfficientViT, EfficientViTArchitecture
from golden.models.weights import check_weights, read_weights
from golden.preprocess import Preprocess

__all__ = ["EFFICIENTVITS", "efficientvit_model", "efficientvit_preprocess", "timm_names"]

SEED = 0  # of a model without weights
CROP = 0.95  # timm's crop_pct
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# mit-han-lab's modules by timm's; {i} numbers what follows the stem's first layer from 1.
PUBLISHED = (
    (r"^backbone\.input_stem\.op_list\.0\.", "stem.in_conv."),
    (r"^backbone\.input_stem\.op_list\.(\d+)\.", lambda m: f"stem.res{int(m[1]) - 1}."),
    (r"^backbone\.stages\.(\d+)\.op_list\.", r"stages.\1.blocks."),
    (r"^head\.op_list\.0\.", "head.in_conv."),
    (r"^head\.op_list\.2\.linear\.", "head.classifier.0."),
    (r"^head\.op_list\.2\.norm\.", "head.classifier.1."),
    (r"^head\.op_list\.3\.linear\.", "head.classifier.4."),
)


def _series(
    widths: tuple[int, ...], depths: tuple[int, ...], dim: int, head: tuple[int, int]
) -> EfficientViTArchitecture:
    return EfficientViTArchitecture(
        image_size=224, widths=widths, depths=depths, head_dim=dim, head_widths=head, classes=1000
    )


# efficientvit/models/efficientvit/backbone.py and cls.py of mit-han-lab.
EFFICIENTVITS: dict[str, EfficientViTArchitecture] = {
    "efficientvit_b0": _series((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 16, (1024, 1280)),
    "efficientvit_b1": _series((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 16, (1536, 1600)),
    "efficientvit_b2": _series((24, 48, 96, 192, 384), (1, 3, 4, 4, 6), 32, (2304, 2560)),
}


def timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by timm's names, whichever of the two naming schemes theirs follow."""
    renamed = {}
    for name, value in tensors.items():
        for pattern, ours in PUBLISHED:
            name = re.sub(pattern, ours, name)
        renamed[name] = value
    return renamed


def efficientvit_model(name: str, weights: Path | None = None) -> EfficientViT:
    """Model ``name`` of `EFFICIENTVITS`, with the parameters of a file or random ones of `SEED`.

    It takes images in 0 .. 1 and normalises them itself.

    Raises
    ------
    ConfigError
        As `golden.models.named_model`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = EfficientViT(EFFICIENTVITS[name])
    if weights is not None:
        own = model.state_dict()
        counters = {key for key in own if key.endswith("num_batches_tracked")}
        tensors = timm_names(read_weights(weights))
        want = {key: tuple(value.shape) for key, value in own.items() if key not in counters}
        got = {key: value for key, value in tensors.items() if key not in counters}
        check_weights(f"weights {weights} are not those of {name}", want, got, EFFICIENTVITS)
        model.load_state_dict(got, strict=False)
    model.normalize(*IMAGENET)
    return model.eval()


def efficientvit_preprocess(name: str) -> Preprocess:
    """What timm does to pictures for model ``name``."""
    return Preprocess(resize=int(EFFICIENTVITS[name].image_size / CROP), resample="bicubic")
