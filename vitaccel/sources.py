"""What a user may name on the command line as a model or as images."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from golden.datasets import (
    Split,
    cifar10,
    digits,
    is_cifar10,
    labelled_files,
    read_folder,
    read_labelled,
)
from golden.models import (
    CIFAR10,
    DIGITS,
    DIGITS_SMALL,
    EfficientViT,
    VisionTransformer,
    huggingface_model,
    load_checkpoint,
    model_names,
    named_model,
    named_preprocess,
)
from golden.network import Network
from golden.preprocess import Preprocess
from vitaccel.errors import ConfigError
from vitaccel.frontend import from_module, from_pt2

__all__ = ["Images", "LabelledImages", "load_images", "load_labelled", "load_network"]

HUGGING_FACE = "hf:"
# Models that come with the project.
SHIPPED = {"digits": DIGITS, "digits-small": DIGITS_SMALL, "cifar10": CIFAR10}
BATCH = 90


class Images(NamedTuple):
    """Float images ``[n, c, h, w]`` and labels int64 ``[n]`` where they are known."""

    images: Tensor
    labels: Tensor | None


class LabelledImages(NamedTuple):
    """Images with labels, read batch by batch; ``total`` of images, or of files that hold some."""

    total: int
    batches: Iterator[Split]


def load_network(spec: str, weights: Path | None = None) -> Network:
    """Float network of what a user calls a model.

    Parameters
    ----------
    spec
        A name in `SHIPPED`; a name of `golden.models.model_names`; ``hf:DIR`` with a folder of
        Hugging Face's ``save_pretrained``; a ``.safetensors`` of ours; a ``.pt2``.
    weights
        Of a model by name; without them its parameters are random, and ``trained`` is false.

    Raises
    ------
    ConfigError
        If it is none of these, or holds something that does not map.
    """
    path, names = Path(spec), model_names()
    if weights is not None and spec not in names:
        raise ConfigError(f"weights go with a model by name, not with {spec!r}")
    if spec in names:
        network = _translate(named_model(spec, weights), spec)
        return replace(network, trained=weights is not None, preprocess=named_preprocess(spec))
    if spec.startswith(HUGGING_FACE):
        folder = Path(spec.removeprefix(HUGGING_FACE))
        found = huggingface_model(folder)
        network = _translate(found.model, folder.resolve().name)
        return replace(network, classes=found.classes, preprocess=found.preprocess)
    if spec in SHIPPED:
        return _translate(load_checkpoint(SHIPPED[spec]), spec)
    if path.suffix == ".safetensors":
        return _translate(load_checkpoint(path), path.stem)
    if path.suffix == ".pt2":
        return from_pt2(path)
    near = difflib.get_close_matches(spec, names, n=1)
    if (path / "config.json").is_file():
        near = [f"{HUGGING_FACE}{spec}"]
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(
        "model must be 'digits', 'digits-small', a name such as deit_tiny_patch16_224, hf: and "
        f"a folder of save_pretrained, a .safetensors checkpoint or a .pt2, not {spec!r}{hint}"
    )


def _translate(model: VisionTransformer | EfficientViT, name: str) -> Network:
    a = model.arch
    return from_module(model, torch.zeros(1, a.channels, a.image_size, a.image_size), name)


def load_images(
    spec: str,
    shape: Sequence[int],
    count: int | None = None,
    preprocess: Preprocess | None = None,
) -> Images:
    """Images of shape ``[c, h, w]``: ``digits`` (held out), ``digits:train``, or a folder.

    Of a folder with CIFAR-10's binary version, those for training.

    Parameters
    ----------
    preprocess
        What is done to pictures of another size; without it they are refused.

    Raises
    ------
    ConfigError
        If there are none, one is broken, or their shape is not the network's.
    """
    if is_cifar10(Path(spec)):
        split = cifar10(Path(spec), train=True)
        _check_shape(spec, split, shape)
        return Images(split.images[:count].float() / 255, split.labels[:count])
    if spec not in ("digits", "digits:train"):
        return Images(read_folder(Path(spec), _three(shape), preprocess, count), None)
    split = digits().test if spec == "digits" else digits().train
    _check_shape(spec, split, shape)
    return Images(split.images[:count], split.labels[:count])


def load_labelled(spec: str, network: Network, preprocess: Preprocess | None) -> LabelledImages:
    """Images to evaluate a network on: ``digits``, or a folder with a subfolder per class.

    Of a folder with CIFAR-10's binary version, ``test_batch.bin``.

    Raises
    ------
    ConfigError
        As `load_images` (broken files while the batches are read), or the subfolders are not the
        network's classes.
    """
    shape = network.layers[0].shape
    if spec == "digits" or is_cifar10(Path(spec)):
        split = digits().test if spec == "digits" else cifar10(Path(spec), train=False)
        _check_shape(spec, split, shape)
        return LabelledImages(len(split.labels), _batches(split))
    files = labelled_files(Path(spec), network.layers[-1].shape[-1], network.classes)
    return LabelledImages(len(files), read_labelled(files, _three(shape), preprocess))


def _batches(split: Split) -> Iterator[Split]:
    for images, labels in zip(*(part.split(BATCH) for part in split), strict=True):
        floats = images if images.is_floating_point() else images.float() / 255
        yield Split(floats, labels)


def _three(shape: Sequence[int]) -> tuple[int, int, int]:
    return shape[0], shape[1], shape[2]


def _check_shape(spec: str, split: Split, shape: Sequence[int]) -> None:
    found = list(split.images.shape[1:])
    if found != list(shape):
        raise ConfigError(
            f"images of {spec} have shape {found}, but the network takes {list(shape)}"
        )
