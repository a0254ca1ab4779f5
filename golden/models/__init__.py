"""Float models that the project ships or trains."""

from golden.models.checkpoint import (
    CIFAR10,
    DIGITS,
    DIGITS_SMALL,
    Record,
    load_checkpoint,
    read_record,
    save_checkpoint,
)
from golden.models.efficientvit import EfficientViT, EfficientViTArchitecture
from golden.models.huggingface import HuggingFace, huggingface_model
from golden.models.named import ARCHITECTURES, model_names, named_model, named_preprocess
from golden.models.named_efficientvit import EFFICIENTVITS
from golden.models.vit import Architecture, VisionTransformer

__all__ = [
    "ARCHITECTURES",
    "CIFAR10",
    "DIGITS",
    "DIGITS_SMALL",
    "EFFICIENTVITS",
    "Architecture",
    "EfficientViT",
    "EfficientViTArchitecture",
    "HuggingFace",
    "Record",
    "VisionTransformer",
    "huggingface_model",
    "load_checkpoint",
    "model_names",
    "named_model",
    "named_preprocess",
    "read_record",
    "save_checkpoint",
]
