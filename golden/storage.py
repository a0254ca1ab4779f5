"""A QNetwork on disk: ``network.json`` and ``weights.safetensors`` in one folder."""

import difflib
import json
import tempfile
from pathlib import Path
from typing import Any, Self, get_args

import pydantic
import safetensors
import safetensors.torch
from torch import Tensor

from golden.preprocess import Preprocess
from golden.qnetwork import VERSION, QLayer, QNetwork, QTensor
from golden.validate import validate
from vitaccel.config import Config
from vitaccel.errors import ConfigError

__all__ = ["load", "save", "validate"]

LAYERS, WEIGHTS = "network.json", "weights.safetensors"
PARTS: tuple[type[Config], ...] = (QTensor, *get_args(get_args(QLayer)[0]))


class _Document(Config):
    """What ``network.json`` holds."""

    version: int = VERSION
    name: str
    scheme: str
    classes: tuple[str, ...]
    trained: bool = True
    preprocess: Preprocess | None = None
    layers: tuple[QLayer, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        try:
            return cls.model_validate_json(text)
        except pydantic.ValidationError as bad:
            raise ConfigError(f"{LAYERS}: {cls._explain(bad.errors()[0])}") from bad

    @classmethod
    def _explain(cls, error: Any) -> str:
        if error["type"] != "extra_forbidden":
            return super()._explain(error)
        *path, key = map(str, error["loc"])
        known = {name for part in (cls, Preprocess, *PARTS) for name in part.model_fields}
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{'.'.join([*path, key])} is not a known key{hint}"


def save(network: QNetwork, folder: Path) -> None:
    """Write a valid network as a whole folder or not at all.

    Parameters
    ----------
    folder
        New, empty, or an earlier network, which is replaced; missing parents are made.

    Raises
    ------
    ConfigError
        The network is not valid (see `validate`), or the folder holds something else or cannot be
        written.
    """
    validate(network)
    document = _Document(
        name=network.name,
        scheme=network.scheme,
        classes=network.classes,
        trained=network.trained,
        preprocess=network.preprocess,
        layers=network.layers,
    )
    tensors = {name: tensor.contiguous().clone() for name, tensor in network.tensors.items()}
    contents = {
        LAYERS: document.model_dump_json(indent=1).encode(),
        WEIGHTS: safetensors.torch.save(tensors),
    }
    try:
        _replace(folder, contents)
    except OSError as bad:
        raise ConfigError(
            f"output folder {folder} cannot be written: {bad.strerror}; choose another with -o"
        ) from bad


def _replace(folder: Path, contents: dict[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    others = [name for name in others if name not in contents]
    if others:
        raise ConfigError(
            f"output folder {folder} must be new, empty or a network, but holds {others[0]!r}; "
            "choose another with -o"
        )
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
        new, old = Path(place, "new"), Path(place, "old")
        new.mkdir()
        for name, data in contents.items():
            (new / name).write_bytes(data)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:  # Ctrl-C included: the earlier network comes back
            if old.exists():
                old.rename(folder)
            raise


def load(folder: Path) -> QNetwork:
    """Read a network that `save` wrote; exactly the same layers and tensors.

    Raises
    ------
    ConfigError
        A file is missing or damaged, comes from a newer version, or holds no valid network.
    """
    document = _read_document(folder / LAYERS)
    network = QNetwork(
        name=document.name,
        layers=document.layers,
        tensors=_read_tensors(folder / WEIGHTS),
        classes=document.classes,
        scheme=document.scheme,
        trained=document.trained,
        preprocess=document.preprocess,
    )
    validate(network)
    return network


def _read_document(path: Path) -> _Document:
    try:
        text = path.read_text()
        raw = json.loads(text)
    except OSError as bad:
        raise ConfigError(f"network file {path} cannot be read: {bad.strerror}") from bad
    except ValueError as bad:  # not UTF-8 or not JSON
        raise ConfigError(f"network file {path} is damaged: {bad}") from bad
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(
            f"network file {path} has version {version}, but this vitaccel reads up to {VERSION}; "
            "update vitaccel"
        )
    return _Document.read(text)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(path.read_bytes())
    except OSError as bad:
        raise ConfigError(f"network file {path} cannot be read: {bad.strerror}") from bad
    except safetensors.SafetensorError as bad:
        raise ConfigError(f"network file {path} is damaged: {bad}") from bad
