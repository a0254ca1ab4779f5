"""Folders of Hugging Face that are broken or ask for what is not supported: one line each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from golden.models import huggingface_model
from hdl_tests.harness.huggingface import DEIT, TEACHER, VIT, transformers_model
from vitaccel.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def saved(folder: Path, shard: str = "5GB") -> None:
    """A model, written by its own save_pretrained."""
    transformers_model(VIT).save_pretrained(folder, max_shard_size=shard)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        huggingface_model(folder)
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"architectures": ["ViTModel"]},  # its result is a pooler's
            f"architectures must be one of {VIT}, {DEIT}, {TEACHER}, not ViTModel",
        ),
        ({"architectures": []}, f"architectures must be one of {VIT}, {DEIT}, {TEACHER}, not none"),
        (
            {"hidden_act": "quick_gelu"},
            (
                "hidden_act must be one of gelu, gelu_python, gelu_new, gelu_fast, gelu_accurate, "
                "gelu_pytorch_tanh, not 'quick_gelu'"
            ),
        ),
        ({"image_size": [16, 32]}, "image_size must be square, not [16, 32]"),
        ({"patch_size": [4, 8]}, "patch_size must be square, not [4, 8]"),
        ({"patch_size": 5}, "patch_size must divide image_size (16), not 5"),
        ({"num_attention_heads": 3}, "heads must divide dim (32), not 3"),
        ({"hidden_size": "32"}, "hidden_size: input should be a valid integer, not '32'"),
        ({"id2label": {"1": "a"}}, "id2label must number the classes from 0 without gaps"),
    ],
)
def test_what_is_not_supported_is_named(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    saved(tmp_path)
    change(tmp_path / "config.json", **values)
    assert refusal(tmp_path) == f"{tmp_path / 'config.json'}: {message}"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 24}, "size must be 16 x 16 as the model's image_size, not 24 x 24"),
        (
            {"size": {"shortest_edge": 16}},
            "size must be 16 x 16 as the model's image_size, not a shorter side of 16",
        ),
        (
            {"size": {"longest_edge": 16}},
            ("size must be a number, height and width, or shortest_edge, not {'longest_edge': 16}"),
        ),
        (
            {"do_center_crop": True, "crop_size": 14},
            "crop_size must be 16 x 16 as the model's image_size, not 14 x 14",
        ),
        (
            {"do_center_crop": True, "size": 12},
            "size must be at least crop_size (16), not 12 x 12",
        ),
        ({"resample": 6}, "resample: input should be less than 6, not 6"),
        ({"image_mean": [0.5]}, "image_mean must have 3 values, not 1"),
        ({"image_std": [0.5, 0.0, 0.5]}, "image_std must be above 0, not (0.5, 0.0, 0.5)"),
    ],
)
def test_wrong_processors_are_named(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(values))
    assert refusal(tmp_path) == f"{path}: {message}"


def test_folders_that_are_not_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert refusal(folder) == f"folder {folder} does not exist"
    folder.mkdir()
    config = folder / "config.json"
    assert refusal(folder) == f"{config} cannot be read: No such file or directory"
    saved(folder, shard="20KB")
    text = config.read_text()
    for broken in (text[:100], "[1]", "\x00"):
        config.write_text(broken)
        assert refusal(folder).startswith(f"{config} is not a JSON object: ")
    config.write_text(text)
    shard = min(folder.glob("model-*.safetensors"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-9])
    assert refusal(folder).startswith(f"weights {shard} are not a whole safetensors file: ")
    shard.unlink()
    assert refusal(folder) == f"weights {shard} do not exist"
    index = folder / "model.safetensors.index.json"
    for broken in ("{", "[]", "{}", '{"weight_map": {"a": 1}}', '{"weight_map": {"a": {}}}'):
        index.write_text(broken)
        message = f"{index} must be JSON with a weight_map of names of files"
        assert refusal(folder) == message
    index.unlink()
    assert refusal(folder) == (
        f"folder {folder} has neither model.safetensors nor model.safetensors.index.json; "
        "save the model again with save_pretrained"
    )


def without(name: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("vit.layernorm.bias"), "missing: vit.layernorm.bias"),
        (
            lambda tensors: tensors | {"vit.pooler.dense.bias": torch.zeros(32)},
            "surplus: vit.pooler.dense.bias",
        ),
        (
            lambda tensors: tensors | {"classifier.weight": torch.zeros(9, 32)},
            "misshapen: classifier.weight [9, 32], not [10, 32]",
        ),
        (
            lambda tensors: (
                tensors
                | {"vit.encoder.layer.1.attention.attention.key.weight": torch.zeros(96, 32)}
            ),
            (
                "misshapen: vit.encoder.layer.1.attention.attention.key.weight [96, 32], "
                "not [32, 32]"
            ),
        ),
    ],
)
def test_wrong_tensors_are_named(
    edit: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, tmp_path: Path
) -> None:
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    save_file(edit(load_file(path)), path)
    assert refusal(tmp_path) == f"weights of {tmp_path} are not those of its config.json: {message}"


def test_tensors_of_another_known_model_are_recognised(tmp_path: Path) -> None:
    """Names of timm in the folder, and a distilled DeiT whose configuration says ViT."""
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = {"patch_embed.proj.weight": torch.zeros(384, 3, 32, 32)}
    tensors |= {f"blocks.{i}.norm2.weight": torch.zeros(1) for i in range(12)}
    save_file(tensors, path)
    assert refusal(tmp_path).endswith("; they look like vit_small_patch32_224")
    tensors = {"deit.embeddings.patch_embeddings.projection.weight": torch.zeros(384, 3, 16, 16)}
    tensors["deit.embeddings.distillation_token"] = torch.zeros(1)
    tensors |= {f"deit.encoder.layer.{i}.layernorm_after.weight": torch.zeros(1) for i in range(12)}
    save_file(tensors, path)
    assert refusal(tmp_path).endswith("; they look like deit_small_distilled_patch16_224")
