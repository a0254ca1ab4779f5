"""Float models that the project ships or trains."""

from golden.models.checkpoint import (
    DIGITS,
    Record,
    load_checkpoint,
    read_record,
    save_checkpoint,
)
from golden.models.vit import Architecture, VisionTransformer

__all__ = [
    "DIGITS",
    "Architecture",
    "Record",
    "VisionTransformer",
    "load_checkpoint",
    "read_record",
    "save_checkpoint",
]
