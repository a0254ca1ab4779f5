"""``config.json`` and ``preprocessor_config.json`` of Hugging Face, as far as a ViT needs them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field

from golden.models.vit import Architecture, Count
from golden.preprocess import Filter, Pixels, Preprocess
from vitaccel.config import Config
from vitaccel.errors import ConfigError

__all__ = ["ModelConfig", "Processor", "read_config"]

Channels = float | tuple[float, ...]  # one value for all, or one for each
T = TypeVar("T", bound="_File")

# Class of transformers: prefix of its parameters, and what is done with a distillation token.
CLASSIFIERS: dict[str, tuple[str, Literal["none", "token", "head"]]] = {
    "ViTForImageClassification": ("vit", "none"),
    "DeiTForImageClassification": ("deit", "token"),
    "DeiTForImageClassificationWithTeacher": ("deit", "head"),
}
ACTIVATIONS: dict[str, Literal["none", "tanh"]] = {
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_fast": "tanh",
    "gelu_accurate": "tanh",
    "gelu_pytorch_tanh": "tanh",
}
FILTERS: tuple[Filter, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
DEIT_RESIZE = 256 / 224  # of transformers' defaults: side before the crop over side after it


class _File(Config):
    """A JSON file of which we know some keys; the others do not matter here."""

    model_config = pydantic.ConfigDict(extra="ignore")


class ModelConfig(_File):
    """``config.json``; defaults are those of transformers."""

    architectures: tuple[str, ...] = ()
    hidden_size: Count = 768
    num_hidden_layers: Count = 12
    num_attention_heads: Count = 12
    intermediate_size: Count = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    image_size: Count = 224
    patch_size: Count = 16
    num_channels: Count = 3
    qkv_bias: bool = True
    id2label: dict[str, str] = {"0": "LABEL_0", "1": "LABEL_1"}

    @pydantic.field_validator("image_size", "patch_size", mode="before")
    @classmethod
    def _square(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if not isinstance(value, list):
            return value
        if len(set(value)) != 1:
            raise ValueError(f"{info.field_name} must be square, not {value}")
        return value[0]

    @pydantic.model_validator(mode="after")
    def _supported(self) -> "ModelConfig":
        if len(self.architectures) != 1 or self.architectures[0] not in CLASSIFIERS:
            found = ", ".join(self.architectures) or "none"
            raise ValueError(f"architectures must be one of {', '.join(CLASSIFIERS)}, not {found}")
        if self.hidden_act not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"hidden_act must be one of {known}, not {self.hidden_act!r}")
        if sorted(self.id2label) != sorted(map(str, range(len(self.id2label)))):
            raise ValueError("id2label must number the classes from 0 without gaps")
        return self

    @property
    def family(self) -> str:
        """First word of the names of the parameters."""
        return CLASSIFIERS[self.architectures[0]][0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the logits."""
        return tuple(self.id2label[str(n)] for n in range(len(self.id2label)))

    def architecture(self) -> Architecture:
        """Sizes in our words; refuses those that contradict each other."""
        return Architecture.parse({
            "image_size": self.image_size,
            "channels": self.num_channels,
            "patch_size": self.patch_size,
            "dim": self.hidden_size,
            "depth": self.num_hidden_layers,
            "heads": self.num_attention_heads,
            "mlp_ratio": self.intermediate_size / self.hidden_size,
            "classes": len(self.id2label),
            "distillation": CLASSIFIERS[self.architectures[0]][1],
            "eps": self.layer_norm_eps,
            "gelu": ACTIVATIONS[self.hidden_act],
        })


