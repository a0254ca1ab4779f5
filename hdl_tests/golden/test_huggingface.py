"""Folders of Hugging Face: logits of transformers, pictures as its processors make them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from golden.models import HuggingFace, huggingface_model
from golden.preprocess import Preprocess
from hdl_tests.harness.huggingface import DEIT, TEACHER, VIT, transformers_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
TOLERANCE = 1e-4  # of the greatest logit


def saved(folder: Path, kind: str = VIT, shard: str = "5GB", **changes: Any) -> Any:
    """A model, written by its own save_pretrained."""
    model = transformers_model(kind, **changes)
    model.save_pretrained(folder, max_shard_size=shard)
    return model


def assert_same(
    model: Any, found: HuggingFace, mean: float = 0.5, std: float = 0.5, channels: int = 3
) -> None:
    images = torch.rand(3, channels, 16, 16)
    with torch.no_grad():
        want, got = model((images - mean) / std).logits, found.model(images)
    assert want.std() > 0.1
    assert (got - want).abs().max() <= TOLERANCE * want.abs().max()


@pytest.mark.parametrize("kind", [VIT, DEIT, TEACHER])
def test_logits_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    model = saved(tmp_path, kind)
    found = huggingface_model(tmp_path)
    assert_same(model, found)
    assert found.classes == tuple(f"LABEL_{n}" for n in range(10))
    assert not found.model.training


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu_new"},
        {"hidden_act": "gelu_pytorch_tanh"},
        {"hidden_act": "gelu_fast"},
        {"qkv_bias": False},
        {"layer_norm_eps": 1e-3},
        {"num_channels": 1, "num_labels": 2},
        {"intermediate_size": 35, "image_size": [16, 16], "patch_size": [8, 8]},
    ],
    ids=str,
)
def test_values_of_the_configuration_matter(changes: dict[str, Any], tmp_path: Path) -> None:
    model = saved(tmp_path, **changes)
    assert_same(model, huggingface_model(tmp_path), channels=changes.get("num_channels", 3))


def test_names_of_the_classes_are_in_the_order_of_the_logits(tmp_path: Path) -> None:
    names = {n: f"thing {n}" for n in range(11)}  # as text 10 comes before 2
    saved(tmp_path, id2label=names, num_labels=11)
    assert huggingface_model(tmp_path).classes == tuple(names.values())


def test_shards_and_half_precision(tmp_path: Path) -> None:
    model = saved(tmp_path, TEACHER, shard="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert_same(model, huggingface_model(tmp_path))
    model.half().save_pretrained(tmp_path / "half")
    found = huggingface_model(tmp_path / "half")
    assert {p.dtype for p in found.model.parameters()} == {torch.float32}
    assert_same(model.float(), found)


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ({"image_mean": [0.2] * 3, "image_std": [0.3] * 3}, 0.2, 0.3),
        ({"image_mean": 0.4}, 0.4, 0.5),
        ({"do_normalize": False}, 0.0, 1.0),
        ({"rescale_factor": 2 / 255}, 0.25, 0.25),
        ({"do_rescale": False, "image_mean": [51.0] * 3, "image_std": [102.0] * 3}, 0.2, 0.4),
    ],
)
def test_normalisation_is_that_of_the_processor(
    values: dict[str, Any], mean: float, std: float, tmp_path: Path
) -> None:
    model = saved(tmp_path)
    size = {"height": 16, "width": 16}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": size} | values))
    assert_same(model, huggingface_model(tmp_path), mean, std)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (VIT, None, Preprocess(resize=(16, 16), resample="bilinear")),
        (DEIT, None, Preprocess(resize=(18, 18), resample="bicubic")),
        (VIT, {"size": 16, "resample": 3}, Preprocess(resize=(16, 16), resample="bicubic")),
        (
            VIT,
            {"size": {"shortest_edge": 20}, "do_center_crop": True, "resample": 1},
            Preprocess(resize=20, resample="lanczos"),
        ),
        (
            DEIT,
            {"size": {"height": 20, "width": 24}, "crop_size": 16},
            Preprocess(resize=(20, 24), resample="bicubic"),
        ),
        (DEIT, {"do_resize": False}, Preprocess(resize=None, resample="bicubic")),
        (VIT, {"do_resize": False}, None),
    ],
)
def test_pictures_are_resized_as_the_processor_says(
    kind: str, values: dict[str, Any] | None, expected: Preprocess | None, tmp_path: Path
) -> None:
    saved(tmp_path, kind)
    if values is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    assert huggingface_model(tmp_path).preprocess == expected
