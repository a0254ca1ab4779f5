"""What cannot be mapped is refused: the layer, the reason, what would work."""

import re

import pytest

from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS

BASE = PRESETS["w8a8"]


def refusal(config: AcceleratorConfig, *, dim: int = 24, log2: bool = False) -> str:
    network = random_qnetwork(tokens=10, dim=dim, log2=log2)
    with pytest.raises(ConfigError) as caught:
        compile_network(network, config)
    return str(caught.value)


def test_activations_wider_than_the_array() -> None:
    assert refusal(BASE.replace(activation_bits=6)) == (
        "layer patch_embed reads patches of 8 bits, but activation_bits is 6; raise it or quantise "
        "activations to 6 bits"
    )


def test_log2_probabilities_without_their_columns() -> None:
    assert refusal(BASE, log2=True) == (
        "layer blocks.0.attn.softmax takes log2 probabilities, which needs log2_attention = true; "
        "set it, or quantise with table softmax"
    )


def test_sums_wider_than_the_accumulators() -> None:
    message = refusal(BASE.replace(accumulator_bits=20))
    assert re.fullmatch(
        r"layer blocks.0.mlp.fc2 sums up to \d+, which takes 21 bits, but accumulator_bits is 20; "
        "set it to 21",
        message,
    )


def test_rows_longer_than_the_row_buffer() -> None:
    assert refusal(BASE.replace(row_words=2)) == (
        "layer blocks.0.norm1 has rows of 3 words, but row_words is 2; set row_words to at least 3"
    )


def test_activation_memory_too_small() -> None:
    assert refusal(BASE.replace(activation_words=128)) == (
        "activations need 180 words at least, but activation_words is 128; set it to 192, as in "
        "preset demo"
    )


def test_weight_buffer_too_small() -> None:
    assert refusal(BASE.replace(weight_words=64)) == (
        "layer blocks.0.mlp.fc2 needs 96 words beside those in use, but weight_words is 64; set "
        "weight_words to at least 256, as in preset demo"
    )


def test_parameter_memory_too_small() -> None:
    assert refusal(BASE.replace(vector_words=4), dim=48) == (
        "layer blocks.0.norm1 needs 6 words beside those in use, but vector_words is 4; set "
        "vector_words to at least 16, as in preset demo"
    )


def test_scales_that_are_no_powers_of_two() -> None:
    assert "takes powers of two" in refusal(PRESETS["shift"])


def test_layernorm_over_padded_heads_is_not_needed_by_padded_attention() -> None:
    network = random_qnetwork(dim=24, tokens=10, log2=False)
    compile_network(network, BASE.replace(rows=12, columns=12, row_words=16))
