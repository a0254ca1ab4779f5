"""Float models that the project ships or trains."""

from golden.models.checkpoint import (
    DIGITS,
    Record,
    load_checkpoint,
    read_record,
    save_checkpoint,
)
from golden.models.named import ARCHITECTURES, named_model
from golden.models.vit import Architecture, VisionTransformer

__all__ = [
    "ARCHITECTURES",
    "DIGITS",
    "Architecture",
    "Record",
    "VisionTransformer",
    "load_checkpoint",
    "named_model",
    "read_record",
    "save_checkpoint",
]
