"""Quantisation of the shipped network: valid integers, true to the float network, and accurate."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from golden.datasets import digits
from golden.evaluate import accuracy, run_float
from golden.execute import execute
from golden.models import load_checkpoint
from golden.network import (
    Add,
    Concat,
    Constant,
    Gelu,
    Input,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Patches,
)
from golden.qnetwork import QConcat, QConstant, QLinear, QMatMul, QNetwork, QSoftmax
from golden.quantize import quantize
from golden.quantize.equalize import equalize
from golden.quantize.graph import rewrite
from golden.quantizers import pot_violations
from golden.scheme import SCHEMES, Scheme
from golden.validate import validate
from vitaccel.errors import ConfigError
from vitaccel.frontend import from_module
from vitaccel.presets import PRESETS

CALIBRATION = 256  # images of the training part
LOSS: dict[str, float] = dict.fromkeys(("w8a8", "mixed", "w4a8", "w4a8kv4", "trio"), 0.5)  # points
LOSS |= dict.fromkeys(("shift", "w6a6", "m2q", "naive"), 1.0) | {"w4a4": 2.5}


pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def float_network() -> Network:
    return from_module(load_checkpoint(), digits().train.images[:1])


def images(n: int) -> torch.Tensor:
    return digits().train.images[:n]


@cache
def small(name: str, config: str | None = None) -> QNetwork:
    """Enough for tests of structure; for a preset's array, or any."""
    scheme = SCHEMES[name] if config is None else Scheme.for_config(name, PRESETS[config])
    return quantize(float_network(), images(16), scheme)


def linears(network: QNetwork) -> list[QLinear]:
    return [layer for layer in network.layers if isinstance(layer, QLinear)]


def layer_of(network: QNetwork, kind: type) -> list:
    return [layer for layer in network.layers if isinstance(layer, kind)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMES)
def test_accuracy_on_held_out_images(name: str) -> None:
    x, labels = (torch.cat(parts) for parts in zip(*digits()[1:], strict=True))  # not for training
    network = float_network()
    exact = accuracy(run_float(network, x)[network.layers[-1].name], labels)
    integer = quantize(network, images(CALIBRATION), SCHEMES[name])
    validate(integer)
    logits = execute(integer, x, keep=False)[integer.layers[-1].name]
    loss = 100 * (exact - accuracy(logits, labels))
    assert loss <= LOSS[name], f"{name} loses {loss:.2f} points"


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_gives_a_valid_network(name: str) -> None:
    network, scheme = small(name), SCHEMES[name]
    validate(network)
    assert network.scheme == name
    for layer in network.layers:
        if isinstance(layer, QLinear | QMatMul):
            assert layer.pre_shift <= 15, layer.name
            assert layer.post_shift <= 32, layer.name
        if isinstance(layer, QLinear):
            assert {o.bits for o in network.layers if o.name == layer.x for o in [o.out]} == {
                scheme.activation_bits
            }
            weight = network.tensors[f"{layer.name}.weight"]
            pot = network.tensors[f"{layer.name}.pot"]
            limit = 1 << scheme.weight_bits - 1
            assert not pot.all()
            assert -limit <= int(weight[~pot].min())
            assert int(weight[~pot].max()) < limit


@pytest.mark.parametrize("name", ["w8a8", "shift"])
def test_every_tensor_is_near_the_float_one(name: str) -> None:
    network, integer = float_network(), small(name)
    x = digits().validation.images[:64]
    floats, integers = run_float(rewrite(network), x), execute(integer, x)
    after = {user.x: user.name for user in network.layers if isinstance(user, Gelu)}
    for user in rewrite(network).layers:
        after |= {o: user.name for o in user.operands if isinstance(user, Add)}
    for layer in integer.layers:
        out = layer.out
        if layer.name.endswith("qkv"):
            continue  # its slices have the scales
        scale = out.scale * torch.exp2(torch.tensor(out.shifts or [0]).double())
        hat = (integers[layer.name].double() - out.zero_point) * scale
        exact = floats[
            after.get(layer.name, layer.name) if isinstance(layer, QLinear) else layer.name
        ]
        error = (hat - exact).square().sum() / exact.square().sum()
        assert error < 0.02, layer.name


