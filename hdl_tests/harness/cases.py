"""Pairs of configuration and network that whole-accelerator tests go through."""

from typing import Any

import torch

from golden.qnetwork import QNetwork
from vitaccel.config import AcceleratorConfig
from vitaccel.presets import PRESETS

SMALL = {"accumulator_rows": 16, "row_words": 32, "post_words": 512, "vector_words": 128}
CASES = {
    "w8a8": (PRESETS["w8a8"], {"dim": 48, "tokens": 17}),
    "demo": (PRESETS["demo"], {"dim": 48, "tokens": 17, "log2": True, "pot": 0.5, "depth": 2}),
    "packed": (PRESETS["w4a8"], {"dim": 48, "tokens": 17, "weight_bits": 4, "pot": 0.0}),
    "w8-on-packed": (PRESETS["w4a8"], {"dim": 24, "tokens": 10}),
    "w4a4": (PRESETS["w4a4"], {"dim": 16, "heads": 2, "bits": 4, "weight_bits": 4, "pot": 0.0}),
    "tiny": (PRESETS["tiny"], {"dim": 24, "tokens": 17}),
    "padded-heads": (
        PRESETS["mixed-12x24"].replace(
            post_cycles=3, vector_cycles=2, post_products="luts", vector_products="luts"
        ),
        {"dim": 48, "tokens": 17, "log2": True},
    ),
    "row-blocks": (PRESETS["tiny"].replace(**SMALL), {"dim": 24, "tokens": 37, "heads": 2}),
    "spilled": (
        PRESETS["tiny"].replace(**SMALL, activation_words=800),
        {"dim": 24, "tokens": 37, "heads": 2},
    ),
    "kv4": (
        PRESETS["w4a8"].replace(
            accumulator_rows=16,
            post_cycles=2,
            vector_cycles=4,
            post_products="mixed",
            vector_products="luts",
        ),
        {"dim": 24, "heads": 2, "tokens": 20, "weight_bits": 4, "pot": 0.0, "kv_bits": 4},
    ),
    "streamed": (
        PRESETS["w8a8"].replace(
            weight_words=512, post_words=32, vector_words=16, table_slots=1, activation_words=1024
        ),
        {"dim": 48, "tokens": 17, "depth": 3},
    ),
    "odd": (
        AcceleratorConfig(rows=3, columns=9, pot_columns=3, log2_attention=True, post_words=512),
        {"dim": 24, "tokens": 10, "log2": True, "heads": 2},
    ),
    "shift": (PRESETS["shift"], {"dim": 48, "tokens": 17, "shift": True}),
}

# Another core, with other rules for how long it takes.
SERIAL: tuple[AcceleratorConfig, dict[str, Any]] = (
    PRESETS["icebreaker"].replace(post_words=160),
    {"dim": 24, "tokens": 17, "depth": 2},
)


def images_for(network: QNetwork, seed: int) -> torch.Tensor:
    first = network.layers[0].out
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(first.low, first.high + 1, (1, *first.shape), generator=draw)
