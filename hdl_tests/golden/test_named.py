"""Models by timm's names: random ones, checkpoints, and checkpoints of something else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from golden.models import ARCHITECTURES, VisionTransformer, named_model
from golden.models.named import IMAGENET
from vitaccel.errors import ConfigError

NAME = "deit_tiny_patch16_224"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return VisionTransformer(ARCHITECTURES[NAME]).state_dict()


def message(state: dict[str, torch.Tensor], path: Path) -> str:
    save_file(state, path)
    with pytest.raises(ConfigError) as refused:
        named_model(NAME, path)
    return str(refused.value)


def test_parameter_counts_are_those_published() -> None:
    """DeiT, arXiv 2012.12877, table 1: 5, 22 and 86 million."""
    for name, millions in (("tiny", 5.7), ("small", 22.1), ("base", 86.6)):
        model = VisionTransformer(ARCHITECTURES[f"deit_{name}_patch16_224"])
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_without_weights_a_name_is_always_the_same_model() -> None:
    first, second = named_model(NAME).state_dict(), named_model(NAME).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_normalisation_is_part_of_the_model(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "w.safetensors")
    model = VisionTransformer(ARCHITECTURES[NAME]).eval()
    model.load_state_dict(state)
    image = torch.rand(2, 3, 224, 224)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    with torch.no_grad():
        want = model((image - mean) / deviation)
        got = named_model(NAME, tmp_path / "w.safetensors")(image)
    assert torch.allclose(got, want, rtol=1e-4, atol=1e-4)


def test_wrong_checkpoints_are_told_apart(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    begin = f"weights {path} are not those of {NAME}: "
    missing = {key: value for key, value in state.items() if key != "head.bias"}
    assert message(missing, path) == f"{begin}missing: head.bias; they look like {NAME}"
    surplus = state | {"dist_token": torch.zeros(1)}
    like = f"they look like {NAME} with a distillation token"
    assert message(surplus, path) == f"{begin}surplus: dist_token; {like}"
    shape = state | {"head.bias": torch.zeros(10)}
    want = f"{begin}misshapen: head.bias [10], not [1000]; they look like {NAME}"
    assert message(shape, path) == want


def test_other_models_are_recognised(tmp_path: Path) -> None:
    small = VisionTransformer(ARCHITECTURES["deit_small_patch16_224"]).state_dict()
    text = message(small, tmp_path / "w.safetensors")
    assert text.endswith(" more; they look like deit_small_patch16_224")
    hugging = {"vit.encoder.layer.0.output.dense.weight": torch.zeros(2, 2)}
    assert "they look like a Hugging Face model" in message(hugging, tmp_path / "w.safetensors")


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights .*none do not exist"):
        named_model(NAME, tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"1234")
    with pytest.raises(ConfigError, match="not a whole safetensors file"):
        named_model(NAME, tmp_path / "broken")