class Processor(_File):
    """``preprocessor_config.json``: resize, crop, rescale from 0 .. 255, normalise.

    Each may be off. A size is that of the shorter side, or height and width.
    """

    do_resize: bool = True
    size: Pixels | tuple[Pixels, Pixels]
    resample: Annotated[int, Field(ge=0, lt=len(FILTERS))]
    do_center_crop: bool
    crop_size: Pixels | tuple[Pixels, Pixels]
    do_rescale: bool = True
    rescale_factor: Annotated[float, Field(gt=0)] = 1 / 255
    do_normalize: bool = True
    image_mean: Channels = 0.5
    image_std: Channels = 0.5

    @pydantic.field_validator("size", "crop_size", mode="before")
    @classmethod
    def _side(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        match value:
            case int():
                return (value, value)
            case {"shortest_edge": int(side), **rest} if not rest:
                return side
            case {"height": int(height), "width": int(width), **rest} if not rest:
                return (height, width)
        raise ValueError(
            f"{info.field_name} must be a number, height and width, or shortest_edge, not {value!r}"
        )

    @staticmethod
    def defaults(family: str, side: int) -> dict[str, Any]:
        """What transformers does for ViT and DeiT, for images of ``side`` instead of 224 pixels."""
        deit = family == "deit"
        return {
            "size": round(side * DEIT_RESIZE) if deit else side,
            "resample": FILTERS.index("bicubic" if deit else "bilinear"),
            "do_center_crop": deit,
            "crop_size": side,
        }

    def preprocess(self, side: int) -> Preprocess | None:
        """What leads to images of ``side``; None if pictures must have that size.

        Raises
        ------
        ConfigError
            It leads to images of another size.
        """
        if not self.do_resize and not self.do_center_crop:
            return None
        made = self.crop_size if self.do_center_crop else self.size
        if made != (side, side):
            name = "crop_size" if self.do_center_crop else "size"
            raise ConfigError(
                f"{name} must be {side} x {side} as the model's image_size, not {_text(made)}"
            )
        least = self.size if isinstance(self.size, int) else min(self.size)
        if self.do_resize and least < side:
            raise ConfigError(f"size must be at least crop_size ({side}), not {_text(self.size)}")
        resize = self.size if self.do_resize else None
        return Preprocess(resize=resize, resample=FILTERS[self.resample])

    def normalization(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel of images in 0 .. 1.

        Raises
        ------
        ConfigError
            Another number of channels, or a deviation that is not above 0.
        """
        unit = 255 * (self.rescale_factor if self.do_rescale else 1.0)
        mean, deviation = (0.0, 1.0) if not self.do_normalize else (self.image_mean, self.image_std)
        result = []
        for name, value in (("image_mean", mean), ("image_std", deviation)):
            values = (value,) * channels if isinstance(value, float | int) else value
            if len(values) != channels:
                raise ConfigError(f"{name} must have {channels} values, not {len(values)}")
            result.append(tuple(v / unit for v in values))
        if min(result[1]) <= 0:
            raise ConfigError(f"image_std must be above 0, not {self.image_std}")
        return result[0], result[1]


def _text(size: int | tuple[int, int]) -> str:
    return f"a shorter side of {size}" if isinstance(size, int) else f"{size[0]} x {size[1]}"


def read_config(kind: type[T], path: Path, defaults: Mapping[str, Any] | None = None) -> T:
    """Read a JSON file.

    Parameters
    ----------
    defaults
        Of keys that the file lacks; if given, the file may be missing.

    Raises
    ------
    ConfigError
        The file is missing or broken, or the value of a key is not supported: says which.
    """
    try:
        raw = json.loads(path.read_text()) if path.exists() or defaults is None else {}
        return kind.model_validate_json(json.dumps({**(defaults or {}), **raw}))
    except OSError as bad:
        raise ConfigError(f"{path} cannot be read: {bad.strerror}") from bad
    except pydantic.ValidationError as bad:  # is a ValueError too
        raise ConfigError(f"{path}: {kind._explain(bad.errors()[0])}") from bad
    except (ValueError, TypeError) as bad:  # not UTF-8, not JSON, no dictionary
        raise ConfigError(f"{path} is not a JSON object: {bad}") from bad