def test_shift_scheme_has_powers_of_two_only() -> None:
    network = small("shift")
    for name, value in network.tensors.items():
        if name.endswith(("mul",)):
            assert torch.equal(value & (value - 1), torch.zeros_like(value)), name
            assert value.max() <= 1 << 15
    for layer in layer_of(network, QMatMul):
        assert layer.mul & layer.mul - 1 == 0


@pytest.mark.parametrize("config", ["demo", "mixed-12x24"])
def test_mixed_filters_suit_the_array(config: str) -> None:
    accelerator = PRESETS[config]
    scheme = Scheme.for_config("mixed", accelerator)
    network = small("mixed", config)
    array = {"rows": scheme.rows, "groups": scheme.groups, "pot_groups": scheme.pot_groups}
    for layer in linears(network):
        pot = network.tensors[f"{layer.name}.pot"]
        assert not pot_violations(pot, **array), layer.name
        if layer.name != "head":  # too narrow to need any
            assert pot.double().mean() > 0.2, layer.name
    assert {o.out.format for o in layer_of(network, QSoftmax)} == {"log2"}


def test_class_token_and_positions_are_constants_in_the_format_of_the_residual() -> None:
    network = small("w8a8")
    (concat,) = layer_of(network, QConcat)
    formats = {layer.name: layer.out for layer in network.layers}
    for part in concat.parts:
        assert formats[part].replace(shape=concat.out.shape) == concat.out
    token, positions = layer_of(network, QConstant)
    assert (token.out.shape, positions.out.shape) == ((1, 48), (16, 48))
    embed = next(layer for layer in linears(network) if "patch_embed" in layer.name)
    assert embed.residual == positions.name
    params = float_network().params
    exact = params["cls_token"] + params["pos_embed"][:1]
    scale = token.out.scale * torch.exp2(torch.tensor(token.out.shifts).double())
    hat = network.tensors[f"{token.name}.value"] * scale
    assert ((hat - exact).abs() <= scale * 0.5001).all()


def test_q_k_and_v_have_scales_of_their_own() -> None:
    parts = [layer for layer in linears(small("w8a8")) if layer.x == "blocks.0.norm1"]
    assert len({part.out.scale for part in parts}) == len(parts) == 3


def test_k_and_v_may_have_fewer_bits() -> None:
    network = small("w4a8kv4", "w4a8")
    out = {layer.name: layer.out for layer in network.layers}
    for product in layer_of(network, QMatMul):
        assert (out[product.a].bits, out[product.b].bits) == (8, 4)


def test_equalize_and_rewrite_leave_the_logits() -> None:
    network, x = float_network(), images(32)
    last = network.layers[-1].name
    exact = run_float(network, x)[last]
    simple = rewrite(network)
    assert torch.allclose(run_float(simple, x)[last], exact, atol=1e-4)
    even = equalize(simple, x)
    assert torch.allclose(run_float(even, x)[last], exact, atol=1e-3)
    norm = run_float(even, x)["blocks.0.norm1"].flatten(0, 1)
    low, high = norm.aminmax(dim=0)
    assert torch.allclose(high, -low, atol=1e-4)
    assert high.max() / high.min() < 1.05


def test_progress_counts_every_layer() -> None:
    seen: list[tuple[int, int]] = []
    scheme = SCHEMES["w8a8"].replace(rounding="nearest", correction="none")
    quantize(float_network(), images(2), scheme, lambda *at: seen.append(at))
    total = seen[0][1]
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_same_input_gives_the_same_integers() -> None:
    a, b = (quantize(float_network(), images(16), SCHEMES["mixed"]) for _ in range(2))
    assert a.layers == b.layers
    assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())


