"""`golden.validate`: one refusal per way to be wrong, with its message."""

from typing import Any

import pytest
import torch
from torch import Tensor

from golden.qnetwork import QNetwork
from golden.validate import validate
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.errors import ConfigError


def refused(network: QNetwork) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(network)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(network: QNetwork, name: str, **changes: Any) -> QNetwork:
    """The network with fields of one layer changed, unchecked, as code may build it."""
    layers = tuple(
        layer.model_copy(update=changes) if layer.name == name else layer
        for layer in network.layers
    )
    return QNetwork(network.name, layers, network.tensors)


def with_out(network: QNetwork, name: str, **changes: Any) -> QNetwork:
    layer = next(layer for layer in network.layers if layer.name == name)
    return changed(network, name, out=layer.out.model_copy(update=changes))


def with_tensor(network: QNetwork, name: str, tensor: Tensor | None) -> QNetwork:
    tensors = {key: value for key, value in network.tensors.items() if key != name}
    if tensor is not None:
        tensors[name] = tensor
    return QNetwork(network.name, network.layers, tensors)


def poked(network: QNetwork, name: str, index: int, value: int) -> QNetwork:
    tensor = network.tensors[name].clone()
    tensor.view(-1)[index] = value
    return with_tensor(network, name, tensor)


NET = random_qnetwork()
ATTENTION = "blocks.0.attn"
SUM = 3 << 20  # log2 probabilities add to at most 3 / 2
STREAM = next(layer.out for layer in NET.layers if layer.name == "tokens")
LAYER_CASES: list[tuple[QNetwork, str]] = [
    (QNetwork("empty", ()), "network must have layers"),
    (
        QNetwork("twice", (*NET.layers, NET.layers[-1]), NET.tensors),
        "layer 'head' appears twice",
    ),
    (
        QNetwork("headless", NET.layers[1:], NET.tensors),
        "layer 'patches': the input must be the first layer and no other",
    ),
    (
        changed(NET, "head", x="neck"),
        "layer 'head': operand 'neck' must be the name of an earlier layer",
    ),
    (
        changed(NET, f"{ATTENTION}.q", x="head"),
        f"layer '{ATTENTION}.q': operand 'head' must be the name of an earlier layer",
    ),
    (
        with_out(NET, "head", scale=0.0),
        "layer 'head': scale must be finite and above 0, not 0.0",
    ),
    (
        with_out(NET, "head", zero_point=128),
        "layer 'head': zero_point must be -128 to 127, not 128",
    ),
    (
        with_out(NET, "cls_token", shifts=(0,) * 11 + (4,)),
        f"layer 'cls_token': shifts must be 12 numbers from 0 to 3, not {[0] * 11 + [4]}",
    ),
    (
        with_out(NET, "head", shape=(1, 0)),
        "layer 'head': shape must be above 0, not [1, 0]",
    ),
    (
        with_out(NET, "head", format="log2"),
        "layer 'head': format must be uniform except of a softmax with bits 4, scale 1, not log2",
    ),
    (
        with_out(NET, "image", shape=(2, 8)),
        "layer 'image': shape of the image must be 3 numbers, not [2, 8]",
    ),
    (
        changed(NET, "patches", size=3),
        "layer 'patches': size must be a divisor of height 2 and width 8, not 3",
    ),
    (
        with_out(NET, "patches", scale=1.0),
        "layer 'patches': scale of 'image' must be 1.0 as of the result, not 0.00392156862745098",
    ),
    (
        with_out(NET, "head", shape=(2, 10)),
        "layer 'head': shape of the result must be [1, 10], not [2, 10]",
    ),
    (
        changed(NET, "blocks.0.mlp.fc2", residual="cls_token"),
        "layer 'blocks.0.mlp.fc2': shape of operand 'cls_token' must be [5, 12], not [1, 12]",
    ),
    (
        changed(NET, "head", weight_bits=9),
        "layer 'head': weight_bits must be 2 to 8, not 9",
    ),
    (changed(NET, "head", pot_bits=2), "layer 'head': pot_bits must be 3 to 5, not 2"),
    (changed(NET, "head", pre_shift=16), "layer 'head': pre_shift must be 0 to 15, not 16"),
    (changed(NET, "head", post_shift=0), "layer 'head': post_shift must be 1 to 32, not 0"),
    (
        changed(NET, f"{ATTENTION}.qk", heads=5),
        f"layer '{ATTENTION}.qk': heads must be a divisor of 12 channels, not 5",
    ),
    (
        changed(NET, f"{ATTENTION}.qk", mul=1 << 16),
        f"layer '{ATTENTION}.qk': mul must be 0 to 65535, not 65536",
    ),
    (
        changed(NET, f"{ATTENTION}.av", pre_shift=4),
        f"layer '{ATTENTION}.av': sums from {-SUM} to {SUM} need a pre_shift of at least 5, not 4",
    ),
    (
        with_out(NET, f"{ATTENTION}.av", shape=(5, 36)),
        f"layer '{ATTENTION}.av': shape of the result must be [5, 12], not [5, 36]",
    ),
    (
        changed(NET, f"{ATTENTION}.qk", b="tokens"),
        f"layer '{ATTENTION}.qk': shifts of 'tokens' must be None, not {STREAM.shifts}",
    ),
    (
        with_out(NET, f"{ATTENTION}.softmax", signed=True),
        f"layer '{ATTENTION}.softmax': signed must be False, not True",
    ),
    (
        with_out(random_qnetwork(log2=False), f"{ATTENTION}.softmax", scale=0.5),
        f"layer '{ATTENTION}.softmax': scale must be 2**-8, not 0.5",
    ),
    (
        changed(NET, "norm", x="head"),
        "layer 'norm': operand 'head' must be the name of an earlier layer",
    ),
    (
        changed(NET, "blocks.0.norm2", x="patch_embed"),
        "layer 'blocks.0.norm2': shape of the result must be [4, 12], not [5, 12]",
    ),
    (
        changed(NET, "tokens", parts=("cls_token",)),
        "layer 'tokens': tokens must be 1, the sum over the parts, not 5",
    ),
    (
        changed(NET, "tokens", parts=()),
        "layer 'tokens': parts must be at least one tensor, not ()",
    ),
    (
        changed(NET, "pool", stop=6),
        "layer 'pool': start and stop must be ordered within 5, not 0, 6",
    ),
    (
        with_out(NET, "pool", shifts=None),
        f"layer 'pool': shifts must be {STREAM.shifts} as of 'blocks.0.mlp.fc2', not None",
    ),
]


