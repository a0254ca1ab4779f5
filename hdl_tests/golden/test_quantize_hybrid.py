"""Quantisation of convolutional networks with linear attention."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden.evaluate import run_float
from golden.execute import execute
from golden.network import Add, Hardswish, Network
from golden.qnetwork import (
    QConv,
    QDivisor,
    QLayer,
    QLinear,
    QLookup,
    QNetwork,
    QPool,
    QQuotient,
    QTensor,
)
from golden.quantize import quantize
from golden.quantize.slots import MAX_SLOTS, migrated, shifted
from golden.quantizers import pot_violations, sampled
from golden.scheme import SCHEMES
from golden.storage import load, save
from golden.validate import validate
from hdl_tests.harness.efficientvits import efficientvit
from hdl_tests.harness.hybrids import dead
from vitaccel.compile import compile_network
from vitaccel.errors import ConfigError
from vitaccel.frontend import from_module
from vitaccel.presets import PRESETS

IMAGES = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(2))
ERROR = {"naive": 0.4, "w8a8": 0.3, "trio": 0.3, "m2q": 0.4}  # of the logits, in deviations
EXACT = SCHEMES["trio"].replace(name="exact", division="reciprocal")


pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def floats() -> Network:
    return from_module(efficientvit(normalization=(0.4, 0.25)), IMAGES)


@cache
def integers(name: str) -> QNetwork:
    return quantize(floats(), IMAGES, EXACT if name == "exact" else SCHEMES[name])


def kinds(network: QNetwork, kind: type) -> list:
    return [layer for layer in network.layers if isinstance(layer, kind)]


def values(network: QNetwork, tensors: dict[str, Tensor], layer: QLayer) -> Tensor:
    out: QTensor = layer.out
    zero = torch.tensor(out.zero_points or (out.zero_point,))
    shifts = torch.tensor(out.shifts or (0,))
    return (tensors[layer.name].double() - zero) * out.scale * torch.exp2(shifts.double())


@pytest.mark.parametrize("name", ERROR)
def test_integers_stand_for_the_floats(name: str) -> None:
    """The network is random, so its logits hardly differ: the bounds are wide."""
    network = integers(name)
    validate(network)
    tensors = execute(network, IMAGES)
    exact = run_float(floats(), IMAGES)
    first, last = network.layers[2], network.layers[-1]
    stem = exact["stem.in_conv.act"].double()
    error = values(network, tensors, first) - stem
    assert (error.norm() / stem.norm()).item() < 0.03
    logits = exact[floats().layers[-1].name].double()
    error = values(network, tensors, last) - logits
    assert (error.norm() / (logits - logits.mean(0)).norm()).item() < ERROR[name]


def test_division_by_reciprocals_is_the_better_one() -> None:
    exact = run_float(floats(), IMAGES)
    errors = {}
    for name in ("trio", "exact"):
        network = integers(name)
        tensors = execute(network, IMAGES)
        (layer, *_) = kinds(network, QQuotient)
        want = exact[layer.name].double()
        got = values(network, tensors, layer)
        errors[name] = ((got - want).norm() / want.norm()).item()
    assert errors["exact"] < 0.5 * errors["trio"]
    assert errors["trio"] < 0.3


def test_divisors_fill_their_codes() -> None:
    for name, bits in (("trio", 4), ("exact", 8)):
        network = integers(name)
        tensors = execute(network, IMAGES)
        for layer in kinds(network, QDivisor):
            codes = tensors[layer.name]
            assert (layer.out.bits, codes.dtype) == (bits, torch.uint8)
            if bits == 4:
                assert 8 <= int(codes.max()) <= 15


@pytest.mark.parametrize("name", ["trio", "exact", "m2q"])
def test_network_survives_the_disk(name: str, tmp_path: Path) -> None:
    network = integers(name)
    save(network, tmp_path / "net")
    back = load(tmp_path / "net")
    assert back.layers == network.layers
    assert back.tensors.keys() == network.tensors.keys()
    assert all(torch.equal(back.tensors[key], network.tensors[key]) for key in network.tensors)


def test_quantised_again_it_is_the_same() -> None:
    again = quantize(floats(), IMAGES, SCHEMES["m2q"])
    assert again.layers == integers("m2q").layers
    assert all(torch.equal(value, again.tensors[k]) for k, value in integers("m2q").tensors.items())


def test_m2q_gives_4_bits_to_depthwise_filters_and_kinds_to_the_others() -> None:
    network, scheme = integers("m2q"), SCHEMES["m2q"]
    for layer in kinds(network, QConv):
        depthwise = layer.groups == layer.out.shape[1]
        assert layer.weight_bits == (4 if depthwise else 8)
        if depthwise:
            weight = network.tensors[f"{layer.name}.weight"]
            assert (int(weight.min()), int(weight.max())) >= (-8, -8)
            assert int(weight.abs().max()) <= 8
    array = {"rows": scheme.rows, "groups": scheme.groups, "pot_groups": scheme.pot_groups}
    for layer in kinds(network, QLinear):
        pot = network.tensors[f"{layer.name}.pot"]
        assert not pot_violations(pot, **array)
        assert pot.any() or len(pot) <= scheme.rows


def test_trio_has_tables_by_channel() -> None:
    network = integers("trio")
    slots = {
        layer.name: layer.slots for layer in network.layers if isinstance(layer, QConv | QLinear)
    }
    assert max(slots.values()) > 1
    for layer in (y for y in network.layers if isinstance(y, QConv | QLinear) and y.slots > 1):
        out, slot = layer.out, network.tensors[f"{layer.name}.slot"]
        assert network.tensors[f"{layer.name}.table"].shape == (layer.slots, 256)
        assert slot.unique().tolist() == list(range(layer.slots))
        assert layer.slots <= MAX_SLOTS
        assert out.zero_points is not None
    readers = {layer.x: layer for layer in network.layers if isinstance(layer, QConv)}
    migrated_ones = [y for y in network.layers if y.out.zero_points and y.out.shifts]
    assert migrated_ones
    for layer in migrated_ones:  # what lies beyond the edge stands for 0
        pad = network.tensors[f"{readers[layer.name].name}.pad"].tolist()
        assert pad == list(layer.out.zero_points or ())


def test_shift_only_has_powers_of_two_alone() -> None:
    network = quantize(floats(), IMAGES[:4], SCHEMES["m2q"].replace(requant="shift"))
    validate(network)
    for name, tensor in network.tensors.items():
        if name.endswith((".mul", "residual_mul")):
            assert not (tensor & (tensor - 1)).any(), name
    for layer in network.layers:
        if isinstance(layer, QQuotient):
            assert layer.mul & (layer.mul - 1) == 0
    error = execute(network, IMAGES[:4])[network.layers[-1].name]
    assert error.shape == (4, 1, 5)


@pytest.mark.parametrize("name", ["trio", "exact"])
def test_dead_rows_give_zeros(name: str) -> None:
    """An image of which no query is positive: divisors count as 1, all quotients are 0."""
    network = integers(name)
    layer = kinds(network, QQuotient)[0]
    tensors = execute(dead(network), IMAGES)
    assert (tensors[layer.q] < 0).all()
    codes = tensors[layer.divisor]
    if name == "exact":
        *bytes_of, exponent = codes.chunk(3, dim=-1)
        (one,) = set(zip(*(part.flatten().tolist() for part in bytes_of), strict=True))
        assert one[0] + 256 * one[1] == int(network.tensors[f"{layer.divisor}.table"][128])
        codes = exponent
    assert not codes.any()
    assert not tensors[layer.name].any()


def test_mean_and_table_are_those_of_their_formulas() -> None:
    network = integers("trio")
    tensors = execute(network, IMAGES)
    (pool,) = kinds(network, QPool)
    x, own = tensors[pool.x].long(), network.tensors
    t = x.sum(1) + own[f"{pool.name}.bias"] >> pool.pre_shift
    u = t * own[f"{pool.name}.mul"] + (1 << pool.post_shift - 1) >> pool.post_shift
    assert torch.equal(tensors[pool.name][:, 0].long(), u.clamp(-128, 127))
    (lookup,) = kinds(network, QLookup)
    table = own[f"{lookup.name}.table"]
    assert torch.equal(tensors[lookup.name].long(), table[tensors[lookup.x].long() + 128].long())


def test_migration_halves_until_a_channel_fills_its_range() -> None:
    x = torch.zeros(100, 4)
    x[:, 0] = torch.linspace(-0.3, 8, 100)
    x[:, 1] = torch.linspace(-0.3, 3, 100)
    x[:, 2] = torch.linspace(0, 0.5, 100)
    base, made = migrated(x, 8)
    out = made(base)
    assert out.shifts == (3, 2, 0, 0)
    assert base == pytest.approx(8.3 / 255 / 8)
    assert out.zero_points is not None
    assert -128 in out.zero_points


def test_shifting_joins_channels_that_lie_close() -> None:
    low = torch.tensor([-3.0, -2.9, 0.0, 0.1, 5.0, 5.1, 9.0, 9.05])
    x = torch.stack([low, low + 1])
    base, made = shifted(x, 8)
    out = made(base)
    assert base == pytest.approx(1.1 / 255, rel=1e-3)
    zeros = out.zero_points
    assert zeros is not None
    assert len(set(zeros)) == MAX_SLOTS
    assert zeros[0] == zeros[1] == round(-128 + 3.0 / base)


def test_samples_see_every_channel() -> None:
    """A step that divides the number of channels would never see some of them."""
    for channels in (12, 16, 48, 70):
        x = torch.arange(channels).repeat(5000).reshape(1, -1)
        assert len(sampled(x, 1000)[0].unique()) == channels
        assert sampled(x, 1000).shape[1] <= 1000


def test_a_sum_must_follow_filters() -> None:
    network = from_module(efficientvit(), IMAGES)
    layers = list(network.layers)
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, Add))
    extra = Hardswish("extra", layers[at].shape, layers[at].operands[1])
    layers[at] = Add(layers[at].name, layers[at].shape, layers[at].operands[0], "extra")
    layers.insert(at, extra)
    with pytest.raises(ConfigError) as refused:
        quantize(replace(network, layers=tuple(layers)), IMAGES, SCHEMES["w8a8"])
    assert str(refused.value) == (
        "layer stem.res0.residual (Add) must follow a Linear or Conv that nothing else reads, not "
        "stem.in_conv.act and extra"
    )


def test_compiler_refuses_what_the_accelerator_lacks() -> None:
    with pytest.raises(ConfigError) as refused:
        compile_network(integers("trio"), PRESETS["demo"])
    assert str(refused.value) == (
        "layer stem.in_conv.conv is a 3 x 3 convolution, which needs hybrid = true; set it"
    )


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        (QConv, {"stride": 3}, "stride must be 1 to 2, not 3"),
        (QConv, {"kernel": 9}, "kernel must be 1 to 7, not 9"),
        (QConv, {"padding": 3}, "padding must be 0 to 2, not 3"),
        (QConv, {"groups": 7}, "groups must be a divisor of 3 and 8 channels, not 7"),
        (QConv, {"height": 15}, "height and width must be those of 256 pixels, not (15, 16)"),
        (QQuotient, {"heads": 3}, "heads must be a divisor of 16 channels, not 3"),
        (QQuotient, {"post_shift": 18}, "post_shift must be 1 to 17, not 18"),
        (QQuotient, {"mul": 65536}, "mul must be 0 to 65535, not 65536"),
        (QDivisor, {"pre_shift": 16}, "pre_shift must be 0 to 15, not 16"),
        (QPool, {"post_shift": 0}, "post_shift must be 1 to 32, not 0"),
    ],
)
def test_layers_that_mean_nothing_are_refused(kind: type, change: dict, text: str) -> None:
    network = integers("trio")
    at = next(i for i, layer in enumerate(network.layers) if isinstance(layer, kind))
    layers = list(network.layers)
    name, layers[at] = layers[at].name, layers[at].replace(**change)
    with pytest.raises(ConfigError) as refused:
        validate(replace(network, layers=tuple(layers)))
    assert str(refused.value) == f"layer {name!r}: {text}"


def test_sums_that_do_not_fit_are_refused() -> None:
    network = integers("trio")
    at = next(i for i, layer in enumerate(network.layers) if isinstance(layer, QConv))
    layers, layer = list(network.layers), network.layers[at]
    weight = network.tensors[f"{layer.name}.weight"]
    layers[at] = layer.replace(pre_shift=0)
    huge = {f"{layer.name}.weight": torch.full_like(weight, 127)}
    with pytest.raises(ConfigError, match="need a pre_shift of at least"):
        validate(replace(network, layers=tuple(layers), tensors=network.tensors | huge))
    pad = {f"{layer.name}.pad": torch.full((3,), 300, dtype=torch.int16)}
    with pytest.raises(ConfigError, match=r"pad' must be within 0 .. 255, not 300"):
        validate(replace(network, tensors=network.tensors | pad))
