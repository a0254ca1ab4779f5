"""Small models of transformers with random parameters; nothing is fetched."""

from typing import Any

import pytest
import torch

__all__ = ["DEIT", "TEACHER", "VIT", "transformers_model"]

VIT = "ViTForImageClassification"
DEIT = "DeiTForImageClassification"
TEACHER = "DeiTForImageClassificationWithTeacher"
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 16,
    "patch_size": 4,
    "num_labels": 10,
}


def transformers_model(kind: str, **changes: Any) -> Any:
    """Model of class ``kind`` of images ``[n, 3, 16, 16]``; ``changes`` go to its configuration."""
    transformers = pytest.importorskip("transformers")
    family = "ViT" if kind == VIT else "DeiT"
    config = getattr(transformers, f"{family}Config")(**SIZES | changes)
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model
