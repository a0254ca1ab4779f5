"""Convolutions and linear attention: programs compute what golden says."""

import numpy as np
import pytest

from golden.execute import execute
from golden.validate import validate
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.emulator import infer
from hdl_tests.harness.hybrids import random_hybrid
from vitaccel.compile import compile_network
from vitaccel.compile.pieces import runs
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

BASE = AcceleratorConfig(
    rows=4, columns=4, hybrid=True, accumulator_rows=32, activation_words=2048, table_slots=8,
    post_words=512, vector_words=64, row_words=32, weight_words=4096,
)  # fmt: skip
CASES = {
    "one-group": (BASE, {}),
    "groups": (BASE.replace(columns=12), {"side": 12}),
    "packed": (BASE.replace(columns=8, weight_bits=4), {}),
    "pot": (BASE.replace(columns=8, pot_columns=4), {"pot": 0.4}),
    "shift": (BASE.replace(requant="shift"), {"shift": True}),
    "rows-of-pixels-in-parts": (
        BASE.replace(accumulator_rows=16),
        {"side": 33, "width": 4, "heads": 1},
    ),
    "streamed": (
        BASE.replace(weight_words=512, post_words=32, table_slots=4, activation_words=1024),
        {},
    ),
    "wide-heads": (BASE.replace(columns=8, post_words=1024), {"width": 64, "heads": 8}),
    "reciprocals": (BASE.replace(columns=8, division="reciprocal"), {"exact": True}),
    "engine": (BASE.replace(depthwise_taps=3, depthwise_bits=8), {}),
    "engine-in-parts": (
        BASE.replace(
            depthwise_taps=2,
            depthwise_bits=8,
            accumulator_rows=16,
            depthwise_words=8,
            depthwise_steps=256,
        ),
        {"side": 12},
    ),
    "windows": (
        BASE.replace(rows=16, columns=16, depthwise_taps=3, depthwise_bits=8),
        {"side": 12, "width": 32},
    ),
    "words-of-2": (BASE.replace(rows=2, columns=2, activation_words=4096), {"width": 4}),
}


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_every_tensor_matches_golden(name: str, batch: int) -> None:
    config, build = CASES[name]
    network = random_hybrid(**build)
    validate(network)
    images = images_for(network, 5).repeat(batch, 1, 1, 1)
    images[-1] = images[-1].flip(-1)
    want = execute(network, images)
    if batch > 1:
        config = config.replace(activation_words=16384)
    program = compile_network(network, config, keep=True, batch=batch)
    given = want[program.input.tensor].numpy().astype(np.int64)
    memory = bytes(infer(program, config, given.reshape(-1, given.shape[-1])).memory)
    formats = {layer.name: layer.out for layer in network.layers}
    for region in program.outputs:
        rows = region.read(memory, formats[region.tensor].signed)
        for got, image in zip(np.split(rows, batch), want[region.tensor].numpy(), strict=True):
            np.testing.assert_array_equal(got, region.of(image), err_msg=region.tensor)
    moved = ("input", "patches", "concat")
    assert {region.tensor for region in program.outputs} == {
        layer.name for layer in network.layers if layer.kind not in moved
    }


def test_tensors_are_not_all_alike() -> None:
    """What the tests above compare uses the range of its format."""
    network = random_hybrid()
    tensors = execute(network, images_for(network, 5))
    for layer in network.layers:
        assert len(tensors[layer.name].unique()) >= 4, layer.name


@pytest.mark.parametrize(
    ("start", "rows", "width", "want"),
    [
        (0, 12, 4, [(0, 12)]),
        (2, 9, 4, [(2, 2), (4, 4), (8, 3)]),
        (5, 2, 4, [(5, 2)]),
        (3, 5, 4, [(3, 1), (4, 4)]),
        (3, 3, 4, [(3, 1), (4, 2)]),
    ],
)
def test_results_are_cut_where_rows_of_pixels_end(
    start: int, rows: int, width: int, want: list[tuple[int, int]]
) -> None:
    assert list(runs(start, rows, width)) == want


def refusal(config: AcceleratorConfig, side: int = 9, width: int = 8, heads: int = 2) -> str:
    with pytest.raises(ConfigError) as caught:
        compile_network(random_hybrid(side, width, heads), config)
    return str(caught.value)


def test_refuses_convolutions_without_their_gateware() -> None:
    assert refusal(BASE.replace(hybrid=False)) == (
        "layer stem is a 3 x 3 convolution, which needs hybrid = true; set it"
    )


def test_refuses_another_division() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_network(random_hybrid(exact=True), BASE)
    assert str(caught.value) == (
        "layer near.divisor divides by reciprocals, but the accelerator by powers of two; "
        "set division = 'reciprocal', or quantise for this accelerator"
    )
    with pytest.raises(ConfigError) as caught:
        compile_network(random_hybrid(), BASE.replace(division="reciprocal"))
    assert str(caught.value) == (
        "layer near.divisor divides by powers of two, but the accelerator by reciprocals; "
        "set division = 'log2', or quantise for this accelerator"
    )


def test_refuses_heads_that_do_not_fill_words() -> None:
    assert refusal(BASE, width=12) == (
        "layer near.kv has heads of 6 channels, which do not fill words of 4; "
        "use rows that divide 6"
    )


def test_refuses_images_beyond_the_instruction() -> None:
    assert refusal(BASE.replace(activation_words=65536), side=513, width=4, heads=1) == (
        "layer stem walks an image of 513 x 514 pixels, but the instruction holds up to 511 a "
        "side; use smaller images"
    )
