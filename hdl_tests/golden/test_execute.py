"""`golden.execute` against a layer-by-layer model in int64, written from the contract."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from golden import execute as module
from golden.execute import Executor, execute, operands
from golden.ops import layernorm, quantize, softmax
from golden.qnetwork import QLayerNorm, QLinear, QMatMul, QNetwork, QTensor
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.errors import ConfigError

VARIANTS = {
    "mixed": {},
    "uniform": {"pot": 0.0, "log2": False},
    "pot": {"pot": 1.0, "pot_bits": 5},
    "w4a4": {"bits": 4, "weight_bits": 4, "pot_bits": 3},
    "shift": {"shift": True, "bits": 6},
    "deep": {"depth": 3, "tokens": 17, "dim": 24},
    "two tokens": {"tokens": 2, "dim": 3},
}


def images_of(network: QNetwork, batch: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, *network.layers[0].out.shape, generator=generator)


def scaled(
    acc: Tensor, layer: QLinear | QMatMul, mul: Tensor, more: Tensor, limits: tuple[int, int, int]
) -> Tensor:
    u = (acc >> layer.pre_shift) * mul + more + (1 << layer.post_shift - 1)
    zero_point, low, high = limits
    return ((u >> layer.post_shift) + zero_point).clamp(low, high)


def linear(layer: QLinear, tensors: dict[str, Tensor], x: Tensor, residual: Any = None) -> Tensor:
    def get(part: str) -> Tensor:
        return tensors[f"{layer.name}.{part}"].long()

    acc = x @ get("weight").T + get("bias")
    more = torch.tensor(0) if residual is None else residual * get("residual_mul")
    out = layer.out
    limits = (0, -128, 127) if layer.table else (out.zero_point, out.low, out.high)
    y = scaled(acc, layer, get("mul"), more, limits)
    return get("table")[y + 128] if layer.table else y


def matmul(layer: QMatMul, a: Tensor, b: Tensor, log2: bool) -> Tensor:
    def split(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], layer.heads, -1).transpose(1, 2)

    if layer.transpose_b:
        acc = split(a) @ split(b).mT
    else:
        acc = (torch.where(a < 15, 1 << (14 - a).clamp(min=0), 0) if log2 else a) @ split(b)
    out = layer.out
    y = scaled(acc, layer, torch.tensor(layer.mul), torch.tensor(0),
               (out.zero_point, out.low, out.high))  # fmt: skip
    return y if layer.transpose_b else y.transpose(1, 2).flatten(2)


def norm(layer: QLayerNorm, network: QNetwork, x: Tensor, out: QTensor, shifts: Any) -> Tensor:
    gain, offset = (network.tensors[f"{layer.name}.{part}"] for part in ("gain", "offset"))
    return layernorm(
        x, gain, offset, post_shift=layer.post_shift, low=out.low, high=out.high,
        shifts=None if shifts is None else torch.tensor(shifts),
    )  # fmt: skip


def model(network: QNetwork, image: Tensor) -> dict[str, Tensor]:
    """All tensors in int64."""
    found: dict[str, Tensor] = {}
    formats = {layer.name: layer.out for layer in network.layers}
    for layer in network.layers:
        x = [found[name] for name in operands(layer)]
        match layer.kind:
            case "input":
                y = quantize(image, layer.out)
            case "patches":
                unfolded = torch.nn.functional.unfold(x[0].double(), layer.size, stride=layer.size)
                y = unfolded.mT
            case "constant":
                value = network.tensors[f"{layer.name}.value"]
                y = value.expand(len(image), *value.shape)
            case "linear":
                y = linear(layer, network.tensors, *x)
            case "matmul":
                y = matmul(layer, x[0], x[1], formats[layer.a].format == "log2")
            case "softmax":
                table = network.tensors[f"{layer.name}.table"]
                y = softmax(x[0], table, bits=layer.out.bits, log2=layer.out.format == "log2")
            case "layernorm":
                y = norm(layer, network, x[0], layer.out, formats[layer.x].shifts)
            case "concat":
                y = torch.cat(x, 1)
            case "slice":
                rows = range(layer.start, layer.stop)
                y = x[0].index_select(layer.axis + 1, torch.tensor(rows))
            case kind:
                raise ValueError(f"no layer of kind {kind} is made here")
        found[layer.name] = y.long()
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(2))
def test_every_tensor_matches_int64(variant: str, seed: int) -> None:
    network = random_qnetwork(seed=seed, **VARIANTS[variant])
    images = images_of(network, 3, seed)
    want, got = model(network, images), execute(network, images)
    assert got.keys() == want.keys()
    for layer in network.layers:
        tensor = got[layer.name]
        assert tensor.dtype == (torch.int8 if layer.out.signed else torch.uint8), layer.name
        assert tensor.shape == (3, *layer.out.shape), layer.name
        assert torch.equal(tensor.long(), want[layer.name]), layer.name
        assert layer.out.low <= tensor.min() <= tensor.max() <= layer.out.high, layer.name


def test_every_kind_of_layer_occurs_and_varies() -> None:
    network = random_qnetwork()
    kinds = {layer.kind for layer in network.layers}
    assert len(kinds) == 9
    for name, tensor in execute(network, images_of(network, 4)).items():
        assert tensor.unique().numel() > 4, name


def test_only_the_output_is_kept() -> None:
    network = random_qnetwork()
    images = images_of(network, 2)
    got = execute(network, images, keep=False)
    assert list(got) == ["head"]
    assert torch.equal(got["head"], execute(network, images)["head"])


@pytest.mark.parametrize("batch", [1, 7])
def test_chunks_change_nothing(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_qnetwork()
    images = images_of(network, batch)
    whole = execute(network, images)
    largest = max(math.prod(layer.out.shape) for layer in network.layers)
    monkeypatch.setattr(module, "CHUNK", 3 * largest)
    for name, tensor in execute(network, images).items():
        assert torch.equal(tensor, whole[name]), name
        assert len(tensor) == batch


def test_integer_images_are_taken_as_quantised() -> None:
    network = random_qnetwork()
    executor = Executor(network)
    whole = executor.run(images_of(network, 3))
    again = executor.run(whole["image"].long())
    assert all(torch.equal(tensor, whole[name]) for name, tensor in again.items())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            torch.zeros(3, 3),
            "images must have shape [batch, 1, 2, 8] with batch at least 1, not [3, 3]",
        ),
        (
            torch.full((1, 1, 2, 8), torch.inf),
            "images must be finite, but at least one value is NaN or infinite",
        ),
        (torch.full((1, 1, 2, 8), 128), "integer images must be within -128 .. 127"),
    ],
)
def test_refuses_images(images: Tensor, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        execute(random_qnetwork(), images)
    assert str(caught.value) == message


def test_constants_are_not_written() -> None:
    network = random_qnetwork(tokens=3)
    before = {name: tensor.clone() for name, tensor in network.tensors.items()}
    images = images_of(network, 2)
    original = images.clone()
    executor = Executor(network)
    first, second = executor.run(images), executor.run(images)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.tensors.items())
    assert torch.equal(images, original)
