"""Classifiers in a folder of Hugging Face's ``save_pretrained``, read without its library."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from golden.models.huggingface_config import ModelConfig, Processor, read_config
from golden.models.named import ARCHITECTURES
from golden.models.vit import Architecture, VisionTransformer
from golden.models.weights import check_weights, read_weights
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError

__all__ = ["HuggingFace", "huggingface_model"]

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# Our modules by theirs; several are one after the other along the outputs.
EMBEDDINGS = {
    "cls_token": "embeddings.cls_token",
    "dist_token": "embeddings.distillation_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
BLOCK = {
    "norm1": ("layernorm_before",),
    "attn.qkv": tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    "attn.proj": ("attention.output.dense",),
    "norm2": ("layernorm_after",),
    "mlp.fc1": ("intermediate.dense",),
    "mlp.fc2": ("output.dense",),
}


class HuggingFace(NamedTuple):
    """A model of images in 0 .. 1, what is done to pictures for it, names of its classes."""

    model: VisionTransformer
    preprocess: Preprocess | None
    classes: tuple[str, ...]


def huggingface_model(folder: Path) -> HuggingFace:
    """Read ``config.json``, ``model.safetensors`` or its shards, ``preprocessor_config.json``.

    Takes ViTForImageClassification, DeiTForImageClassification (its distillation token has no
    classifier) and DeiTForImageClassificationWithTeacher (the mean of two). Without
    ``preprocessor_config.json`` the defaults of transformers hold. The normalisation is folded into
    the patch embedding.

    Raises
    ------
    ConfigError
        A file is missing or broken, asks for something that is not supported, or the tensors are
        not the configuration's: names the file and the value or tensor.
    """
    if not folder.is_dir():
        raise ConfigError(f"folder {folder} does not exist")
    config = read_config(ModelConfig, folder / CONFIG)
    with _naming(folder / CONFIG):
        model = VisionTransformer(config.architecture())
    defaults = Processor.defaults(config.family, config.image_size)
    processor = read_config(Processor, folder / PROCESSOR, defaults)
    with _naming(folder / PROCESSOR):
        preprocess = processor.preprocess(config.image_size)
        mean, deviation = processor.normalization(config.num_channels)
    model.load_state_dict(_parameters(model, config, folder))
    model.normalize(mean, deviation)
    return HuggingFace(model.eval(), preprocess, config.classes)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file before the message of what is wrong in it."""
    try:
        yield
    except ConfigError as bad:
        raise ConfigError(f"{path}: {bad}") from bad


def _parameters(model: VisionTransformer, config: ModelConfig, folder: Path) -> dict[str, Tensor]:
    """Theirs by our names; biases that they lack are 0."""
    want: dict[str, tuple[int, ...]] = {}
    sources: dict[str, list[str]] = {}
    for name, value in model.state_dict().items():
        theirs = _names(name, config.family, model.arch)
        sources[name] = theirs
        rows, *rest = value.shape
        if config.qkv_bias or not name.endswith("attn.qkv.bias"):
            want |= dict.fromkeys(theirs, (rows // len(theirs), *rest))
    got = _read(folder)
    check_weights(f"weights of {folder} are not those of its {CONFIG}", want, got, ARCHITECTURES)
    return {
        name: torch.cat([got[part] for part in theirs])
        if theirs[0] in got
        else torch.zeros_like(model.state_dict()[name])
        for name, theirs in sources.items()
    }


def _names(name: str, family: str, arch: Architecture) -> list[str]:
    """Their names of a parameter of ours."""
    if name in EMBEDDINGS:
        return [f"{family}.{EMBEDDINGS[name]}"]
    module, _, kind = name.rpartition(".")
    if module in EMBEDDINGS:
        return [f"{family}.{EMBEDDINGS[module]}.{kind}"]
    if module in ("head", "head_dist"):
        first = "cls_classifier" if arch.distillation == "head" else "classifier"
        return [f"{first if module == 'head' else 'distillation_classifier'}.{kind}"]
    _, block, part = module.split(".", 2)
    return [f"{family}.encoder.layer.{block}.{theirs}.{kind}" for theirs in BLOCK[part]]


def _read(folder: Path) -> dict[str, Tensor]:
    """Tensors of one file or of all that the index names."""
    index = folder / INDEX
    if (folder / WEIGHTS).exists():
        return read_weights(folder / WEIGHTS)
    if not index.exists():
        raise ConfigError(
            f"folder {folder} has neither {WEIGHTS} nor {INDEX}; save the model again with "
            "save_pretrained"
        )
    try:
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        paths = [folder / shard for shard in shards]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as bad:
        raise ConfigError(f"{index} must be JSON with a weight_map of names of files") from bad
    return {name: value for path in paths for name, value in read_weights(path).items()}
