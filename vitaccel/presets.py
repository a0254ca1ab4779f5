"""Configurations by name."""

from vitaccel.config import AcceleratorConfig

__all__ = ["PRESETS"]

_SMALL_EFFICIENTVIT = AcceleratorConfig(
    columns=16, pot_columns=8, hybrid=True, accumulator_rows=64, activation_words=12288,
    post_words=256, row_words=32, table_slots=8,
)  # fmt: skip
_EFFICIENTVIT_B1 = AcceleratorConfig(
    rows=16, columns=16, hybrid=True, activation_words=65536, weight_words=8192,
    post_words=512, vector_words=128, row_words=128, table_slots=8, queue_depth=16,
    depthwise_taps=3, depthwise_bits=8, depthwise_cycles=2, depthwise_steps=1024,
    depthwise_words=128,
)  # fmt: skip

# On an LFE5U-85F: 144 of 156 multipliers in the array, two 4-bit weights each.
_ULX3S_85F = AcceleratorConfig(
    rows=12, columns=24, weight_bits=4, post_cycles=2, vector_cycles=2, vector_products="luts",
    accumulator_rows=128, accumulator_bits=24, activation_words=16384, weight_words=4096,
    vector_words=32, queue_depth=16, axi_bytes=4,
)  # fmt: skip

PRESETS = {
    "demo": AcceleratorConfig(
        columns=16,
        pot_columns=8,
        log2_attention=True,
        accumulator_rows=32,
        row_words=16,
        post_words=256,
        table_slots=4,
    ),
    "w8a8": AcceleratorConfig(accumulator_rows=32, row_words=16),
    "w6a6": AcceleratorConfig(
        weight_bits=6, activation_bits=6, columns=16, accumulator_rows=32, row_words=16
    ),
    "w4a8": AcceleratorConfig(weight_bits=4, columns=16, accumulator_rows=32, row_words=16),
    "w4a4": AcceleratorConfig(
        rows=4,
        weight_bits=4,
        activation_bits=4,
        columns=8,
        accumulator_rows=32,
        row_words=32,
        post_words=256,
        vector_words=128,
        weight_words=4096,
        axi_bytes=4,
    ),
    "shift": AcceleratorConfig(requant="shift", accumulator_rows=32, row_words=16),
    "tiny": AcceleratorConfig(
        rows=4,
        columns=4,
        accumulator_rows=32,
        row_words=32,
        post_words=256,
        vector_words=128,
        weight_words=4096,
        axi_bytes=4,
    ),
    # For an LFE5U-25F: the digits network with 4-bit weights, memories of all kinds in 53 blocks.
    "small": AcceleratorConfig(
        rows=2,
        columns=4,
        weight_bits=4,
        accumulator_rows=32,
        activation_banks=2,
        row_words=64,
        post_words=128,
        vector_words=64,
        weight_words=1024,
        axi_bytes=4,
    ),
    # For an iCE40UP5K: everything on chip, parameters in one pair of its large memories.
    "icebreaker": AcceleratorConfig(
        core="serial",
        rows=4,
        columns=4,
        accumulator_bits=24,
        accumulator_rows=32,
        activation_words=1024,
        activation_banks=1,
        weight_words=8192,
        post_words=128,
        vector_words=64,
        row_words=16,
        axi_bytes=4,
    ),
    # The same with smaller memories, all in the block RAM of a GW2A-18.
    "tang-nano-20k": AcceleratorConfig(
        core="serial",
        rows=4,
        columns=4,
        accumulator_bits=24,
        accumulator_rows=32,
        activation_words=1024,
        activation_banks=1,
        weight_words=4096,
        post_words=64,
        vector_words=32,
        row_words=16,
        axi_bytes=4,
    ),
    "mixed-12x24": AcceleratorConfig(
        rows=12, columns=24, pot_columns=12, log2_attention=True, weight_words=4096
    ),
    # On an LFE5U-85F: 144 of 156 multipliers in the array, memories within its block RAM.
    "deit-12x12": AcceleratorConfig(
        rows=12,
        columns=12,
        accumulator_rows=128,
        activation_words=16384,
        weight_words=4096,
        vector_words=32,
        queue_depth=16,
        axi_bytes=4,
    ),
    "ulx3s-85f": _ULX3S_85F,
    # As many power-of-two columns beside them as 85 % of the LUTs hold.
    "ulx3s-85f-pot": _ULX3S_85F.replace(columns=48, pot_columns=24, vector_words=16),
    "large-16x32": AcceleratorConfig(
        rows=16, columns=32, activation_words=8192, weight_words=8192, axi_bytes=16
    ),
    "efficientvit": _SMALL_EFFICIENTVIT,
    "efficientvit-16x16": _EFFICIENTVIT_B1,
}
