"""Convolutional networks with linear attention through the frontend, against PyTorch itself."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from golden.evaluate import run_float
from golden.models import named_model
from golden.models.efficientvit import LiteMLA
from golden.network import (
    Concat,
    Conv,
    Divisor,
    KeySum,
    KeyValue,
    Layer,
    Linear,
    Network,
    Pool,
    Quotient,
)
from hdl_tests.harness.efficientvits import ARCH, ChannelsFirst, efficientvit
from vitaccel.errors import ConfigError
from vitaccel.frontend import check, from_module, from_pt2

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(7))


def worst(network: Network, model: nn.Module, images: Tensor = IMAGES) -> float:
    with torch.no_grad():
        want = model(images)
    got = run_float(network, images)[network.layers[-1].name]
    return ((got.flatten(1) - want).abs().max() / want.abs().max()).item()


@pytest.mark.parametrize("normalization", [(), (0.4, 0.25)], ids=["plain", "normalised"])
def test_network_is_the_model(normalization: tuple[float, ...]) -> None:
    model = efficientvit(normalization=normalization)
    assert worst(from_module(model, IMAGES), model) < 1e-5


def test_exported_file_is_the_model(tmp_path: Path) -> None:
    model = efficientvit(normalization=(0.4, 0.25))
    torch.export.save(torch.export.export(model, (IMAGES[:1],)), tmp_path / "m.pt2")
    assert worst(from_pt2(tmp_path / "m.pt2"), model) < 1e-5


def test_attention_written_channels_first_gives_the_same_network() -> None:
    model = efficientvit()
    want = from_module(model, IMAGES)
    for module in model.modules():
        if isinstance(module, LiteMLA):
            module.__class__ = ChannelsFirst
    got = from_module(model, IMAGES)
    assert got.layers == want.layers
    assert all(torch.equal(value, got.params[name]) for name, value in want.params.items())


def test_each_scale_has_an_attention_of_its_own() -> None:
    network = from_module(efficientvit(), IMAGES)
    quotients = [layer for layer in network.layers if isinstance(layer, Quotient)]
    assert [(layer.heads, layer.shape) for layer in quotients] == [(2, (16, 16))] * 2
    (joined,) = (layer for layer in network.layers if isinstance(layer, Concat))
    assert joined.axis == 1
    assert joined.parts == tuple(layer.name for layer in quotients)
    values = [layer for layer in network.layers if isinstance(layer, KeyValue)]
    assert [layer.shape for layer in values] == [(8, 16)] * 2


def test_pointwise_convolutions_are_linear_layers() -> None:
    network = from_module(efficientvit(), IMAGES)
    kinds = {(y.kernel, y.groups > 1) for y in network.layers if isinstance(y, Conv)}
    assert kinds == {(3, False), (3, True), (5, True), (1, True)}
    assert sum(isinstance(layer, Linear) for layer in network.layers) == 16
    assert sum(isinstance(layer, Pool) for layer in network.layers) == 1


def macs(layer: Layer, layers: dict[str, Layer]) -> int:
    """Multiply-accumulates, with a column of ones for sums of keys."""
    tokens, channels = layer.shape[0], layer.shape[-1]
    match layer:
        case Linear():
            return tokens * channels * layers[layer.x].shape[1]
        case Conv():
            return tokens * channels * layers[layer.x].shape[1] // layer.groups * layer.kernel**2
        case KeyValue():
            return layers[layer.a].shape[0] * tokens * channels
        case KeySum():
            return layers[layer.x].shape[0] * channels
        case Divisor():
            return tokens * layers[layer.a].shape[1]
        case Quotient():
            return tokens * channels * layers[layer.kv].shape[0]
    return 0


@pytest.mark.slow
def test_network_of_b1_has_the_macs_that_are_published() -> None:
    network = from_module(named_model("efficientvit_b1"), torch.zeros(1, 3, 224, 224))
    layers = {layer.name: layer for layer in network.layers}
    assert sum(macs(layer, layers) for layer in network.layers) == 519_214_592


def test_only_the_image_is_padded_by_other_than_zeros() -> None:
    network = from_module(efficientvit(normalization=(0.4, 0.25)), IMAGES)
    pads = {name: value for name, value in network.params.items() if name.endswith(".pad")}
    first = pads.pop("stem.in_conv.conv.pad")
    assert first.tolist() == pytest.approx([0.4, 0.45, 0.5])
    assert pads
    assert not any(value.any() for value in pads.values())


class Small(nn.Module):
    """A convolution, something, and a classifier."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first, self.middle = nn.Conv2d(3, 8, 3, 2, 1), middle
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.middle(self.first(x))).flatten(1))


