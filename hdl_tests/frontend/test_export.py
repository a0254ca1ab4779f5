import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from golden.datasets import digits
from golden.evaluate import run_float
from golden.models import Architecture, VisionTransformer, load_checkpoint
from golden.network import Constant, LayerNorm, Linear, MatMul, Network, Slice
from hdl_tests.harness.vits import VITS, make
from vitaccel.frontend import check, from_module, from_pt2

TOLERANCE = 1e-4  # of the greatest logit


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        result = model(images)
    return result if isinstance(result, Tensor) else result["logits"]


def assert_equivalent(network: Network, model: nn.Module, images: Tensor) -> None:
    expected = logits_of(model, images)
    tensors = run_float(network, images)
    got = tensors[network.layers[-1].name]
    assert got.shape == (len(images), 1, expected.shape[1])
    assert (got[:, 0] - expected).abs().max() <= TOLERANCE * expected.abs().max()
    seen: set[str] = set()
    for layer in network.layers:
        assert seen.issuperset(layer.operands)
        assert tensors[layer.name].shape[1:] == layer.shape
        seen.add(layer.name)
    assert len(seen) == len(network.layers)
    assert set(network.params) == {key for layer in network.layers for key in keys(layer)}


def keys(layer: object) -> list[str]:
    if isinstance(layer, Constant):
        return [layer.name]
    if isinstance(layer, Linear | LayerNorm):
        return [f"{layer.name}.weight", f"{layer.name}.bias"]
    return []


def test_shipped_model_layer_by_layer() -> None:
    model, images = load_checkpoint(), digits().test.images
    network = from_module(model, images, "digits")
    assert_equivalent(network, model, images)
    assert network.name == "digits"
    assert [layer.name for layer in network.layers[:18]] == [
        "x", "patch_embed.proj.patches", "patch_embed.proj", "cls_token", "concat", "pos_embed",
        "add", "blocks.0.norm1", "blocks.0.attn.qkv", "blocks.0.attn.q", "blocks.0.attn.k",
        "blocks.0.attn.scores", "blocks.0.attn.softmax", "blocks.0.attn.v",
        "blocks.0.attn.context", "blocks.0.attn.proj", "blocks.0.residual", "blocks.0.norm2",
    ]  # fmt: skip
    assert [layer.name for layer in network.layers[-3:]] == ["norm", "head.tokens", "head"]
    for name, value in model.state_dict().items():
        assert torch.equal(network.params[name].flatten(), value.flatten()), name


@pytest.mark.parametrize("name", VITS)
def test_every_style_from_a_module(name: str) -> None:
    model, images = make(name)
    assert check(model, images) == []
    assert_equivalent(from_module(model, images), model, images)


@pytest.mark.parametrize(
    ("name", "batch", "core"),
    [
        ("timm-explicit", "static", False),
        ("timm-sdpa", "static", True),
        ("huggingface", "dynamic", False),
        ("torchvision", "dynamic", True),
    ],
)
@pytest.mark.filterwarnings("ignore:.isinstance:FutureWarning")  # PyTorch's, in decompositions
def test_every_kind_of_pt2(name: str, batch: str, core: bool, tmp_path: Path) -> None:
    model, images = make(name)
    dynamic = batch == "dynamic"
    program = torch.export.export(
        model,
        (images if dynamic else images[:1],),
        dynamic_shapes=[{0: torch.export.Dim("n")}] if dynamic else None,
    )
    torch.export.save(program.run_decompositions() if core else program, tmp_path / "vit.pt2")
    network = from_pt2(tmp_path / "vit.pt2")
    assert network.name == "vit"
    assert_equivalent(network, model, images)


@pytest.mark.parametrize(("family", "implementation"), [("ViT", "sdpa"), ("DeiT", "eager")])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_transformers_itself(family: str, implementation: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{family}Config")(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        image_size=16, patch_size=4, num_labels=10, attn_implementation=implementation,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForImageClassification")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    images = torch.rand(2, 3, 16, 16)
    assert_equivalent(from_module(model, images), model, images)


def test_the_model_is_left_as_it_was() -> None:
    model, images = make("timm-explicit")
    model.train()
    model.blocks[0].eval()
    network = from_module(model, images)
    assert (model.training, model.blocks[0].training) == (True, False)
    assert_equivalent(network, model.eval(), images)


def test_half_precision_becomes_float32() -> None:
    model, images = make("timm-sdpa")
    network = from_module(model.bfloat16(), images.bfloat16())
    assert {value.dtype for value in network.params.values()} == {torch.float32}
    assert_equivalent(network, model.float(), images)


def test_scales_land_in_the_layers() -> None:
    """Query scale before or after the product, and layer scale, cost no layer of their own."""
    explicit, images = make("timm-explicit")
    counts = []
    for name in ("timm-explicit", "huggingface-old"):
        network = from_module(make(name)[0], images)
        scores = [layer for layer in network.layers if layer.name.endswith(".scores")]
        assert [layer.scale for layer in scores if isinstance(layer, MatMul)] == [
            pytest.approx(0.25)
        ] * 2
        counts.append(Counter(type(layer).__name__ for layer in network.layers))
    assert counts[0] - counts[1] == Counter(Slice=6)
    network = from_module(explicit, images)
    torch.testing.assert_close(
        network.params["blocks.1.mlp.fc2.weight"],
        explicit.blocks[1].ls2.gamma[:, None] * explicit.blocks[1].mlp.fc2.weight,
    )


def test_query_key_and_value_are_slices_in_order() -> None:
    network = from_module(*make("timm-sdpa"))
    cuts = {
        layer.name: (layer.x, layer.axis, layer.start, layer.stop)
        for layer in network.layers
        if isinstance(layer, Slice)
    }
    qkv = "blocks.1.attn.qkv"
    assert cuts["blocks.1.attn.q"] == (qkv, 1, 0, 32)
    assert cuts["blocks.1.attn.k"] == (qkv, 1, 32, 64)
    assert cuts["blocks.1.attn.v"] == (qkv, 1, 64, 96)
    assert cuts["head.tokens"][1:] == (0, 0, 1)
    matmuls = [layer for layer in network.layers if isinstance(layer, MatMul)]
    assert {(layer.heads, layer.shape) for layer in matmuls} == {(2, (2, 17, 17)), (2, (17, 32))}


def test_a_vit_of_real_size_is_translated_in_seconds() -> None:
    arch = Architecture(
        image_size=64, channels=3, patch_size=8, dim=192, depth=2, heads=3, classes=1000
    )
    model = VisionTransformer(arch).eval()
    images = torch.rand(1, 3, 64, 64)
    assert_equivalent(from_module(model, images), model, images)


def test_names_are_unique_when_a_module_is_used_twice() -> None:
    class Twice(VisionTransformer):
        def forward(self, x: Tensor) -> Tensor:
            x = self.patch_embed(x)
            return self.head(self.norm(self.blocks(self.blocks(x)))[:, 0])

    arch = Architecture(image_size=8, channels=1, patch_size=4, dim=16, depth=1, heads=2, classes=3)
    torch.manual_seed(0)
    model, images = Twice(arch).eval(), torch.rand(2, 1, 8, 8)
    network = from_module(model, images)
    assert_equivalent(network, model, images)
    names = [layer.name for layer in network.layers]
    assert {"blocks.0.attn.qkv", "blocks.0.attn.qkv.linear"} <= set(names)
    assert not any(re.search(r"[^\w.]", name) for name in names)
