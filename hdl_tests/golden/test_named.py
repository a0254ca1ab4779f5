"""Models by timm's names: random ones, checkpoints, and checkpoints of something else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from golden.models import ARCHITECTURES, VisionTransformer, named_model, named_preprocess
from golden.models.named import IMAGENET
from golden.preprocess import Preprocess
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
    """DeiT, arXiv 2012.12877, table 1 (5, 22 and 86 million), and timm's table of results."""
    published = {"tiny": (5.72, 5.91), "small": (22.05, 22.44), "base": (86.57, 87.34)}
    for name, millions in published.items():
        for kind, wanted in zip(("", "distilled_"), millions, strict=True):
            with torch.device("meta"):
                model = VisionTransformer(ARCHITECTURES[f"deit_{name}_{kind}patch16_224"])
            counted = sum(p.numel() for p in model.parameters()) / 1e6
            assert counted == pytest.approx(wanted, abs=0.01)


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
    alike = f"they look like {NAME} or vit_tiny_patch16_224"
    assert message(missing, path) == f"{begin}missing: head.bias; {alike}"
    surplus = state | {"dist_token": torch.zeros(1)}
    distilled = "they look like deit_tiny_distilled_patch16_224"
    assert message(surplus, path) == f"{begin}surplus: dist_token; {distilled}"
    shape = state | {"head.bias": torch.zeros(10)}
    want = f"{begin}misshapen: head.bias [10], not [1000]; {alike}"
    assert message(shape, path) == want


def test_distilled_checkpoints_load_and_are_told_apart(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    name, path = "deit_tiny_distilled_patch16_224", tmp_path / "w.safetensors"
    own = VisionTransformer(ARCHITECTURES[name]).state_dict()
    assert own["pos_embed"].shape == (1, 198, 192)
    save_file({key: value.half() for key, value in own.items()}, path)
    loaded = named_model(name, path).state_dict()
    for key in ("dist_token", "head_dist.weight"):
        assert torch.equal(loaded[key], own[key].half().float())
    save_file(state, path)
    with pytest.raises(ConfigError) as refused:
        named_model(name, path)
    assert str(refused.value) == (
        f"weights {path} are not those of {name}: "
        "missing: dist_token, head_dist.bias, head_dist.weight; "
        "misshapen: pos_embed [1, 197, 192], not [1, 198, 192]; "
        f"they look like {NAME} or vit_tiny_patch16_224"
    )


def test_other_models_are_recognised(tmp_path: Path) -> None:
    small = VisionTransformer(ARCHITECTURES["deit_small_patch16_224"]).state_dict()
    text = message(small, tmp_path / "w.safetensors")
    alike = "deit_small_patch16_224 or vit_small_patch16_224"
    assert text.endswith(f" more; they look like {alike}")
    other = {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    path = tmp_path / "w.safetensors"
    assert message(other, path).endswith(" more; surplus: conv1.weight")
    hugging = {"vit.encoder.layer.0.output.dense.weight": torch.zeros(2, 2)}
    assert message(hugging, path) == (
        f"weights {path} bear the names of Hugging Face, not timm's; name the folder that "
        f"save_pretrained wrote instead of {NAME}: hf:{tmp_path}"
    )


def test_pictures_are_resized_as_timm_does() -> None:
    assert named_preprocess(NAME) == Preprocess(resize=248, resample="bicubic")


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights .*none do not exist"):
        named_model(NAME, tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"1234")
    with pytest.raises(ConfigError, match="not a whole safetensors file"):
        named_model(NAME, tmp_path / "broken")
