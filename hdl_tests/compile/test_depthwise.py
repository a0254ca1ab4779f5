"""Depthwise convolutions as the compiler writes them for their engine."""

from typing import Any

import numpy as np
import pytest
import torch

from golden.execute import execute
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.emulator import infer
from hdl_tests.harness.images import image_qnetwork
from vitaccel.compile import compile_network
from vitaccel.compile.pack_depthwise import pack_taps
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS

ENGINE: dict[str, Any] = {
    "depthwise_taps": 3,
    "depthwise_width": 16,
    "depthwise_words": 8,
    "depthwise_steps": 128,
}
BASE = PRESETS["w8a8"].replace(**ENGINE)
CONFIGS = {
    "three taps": BASE,
    "one tap": PRESETS["tiny"].replace(**ENGINE | {"depthwise_taps": 1}),
    "bands": BASE.replace(accumulator_rows=16, depthwise_bits=8, depthwise_taps=5),
    "tables by channel": BASE.replace(table_slots=3, depthwise_cycles=2),
    "loaded in turn": BASE.replace(rows=4, columns=8, depthwise_words=4, depthwise_steps=40),
}
NETWORKS = {"bands": {"bits": 8, "size": (9, 7)}, "tables by channel": {"slots": 3}}


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_tensor_matches_golden(name: str, batch: int) -> None:
    config, network = CONFIGS[name], image_qnetwork(**NETWORKS.get(name, {}))
    images = torch.cat([images_for(network, seed) for seed in range(batch)])
    want = execute(network, images)
    program = compile_network(network, config, keep=True, batch=batch)
    patches = want[program.input.tensor].flatten(0, 1).numpy().astype(np.int64)
    memory = infer(program, config, patches).memory
    formats = {layer.name: layer.out for layer in network.layers}
    for region in program.outputs:
        rows = np.split(region.read(bytes(memory), formats[region.tensor].signed), batch)
        for image, got in enumerate(rows):
            expected = region.of(want[region.tensor][image].numpy())
            np.testing.assert_array_equal(got, expected, err_msg=region.tensor)
    assert {region.tensor for region in program.outputs} == {"expand", "small", "large", "project"}


def test_bands_overlap_with_the_array() -> None:
    """Results in bands, each of which waits for nothing but the pixels under it."""
    config = CONFIGS["bands"]
    program = compile_network(image_qnetwork(bits=8, size=(9, 7)), config)
    listing = program.listing()
    bands = [line for line in listing.splitlines() if "DEPTHWISE" in line and "; small" in line]
    assert len(bands) == 2  # of five and four rows: two are read twice
    assert "above=1" in bands[0]
    assert "below=1" in bands[-1]


def test_taps_in_the_order_of_steps() -> None:
    config = AcceleratorConfig(rows=2, columns=2, depthwise_taps=2, depthwise_bits=8)
    weight = np.arange(18).reshape(2, 3, 3)
    words = pack_taps(weight, 1, config)
    assert words.shape == (6, 2, 2)
    # Column 2 first: pixels of stride 1 arrive there. Lowest row first, two at a time.
    assert words[:, :, 0].tolist() == [[8, 5], [2, 0], [6, 3], [0, 0], [7, 4], [1, 0]]
    by_two = pack_taps(weight, 2, config)
    assert by_two[::2, 0, 1].tolist() == [9 + 7, 9 + 8, 9 + 6]
    packed = pack_taps(weight % 8 - 4, 1, config.replace(depthwise_taps=3, depthwise_bits=4))
    assert packed[0, :, 0].tolist() == [(8 % 8 - 4 & 15) | (5 - 4 & 15) << 4, 2 - 4 & 15]


def refusal(config: AcceleratorConfig, **shape: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        compile_network(image_qnetwork(**shape), config)
    return str(caught.value)


def test_refuses_without_engine() -> None:
    assert refusal(BASE.replace(depthwise_taps=0)) == (
        "layer small is a 3 x 3 convolution, which needs hybrid = true; set it"
    )


def test_refuses_rows_wider_than_the_line_buffer() -> None:
    assert refusal(BASE.replace(depthwise_width=7)) == (
        "layer small has rows of 8 pixels with their padding, but depthwise_width is 7; set it to 8"
    )


def test_refuses_more_weights_than_there_is_room_for() -> None:
    assert refusal(BASE.replace(depthwise_steps=16)) == (
        "layer large needs 20 words beside those in use, but depthwise_steps is 16; set "
        "depthwise_steps to at least 64"
    )


def test_refuses_weights_of_more_bits() -> None:
    assert refusal(BASE, bits=8) == (
        "layer small has weights of 8 bits, but depthwise_bits is 4; set it to 8 or quantise to "
        "fewer bits"
    )