@pytest.mark.parametrize(
    "middle",
    [
        nn.Identity(),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 2, 1, groups=4, bias=False)),
        nn.Sequential(nn.Hardswish(inplace=True), nn.Conv2d(8, 8, 5, 2, 2, groups=2)),
        nn.Sequential(nn.GELU(), nn.Conv2d(8, 8, 1, groups=2), nn.BatchNorm2d(8)),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding="valid"),
    ],
)
def test_other_networks_of_these_operators(middle: nn.Module) -> None:
    torch.manual_seed(3)
    model = Small(middle)
    for _ in range(2):
        model(torch.rand(8, 3, 16, 16))
    model.eval()
    assert worst(from_module(model, IMAGES), model) < 1e-5


class Attention(nn.Module):
    """Linear attention of one head, with something changed."""

    def __init__(self, change: str) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        q = tokens if self.change == "kernel" else tokens.relu()
        ones = 2.0 if self.change == "ones" else 1.0
        side = (1, 0) if self.change == "first" else (0, 1)
        v = functional.pad(tokens, side, value=ones)
        y = q @ (tokens.relu().mT @ v)
        eps = 0.5 if self.change == "eps" else 1e-5
        below = y[..., :1] if self.change == "wrong" else y[..., -1:]
        return (y[..., :-1] / (below + eps)).mT.reshape(x.shape)


def test_attention_by_itself_is_the_model() -> None:
    torch.manual_seed(0)
    model = Small(Attention("")).eval()
    assert worst(from_module(model, IMAGES), model) < 1e-5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("kernel", "linear attention must have ReLU as kernel of q"),
        (
            "ones",
            "activations may be padded by ones for linear attention, by zeros in a convolution",
        ),
        ("first", "linear attention must divide: values need one column of ones, the last"),
        ("eps", "only up to 0.001 may be added to the divisors of linear attention"),
        (
            "wrong",
            "linear attention must divide its numerators by the divisor of their head",
        ),
    ],
)
def test_attention_that_does_not_map(change: str, reason: str) -> None:
    findings = check(Small(Attention(change)).eval(), IMAGES)
    assert [finding.reason for finding in findings] == [reason]


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        (
            nn.Sequential(nn.Hardswish(), nn.BatchNorm2d(8)),
            "batch norm must follow a convolution that nothing else reads",
        ),
        (
            nn.AdaptiveAvgPool2d(2),
            "average pooling must go over the whole image, not to [2, 2]",
        ),
        (
            nn.Conv2d(8, 8, 3, dilation=2),
            "a convolution must have no dilation, not [2, 2]",
        ),
        (nn.MaxPool2d(2), "this operator is not supported"),
    ],
)
def test_operators_that_do_not_map(middle: nn.Module, reason: str) -> None:
    model = Small(middle).eval()
    assert check(model, IMAGES)[0].reason == reason
    with pytest.raises(ConfigError, match=re.escape(reason)):
        from_module(model, IMAGES)


def test_the_image_is_normalised_for_a_convolution_only() -> None:
    class Twice(Small):
        def forward(self, x: Tensor) -> Tensor:
            x = (x - 0.5) / 0.25
            return self.head(self.pool(self.middle(self.first(x))).flatten(1)) + x.mean()

    findings = check(Twice(nn.Identity()).eval(), IMAGES)
    assert findings
    model = efficientvit(ARCH, normalization=(0.3, 0.2))
    assert not check(model, IMAGES)
