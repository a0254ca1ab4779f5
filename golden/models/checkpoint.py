"""Checkpoints: weights of a model of ours and its architecture in one safetensors file."""

from pathlib import Path

import pydantic
import safetensors
import safetensors.torch

from golden.models.efficientvit import EfficientViT, EfficientViTArchitecture
from golden.models.vit import Architecture, VisionTransformer
from vitaccel.config import Config
from vitaccel.errors import ConfigError

__all__ = [
    "CIFAR10",
    "DIGITS",
    "DIGITS_SMALL",
    "Record",
    "load_checkpoint",
    "read_record",
    "save_checkpoint",
]

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"  # ship with the project
DIGITS = CHECKPOINTS / "digits.safetensors"
DIGITS_SMALL = CHECKPOINTS / "digits-small.safetensors"
CIFAR10 = CHECKPOINTS / "cifar10.safetensors"
_KEY = "vitaccel"  # one key only: safetensors does not keep several in a fixed order


class Record(Config):
    """What a checkpoint says about itself; accuracy on held-out test images, 0 to 1."""

    architecture: Architecture | EfficientViTArchitecture
    dataset: str
    seed: int
    accuracy: float


def save_checkpoint(path: Path, model: VisionTransformer | EfficientViT, record: Record) -> None:
    """Write the parameters as float32; equal weights and record give equal bytes."""
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, path, metadata={_KEY: record.model_dump_json()})


def read_record(path: Path) -> Record:
    """Read only the header of a checkpoint.

    Raises
    ------
    ConfigError
        The file is missing, is not safetensors or was not written by `save_checkpoint`.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except FileNotFoundError as bad:
        raise ConfigError(f"checkpoint {path} does not exist") from bad
    except (safetensors.SafetensorError, OSError) as bad:
        raise ConfigError(f"checkpoint {path} is not a whole safetensors file: {bad}") from bad
    if text is None:
        raise ConfigError(f"checkpoint {path} has no {_KEY!r} entry that gives its architecture")
    try:
        return Record.model_validate_json(text)
    except pydantic.ValidationError as bad:
        raise ConfigError(f"checkpoint {path} has an unreadable {_KEY!r} entry: {text}") from bad


def load_checkpoint(path: Path = DIGITS) -> VisionTransformer | EfficientViT:
    """Rebuild the model of a checkpoint, in evaluation mode.

    Raises
    ------
    ConfigError
        As `read_record`, or the weights do not fit the architecture.
    """
    arch = read_record(path).architecture
    model = VisionTransformer(arch) if isinstance(arch, Architecture) else EfficientViT(arch)
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except RuntimeError as bad:
        reason = " ".join(str(bad).split())
        raise ConfigError(f"checkpoint {path} does not fit its architecture: {reason}") from bad
    return model.eval()
