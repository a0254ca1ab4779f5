import pytest
import torch

from golden.evaluate import accuracy, run_float
from golden.network import (
    Add,
    Concat,
    Constant,
    Gelu,
    Input,
    Layer,
    LayerNorm,
    Linear,
    MatMul,
    Network,
    Patches,
    Slice,
    Softmax,
)


def run_one(layer: Layer, **tensors: torch.Tensor) -> torch.Tensor:
    """One layer on constants."""
    constants = [Constant(name, tuple(value.shape)) for name, value in tensors.items()]
    return run_float(Network("n", (*constants, layer), tensors), torch.zeros(1, 1, 1, 1))[
        layer.name
    ][0]


def test_patches_are_in_the_order_channel_y_x() -> None:
    image = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    network = Network("n", (Input("x", (2, 4, 6)), Patches("p", (6, 8), "x", 2)))
    patches = run_float(network, image)["p"][0]
    assert patches[0].tolist() == [0, 1, 6, 7, 24, 25, 30, 31]
    assert patches[4].tolist() == [14, 15, 20, 21, 38, 39, 44, 45]


def test_attention_is_pytorch_s() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 5, 8).unbind()
    layers = (
        *(Constant(name, (5, 8)) for name in "qkv"),
        MatMul("s", (2, 5, 5), "q", "k", 2, transpose_b=True, scale=0.5),
        Softmax("p", (2, 5, 5), "s"),
        MatMul("o", (5, 8), "p", "v", 2, transpose_b=False, scale=2.0),
    )
    out = run_float(Network("n", layers, {"q": q, "k": k, "v": v}), torch.zeros(3, 1, 1, 1))["o"]
    a, b, c = (x.reshape(5, 2, 4).transpose(0, 1)[None] for x in (q, k, v))
    expected = 2 * torch.nn.functional.scaled_dot_product_attention(a, b, c, scale=0.5)
    assert out.shape == (3, 5, 8)
    torch.testing.assert_close(out[2], expected[0].transpose(0, 1).flatten(1))


def test_layers_with_parameters_are_pytorch_s() -> None:
    torch.manual_seed(0)
    x, w, b = torch.randn(3, 4), torch.randn(2, 4), torch.randn(2)
    g, o = torch.randn(4), torch.randn(4)
    params = {"x": x, "l.weight": w, "l.bias": b, "n.weight": g, "n.bias": o}
    layers = (
        Constant("x", (3, 4)),
        Linear("l", (3, 2), "x"),
        LayerNorm("n", (3, 4), "x", 0.1),
        Gelu("e", (3, 4), "x"),
        Gelu("t", (3, 4), "x", "tanh"),
        Add("a", (3, 4), "x", "n"),
        Concat("c", (6, 4), ("a", "x")),
        Slice("s", (2, 4), "c", 0, 2, 4),
        Slice("z", (2, 1), "s", 1, 3, 4),
    )
    got = run_float(Network("n", layers, params), torch.zeros(1, 1, 1, 1))
    norm = torch.nn.functional.layer_norm(x, (4,), g, o, 0.1)
    torch.testing.assert_close(got["l"][0], x @ w.T + b)
    torch.testing.assert_close(got["n"][0], norm)
    torch.testing.assert_close(got["e"][0], torch.nn.functional.gelu(x))
    torch.testing.assert_close(got["t"][0], torch.nn.functional.gelu(x, approximate="tanh"))
    torch.testing.assert_close(got["z"][0, :, 0], torch.stack((x[2] + norm[2], x[0]))[:, 3])
    assert list(got) == [layer.name for layer in layers]


def test_unknown_layer_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="unknown layer Layer"):
        run_one(Layer("l", (1,)))


def test_accuracy_takes_the_first_of_equal_logits() -> None:
    logits = torch.tensor([[[1, 1, 0]], [[0, 2, 1]], [[0, 0, 3]], [[5, 0, 0]]])
    assert accuracy(logits, torch.tensor([0, 1, 1, 0])) == 0.75
    assert accuracy(logits[:, 0], torch.tensor([1, 1, 1, 0])) == 0.5
