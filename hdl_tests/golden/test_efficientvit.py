"""EfficientViT in float: sizes as published, both naming schemes, refusals."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from golden.models import (
    EFFICIENTVITS,
    EfficientViT,
    Record,
    load_checkpoint,
    named_model,
    named_preprocess,
    read_record,
    save_checkpoint,
)
from golden.models.efficientvit import LiteMLA
from golden.models.named_efficientvit import timm_names
from golden.preprocess import Preprocess
from hdl_tests.harness.efficientvits import ARCH
from vitaccel.errors import ConfigError


def published(name: str) -> str:
    """Mit-han-lab's name of a parameter that bears timm's."""
    module, *rest = name.split(".")
    if module == "stem":
        number = 0 if rest[0] == "in_conv" else int(rest[0].removeprefix("res")) + 1
        return ".".join(["backbone.input_stem.op_list", str(number), *rest[1:]])
    if module == "stages":
        return ".".join(["backbone.stages", rest[0], "op_list", *rest[2:]])
    if rest[0] == "in_conv":
        return ".".join(["head.op_list.0", *rest[1:]])
    part = {"0": "2.linear", "1": "2.norm", "4": "3.linear"}[rest[1]]
    return f"head.op_list.{part}.{rest[2]}"


def macs(model: EfficientViT, image: Tensor) -> tuple[int, int]:
    """Multiply-accumulates of convolutions and linear layers, and of linear attention."""
    counts = [0, 0]

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counts[0] += out[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            counts[0] += module.weight.numel()
        else:
            dim = model.arch.head_dim
            n_tokens, heads = out[0, 0].numel(), 2 * out.shape[1] // dim
            counts[1] += 2 * heads * n_tokens * dim * (dim + 1)

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) or name.endswith("context_module.main"):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(image)
    return counts[0], counts[1]


def test_b1_has_the_parameters_and_macs_that_are_published() -> None:
    """0.52 G and 9.1 M in mit-han-lab's table; exact numbers by its own counter."""
    model = named_model("efficientvit_b1")
    assert isinstance(model, EfficientViT)
    assert sum(p.numel() for p in model.parameters()) == 9_102_024
    counted = macs(model, torch.zeros(1, 3, 224, 224))
    assert counted == (510_684_672, 8_529_920)
    assert sum(counted) == 519_214_592


@pytest.mark.parametrize(("size", "millions"), [("b0", 3.41), ("b2", 24.33)])
def test_parameters_of_the_others_are_those_of_timm(size: str, millions: float) -> None:
    with torch.device("meta"):
        model = EfficientViT(EFFICIENTVITS[f"efficientvit_{size}"])
    counted = sum(p.numel() for p in model.parameters()) / 1e6
    assert counted == pytest.approx(millions, abs=0.01)


def test_weights_by_either_name_are_the_same_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = EfficientViT(EFFICIENTVITS["efficientvit_b0"]).eval()
    state = own.state_dict()
    save_file(state, tmp_path / "timm.safetensors")
    theirs = {published(name): value for name, value in state.items()}
    assert {"backbone.input_stem.op_list.1.main.depth_conv.conv.weight"} <= theirs.keys()
    assert {"backbone.stages.2.op_list.1.context_module.main.aggreg.0.1.weight"} <= theirs.keys()
    assert {"head.op_list.3.linear.bias"} <= theirs.keys()
    assert timm_names(theirs).keys() == state.keys()
    torch.save({"state_dict": theirs}, tmp_path / "mit.pt")
    own.normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        want = own(image)
        for file in ("timm.safetensors", "mit.pt"):
            assert torch.equal(named_model("efficientvit_b0", tmp_path / file)(image), want)


def test_linear_attention_is_attention_with_a_relu_kernel() -> None:
    """Against all pairs of tokens, one by one, as the formula without the reordering has it."""
    torch.manual_seed(1)
    attention = LiteMLA(16, 8).eval()
    x = torch.randn(2, 16, 4, 4)
    with torch.no_grad():
        qkv = attention.qkv(x)
        both = torch.cat((qkv, attention.aggreg[0](qkv)), 1).flatten(2)  # [2, 96, 16]
        heads = []
        for part in both.split(24, dim=1):
            q, k, v = part.split(8, dim=1)
            weight = q.relu().transpose(1, 2) @ k.relu()  # [2, 16, 16]: pairs of tokens
            weight = weight / (weight.sum(2, keepdim=True) + 1e-5)
            heads.append((weight @ v.transpose(1, 2)).transpose(1, 2))
        want = attention.proj(torch.cat(heads, 1).unflatten(2, (4, 4)))
        assert torch.allclose(attention(x), want, atol=1e-5)


def test_checkpoint_of_ours_says_what_it_is(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model, path = EfficientViT(ARCH).eval(), tmp_path / "small.safetensors"
    save_checkpoint(path, model, Record(architecture=ARCH, dataset="x", seed=0, accuracy=0.5))
    image = torch.rand(2, 3, 16, 16)
    assert read_record(path).architecture == ARCH
    with torch.no_grad():
        assert torch.equal(load_checkpoint(path)(image), model(image))


def message(state: dict[str, Tensor], path: Path) -> str:
    save_file(state, path)
    with pytest.raises(ConfigError) as refused:
        named_model("efficientvit_b0", path)
    return str(refused.value)


def test_wrong_checkpoints_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with torch.random.fork_rng():
        state = EfficientViT(EFFICIENTVITS["efficientvit_b0"]).state_dict()
    bias = "head.classifier.4.bias"
    begin, alike = f"weights {path} are not those of efficientvit_b0: ", "they look like"
    missing = {key: value for key, value in state.items() if key != bias}
    own = f"{alike} efficientvit_b0"
    assert message(missing, path) == f"{begin}missing: {bias}; {own}"
    surplus = state | {"head.extra": torch.zeros(1)}
    assert message(surplus, path) == f"{begin}surplus: head.extra; {own}"
    shape = f"{begin}misshapen: {bias} [10], not [1000]; {own}"
    assert message(state | {bias: torch.zeros(10)}, path) == shape
    other = EfficientViT(EFFICIENTVITS["efficientvit_b1"]).state_dict()
    assert message(other, path).endswith(f"{alike} efficientvit_b1")
    path = tmp_path / "broken.pt"
    path.write_bytes(b"1234")
    with pytest.raises(ConfigError) as refused:
        named_model("efficientvit_b0", path)
    assert str(refused.value) == f"weights {path} are not a whole file of tensors by torch.save"
    torch.save([1, 2], path)
    with pytest.raises(ConfigError) as refused:
        named_model("efficientvit_b0", path)
    assert str(refused.value) == f"weights {path} must be a state dict, not list"


def test_pictures_are_resized_as_timm_does() -> None:
    assert named_preprocess("efficientvit_b1") == Preprocess(resize=235, resample="bicubic")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"depths": (1, 2)}, "depths must be 3 numbers as widths are, not 2"),
        ({"head_dim": 5}, "head_dim must divide 16 channels, not 5"),
    ],
)
def test_architecture_refuses_contradictions(change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ARCH.replace(**change)
    assert str(refused.value) == text