@pytest.mark.parametrize(("network", "message"), LAYER_CASES, ids=lambda case: str(case)[:60])
def test_refuses_layers(network: QNetwork, message: str) -> None:
    assert refused(network) == message


def first_filter(network: QNetwork, name: str, pot: bool) -> int:
    """Index of the first weight of a filter of that kind."""
    mask = network.tensors[f"{name}.pot"]
    return int((mask == pot).nonzero()[0]) * network.tensors[f"{name}.weight"].shape[1]


W4 = random_qnetwork(weight_bits=4, pot_bits=3)
TENSOR_CASES: list[tuple[QNetwork, str]] = [
    (with_tensor(NET, "head.mul", None), "tensor 'head.mul' is missing"),
    (
        with_tensor(NET, "head.residual_mul", torch.zeros(10)),
        "tensor 'head.residual_mul' belongs to no layer",
    ),
    (
        with_tensor(NET, "head.weight", NET.tensors["head.weight"][:, 1:]),
        "tensor 'head.weight' must have shape [10, 12], not [10, 11]",
    ),
    (
        with_tensor(NET, "head.weight", NET.tensors["head.weight"].float()),
        "tensor 'head.weight' must be int8, not float32",
    ),
    (
        with_tensor(NET, "head.bias", NET.tensors["head.bias"].long()),
        "tensor 'head.bias' must be int32, not int64",
    ),
    (
        poked(W4, "head.weight", first_filter(W4, "head", False), 8),
        "tensor 'head.weight' must be within -8 .. 7, not 8",
    ),
    (
        poked(W4, "head.weight", first_filter(W4, "head", True), -3),
        "tensor 'head.weight' must be 0 or ±2**e with e up to 2 in power-of-two filters, not ±3",
    ),
    (
        poked(W4, "head.weight", first_filter(W4, "head", True), 8),
        "tensor 'head.weight' must be 0 or ±2**e with e up to 2 in power-of-two filters, not ±8",
    ),
    (
        poked(NET, "head.mul", 3, -1),
        "tensor 'head.mul' must be within 0 .. 65535, not -1",
    ),
    (
        poked(NET, "blocks.0.mlp.fc2.residual_mul", 3, 1 << 16),
        "tensor 'blocks.0.mlp.fc2.residual_mul' must be within 0 .. 65535, not 65536",
    ),
    (
        poked(NET, "blocks.0.mlp.fc1.table", 0, -1),
        "tensor 'blocks.0.mlp.fc1.table' must be within 0 .. 255, not -1",
    ),
    (
        poked(NET, f"{ATTENTION}.softmax.table", 0, 32767),
        "tensor 'blocks.0.attn.softmax.table' must begin with 32768, not 32767",
    ),
    (
        poked(NET, f"{ATTENTION}.softmax.table", 9, 32769),
        "tensor 'blocks.0.attn.softmax.table' must be within 0 .. 32768, not 32769",
    ),
]


@pytest.mark.parametrize(("network", "message"), TENSOR_CASES, ids=lambda case: str(case)[:60])
def test_refuses_tensors(network: QNetwork, message: str) -> None:
    assert refused(network) == message


def test_refuses_sums_that_overflow() -> None:
    network = poked(NET, "head.bias", 0, 1 << 29)
    message = refused(network)
    assert message.startswith("layer 'head': sums from ")
    assert message.endswith(" need a pre_shift of at least 13, not 0")
    network = poked(NET, "head.bias", 0, (1 << 31) - 1)
    assert refused(network).endswith("must fit 32 bits; use fewer weight bits")


def test_no_tensor_is_optional() -> None:
    for name in NET.tensors:
        assert refused(with_tensor(NET, name, None)) == (f"tensor {name!r} is missing")