def test_zero_filters_and_large_biases_are_no_trouble() -> None:
    network = float_network()
    params = dict(network.params)
    params["blocks.0.mlp.fc1.weight"] = params["blocks.0.mlp.fc1.weight"].clone()
    params["blocks.0.mlp.fc1.weight"][:5] = 0
    params["blocks.1.mlp.fc1.bias"] = params["blocks.1.mlp.fc1.bias"].clone()
    params["blocks.1.mlp.fc1.bias"][0] = 1000
    for name in ("w8a8", "shift", "mixed"):
        validate(quantize(replace(network, params=params), images(8), SCHEMES[name]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    network = float_network()
    params = dict(network.params)
    params["head.weight"] = params["head.weight"].clone()
    params["head.weight"][3, 5] = value
    with pytest.raises(ConfigError) as refusal:
        quantize(replace(network, params=params), images(2), SCHEMES["w8a8"])
    assert str(refusal.value) == ("parameter head.weight must be finite, but holds NaN or infinity")


def test_images_that_are_not_finite_are_refused() -> None:
    x = images(3).clone()
    x[1, 0, 4, 4] = float("inf")
    with pytest.raises(ConfigError) as refusal:
        quantize(float_network(), x, SCHEMES["w8a8"])
    assert str(refusal.value) == (
        "calibration images must be finite, but image 1 holds NaN or infinity"
    )


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (2, 8, 8), (2, 3, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError) as refusal:
        quantize(float_network(), torch.zeros(shape), SCHEMES["w8a8"])
    assert str(refusal.value) == (
        f"calibration images must have shape [n, 1, 8, 8] with n at least 1, not {list(shape)}"
    )


def tiny(*layers: Layer, **params: torch.Tensor) -> Network:
    start = (Input("x", (1, 4, 4)), Patches("p", (4, 4), "x", 2), Linear("fc", (4, 4), "p"))
    weights = {"fc.weight": torch.eye(4), "fc.bias": torch.zeros(4)}
    return Network("tiny", (*start, *layers), weights | params)


def test_gelu_of_a_sum_is_refused() -> None:
    network = tiny(Add("sum", (4, 4), "p", "fc"), Gelu("act", (4, 4), "sum"))
    with pytest.raises(ConfigError) as refusal:
        quantize(network, torch.rand(2, 1, 4, 4), SCHEMES["w8a8"])
    assert str(refusal.value) == (
        "layer act (Gelu) must follow a Linear or Conv that nothing else reads, or a LayerNorm, "
        "not sum"
    )


def test_joining_what_is_not_requantised_is_refused() -> None:
    network = tiny(
        LayerNorm("norm", (4, 4), "fc", 1e-6),
        Constant("token", (1, 4)),
        Concat("all", (5, 4), ("token", "norm")),
        **{"norm.weight": torch.ones(4), "norm.bias": torch.zeros(4), "token": torch.ones(1, 4)},
    )
    with pytest.raises(ConfigError) as refusal:
        quantize(network, torch.rand(2, 1, 4, 4), SCHEMES["w8a8"])
    assert str(refusal.value) == (
        "layer all joins norm, which must come from a Linear or be constant"
    )


def test_linear_may_be_the_last_or_feed_another() -> None:
    network = tiny(
        Linear("head", (4, 2), "fc"),
        **{"head.weight": torch.tensor([[1.0, 0, -1, 0], [0.5] * 4]), "head.bias": torch.ones(2)},
    )
    x = torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for name in SCHEMES:
        integer = quantize(network, x, SCHEMES[name])
        validate(integer)
        hat = execute(integer, x)["head"] * integer.layers[-1].out.scale
        exact = run_float(network, x)["head"]
        limit = 0.02 if SCHEMES[name].activation_bits == 8 else 0.2
        assert (hat - exact).square().mean().sqrt() < limit * exact.square().mean().sqrt(), name
