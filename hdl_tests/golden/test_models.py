import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from golden.models import (
    DIGITS,
    Architecture,
    Record,
    VisionTransformer,
    load_checkpoint,
    read_record,
    save_checkpoint,
)
from vitaccel.errors import ConfigError

SMALL = Architecture(
    image_size=8, channels=3, patch_size=4, dim=16, depth=1, heads=2, mlp_ratio=1.5, classes=7
)
RECORD = Record(architecture=SMALL, dataset="none", seed=3, accuracy=0.5)


def test_parameters_bear_the_names_of_timm() -> None:
    shapes = {key: tuple(p.shape) for key, p in VisionTransformer(SMALL).named_parameters()}
    linear = {
        "blocks.0.attn.qkv": (48, 16),
        "blocks.0.attn.proj": (16, 16),
        "blocks.0.mlp.fc1": (24, 16),
        "blocks.0.mlp.fc2": (16, 24),
        "head": (7, 16),
    }
    expected = {"cls_token": (1, 1, 16), "pos_embed": (1, 5, 16)}
    expected |= {"patch_embed.proj.weight": (16, 3, 4, 4), "patch_embed.proj.bias": (16,)}
    for name, shape in linear.items():
        expected |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in ("blocks.0.norm1", "blocks.0.norm2", "norm"):
        expected |= {f"{name}.weight": (16,), f"{name}.bias": (16,)}
    assert shapes == expected


def test_checkpoint_returns_what_was_saved_and_saves_the_same_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = VisionTransformer(SMALL).eval()
    save_checkpoint(tmp_path / "a", model, RECORD)
    loaded = load_checkpoint(tmp_path / "a")
    save_checkpoint(tmp_path / "b", loaded, read_record(tmp_path / "a"))
    images = torch.rand(2, 3, 8, 8)
    assert not loaded.training
    assert torch.equal(loaded(images), model(images))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_record(tmp_path / "b") == RECORD


def test_shipped_checkpoint_is_small_and_states_its_architecture() -> None:
    assert DIGITS.stat().st_size <= 1 << 20
    arch = read_record(DIGITS).architecture
    assert isinstance(arch, Architecture)
    assert (arch.image_size, arch.channels, arch.classes) == (8, 1, 10)
    assert not any(width % 16 for width in (arch.dim, arch.hidden, arch.dim // arch.heads))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": 3}, "patch_size must divide image_size (8), not 3"),
        ({"heads": 3}, "heads must divide dim (16), not 3"),
        ({"depht": 2}, "depht is not a parameter; did you mean 'depth'?"),
    ],
)
def test_architecture_refuses_contradictions(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Architecture.parse(SMALL.model_dump() | change)


def test_checkpoint_refuses_missing_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(ConfigError, match=f"^checkpoint {path} does not exist$"):
        load_checkpoint(path)
    path.write_bytes(DIGITS.read_bytes()[:5000])
    with pytest.raises(ConfigError, match=f"^checkpoint {path} is not a whole safetensors file: "):
        load_checkpoint(path)
    path.write_bytes(DIGITS.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=f"^checkpoint {path} is not a whole safetensors file: "):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ConfigError, match="has no 'vitaccel' entry that gives its architecture$"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path, {"vitaccel": json.dumps({"seed": 1})})
    with pytest.raises(ConfigError, match="has an unreadable 'vitaccel' entry: {\"seed\": 1}$"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path, {"vitaccel": RECORD.model_dump_json()})
    with pytest.raises(ConfigError, match="does not fit its architecture: .*cls_token") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
