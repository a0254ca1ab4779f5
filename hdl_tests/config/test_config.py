"""`AcceleratorConfig`: every refusal with its message, round trips, digest, derived properties."""

import re
import subprocess
import sys
import tomllib
from typing import Any

import pydantic
import pytest

from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS

FIELDS = AcceleratorConfig.model_fields
KNOWN = ", ".join(FIELDS)
POT = "pot_columns must be a multiple of rows ({}) and leave at least one group of uniform columns"
SERIAL = PRESETS["icebreaker"].model_dump()
REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"core": "serial"}, "rows must be 4 for core = 'serial', not 8"),
    (
        SERIAL | {"row_words": 17},
        "row_words must be at most 16 for core = 'serial', not 17",
    ),
    (
        SERIAL | {"weight_words": 16384},
        "parameter_words must be at most 16384 for core = 'serial', not 20544",
    ),
    ({"weight_bit": 8}, "weight_bit is not a parameter; did you mean 'weight_bits'?"),
    ({"voltage": 3}, f"voltage is not a parameter; known: {KNOWN}"),
    ({"rows": 1}, "rows: input should be greater than or equal to 2, not 1"),
    ({"rows": 33}, "rows: input should be less than or equal to 32, not 33"),
    ({"weight_bits": 9}, "weight_bits: input should be less than or equal to 8, not 9"),
    ({"rows": "8"}, "rows: input should be a valid integer, not '8'"),
    ({"rows": 8.0}, "rows: input should be a valid integer, not 8.0"),
    ({"log2_attention": 1}, "log2_attention: input should be a valid boolean, not 1"),
    ({"requant": "none"}, "requant: input should be 'multiplier' or 'shift', not 'none'"),
    ({"axi_bytes": 5}, "axi_bytes: input should be 4, 8, 16 or 32, not 5"),
    ({"columns": 12}, "columns must be 1 to 8 times rows (8), not 12"),
    ({"columns": 72}, "columns must be 1 to 8 times rows (8), not 72"),
    ({"columns": 16, "pot_columns": 4}, POT.format(8) + " of 16, not 4"),
    ({"rows": 4, "columns": 8, "pot_columns": 8}, POT.format(4) + " of 8, not 8"),
    (
        {"log2_attention": True},
        "log2_attention needs pot_columns; set pot_columns to at least rows",
    ),
    ({"accumulator_rows": 48}, "accumulator_rows must be a power of two, not 48"),
    (
        {"activation_words": 1002},
        "activation_words must be a multiple of activation_banks (4), not 1002",
    ),
    (
        {"rows": 12, "columns": 12, "post_cycles": 5},
        "post_cycles must divide rows (12) and leave two lanes or more, not 5",
    ),
    ({"vector_cycles": 8}, "vector_cycles must divide rows (8) and leave two lanes or more, not 8"),
    (
        {"array_products": "mixed"},
        "array_products: input should be 'blocks' or 'luts', not 'mixed'",
    ),
    (
        {"depthwise_cycles": 8},
        "depthwise_cycles must divide rows (8) and leave two lanes or more, not 8",
    ),
    (
        {"depthwise_taps": 3, "depthwise_cycles": 4},
        (
            "depthwise_cycles must not exceed the 3 cycles of a 3 x 3 window with depthwise_taps "
            "3, not 4"
        ),
    ),
    ({"depthwise_bits": 6}, "depthwise_bits: input should be 4 or 8, not 6"),
    (
        {"post_products": "dsp"},
        "post_products: input should be 'blocks', 'mixed' or 'luts', not 'dsp'",
    ),
    ({"activation_banks": 3}, "activation_banks must be a power of two, not 3"),
    ({"weight_words": 65}, "weight_words must be a power of two, not 65"),
    (
        {"row": 4, "rows": 99},
        (
            "rows: input should be less than or equal to 32, not 99; "
            "row is not a parameter; did you mean 'rows'?"
        ),
    ),
]


@pytest.mark.parametrize(("raw", "message"), REFUSALS)
def test_refusal_has_its_message(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        AcceleratorConfig.parse(raw)


def bounds(name: str) -> tuple[int, int]:
    limits = FIELDS[name].metadata
    low = next(limit.ge for limit in limits if hasattr(limit, "ge"))
    high = next(limit.le for limit in limits if hasattr(limit, "le"))
    return low, high


BOUNDED = [name for name, info in FIELDS.items() if info.metadata]
# Bounds go together.
LINKED = {"rows", "columns", "pot_columns", "post_cycles", "vector_cycles", "depthwise_cycles"}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_are_refused_beyond_and_named(name: str) -> None:
    low, high = bounds(name)
    for value, relation, limit in ((low - 1, "greater", low), (high + 1, "less", high)):
        message = f"{name}: input should be {relation} than or equal to {limit}, not {value}"
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            AcceleratorConfig.parse({name: value})


@pytest.mark.parametrize("name", sorted(set(BOUNDED) - LINKED))
def test_bounds_themselves_are_allowed(name: str) -> None:
    for value in bounds(name):
        assert getattr(AcceleratorConfig.parse({name: value}), name) == value


@pytest.mark.parametrize("rows", range(2, 33))
def test_every_number_of_groups_is_allowed(rows: int) -> None:
    for groups in range(1, 9):
        for pot in range(groups):
            config = AcceleratorConfig(rows=rows, columns=groups * rows, pot_columns=pot * rows)
            assert (config.groups, config.pot_groups) == (groups, pot)
            assert config.uniform_groups == groups - pot


def test_replace_checks() -> None:
    with pytest.raises(ConfigError, match=r"^columns must be 1 to 8 times rows \(8\), not 4$"):
        PRESETS["w8a8"].replace(columns=4)


def test_is_frozen_and_hashable() -> None:
    config = PRESETS["tiny"]
    with pytest.raises(pydantic.ValidationError):
        config.rows = 8
    assert hash(config) == hash(config.replace())
    assert hash(config) != hash(config.replace(queue_depth=2))


def to_toml(config: AcceleratorConfig) -> str:
    return "".join(
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for name, value in config.model_dump().items()
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_survive_json_and_toml(name: str) -> None:
    config = PRESETS[name]
    assert AcceleratorConfig.parse(config.model_dump()) == config
    assert AcceleratorConfig.model_validate_json(config.model_dump_json()) == config
    assert AcceleratorConfig.parse(tomllib.loads(to_toml(config))) == config


def test_digest_is_stable_across_processes() -> None:
    code = "from vitaccel.presets import PRESETS; print(*(p.digest() for p in PRESETS.values()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [preset.digest() for preset in PRESETS.values()]


def test_digest_differs_with_every_parameter() -> None:
    base = AcceleratorConfig(columns=16, pot_columns=8)
    hybrid = base.replace(hybrid=True)
    assert hybrid.digest() != hybrid.replace(division="reciprocal").digest()
    serial = PRESETS["tiny"].replace(core="serial", row_words=16)
    assert serial.digest() != serial.replace(core="parallel").digest()
    changes: dict[str, Any] = {
        "rows": 4, "columns": 24, "pot_columns": 0, "weight_bits": 7, "pot_bits": 3,
        "activation_bits": 7, "log2_attention": True, "hybrid": True,
        "requant": "shift", "post_cycles": 2,
        "vector_cycles": 2, "array_products": "luts", "post_products": "luts",
        "vector_products": "mixed", "accumulator_rows": 128,
        "accumulator_bits": 31, "activation_words": 2048, "activation_banks": 2,
        "depthwise_taps": 1, "depthwise_bits": 8, "depthwise_products": "luts",
        "depthwise_cycles": 2, "depthwise_width": 64, "depthwise_steps": 500,
        "depthwise_words": 60, "weight_words": 1024, "post_words": 127, "vector_words": 63,
        "row_words": 63,
        "table_slots": 3, "axi_bytes": 4, "burst_beats": 31, "queue_depth": 3,
    }  # fmt: skip
    # a serial core has no other columns, only hybrids divide
    assert {"core", "division", *changes} == FIELDS.keys()
    digests = {base.replace(**{name: value}).digest() for name, value in changes.items()}
    assert len(digests | {base.digest()}) == len(changes) + 1
    assert all(re.fullmatch("[0-9a-f]{12}", digest) for digest in digests)


# groups, pot_groups, packed, wide_groups, multipliers, weight_tile_words
DERIVED = {
    "demo": (2, 1, False, 1, 64, 12),
    "w8a8": (1, 0, False, 1, 64, 8),
    "w6a6": (2, 0, False, 2, 128, 16),
    "w4a8": (2, 0, True, 1, 64, 8),
    "w4a4": (2, 0, True, 1, 16, 4),
    "shift": (1, 0, False, 1, 64, 8),
    "tiny": (1, 0, False, 1, 16, 4),
    "small": (2, 0, True, 1, 4, 2),
    "icebreaker": (1, 0, False, 1, 16, 4),
    "tang-nano-20k": (1, 0, False, 1, 16, 4),
    "mixed-12x24": (2, 1, False, 1, 144, 18),
    "deit-12x12": (1, 0, False, 1, 144, 12),
    "ulx3s-85f": (2, 0, True, 1, 144, 12),
    "ulx3s-85f-pot": (4, 2, True, 1, 144, 24),
    "large-16x32": (2, 0, False, 2, 512, 32),
    "efficientvit": (2, 1, False, 1, 64, 12),
    "efficientvit-16x16": (1, 0, False, 1, 256, 16),
}


def test_derived_properties_of_presets() -> None:
    assert {
        name: (
            p.groups,
            p.pot_groups,
            p.packed,
            p.wide_groups,
            p.multipliers,
            p.weight_tile_words,
        )
        for name, p in PRESETS.items()
    } == DERIVED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "hybrid must be True for division = 'reciprocal', not False"),
        (
            {"hybrid": True, "requant": "shift"},
            "requant must be 'multiplier' for division = 'reciprocal', not 'shift'",
        ),
        (
            {"hybrid": True, "post_cycles": 4},
            "rows / post_cycles must be a multiple of 4 for division = 'reciprocal', not 2",
        ),
    ],
)
def test_reciprocals_refuse_what_they_cannot_be_made_of(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        AcceleratorConfig().replace(division="reciprocal", **change)
    assert str(refused.value) == message


def test_packing_needs_pairs_of_uniform_groups() -> None:
    base = AcceleratorConfig(rows=4, columns=12, weight_bits=4)
    assert (base.packed, base.wide_groups, base.multipliers) == (False, 3, 48)
    pot = base.replace(pot_columns=4)
    assert (pot.packed, pot.wide_groups, pot.multipliers) == (True, 1, 16)


@pytest.mark.parametrize(("rows", "pot_bits", "words"), [(3, 4, 2), (3, 5, 3), (4, 3, 2)])
def test_words_of_power_of_two_columns_round_up(rows: int, pot_bits: int, words: int) -> None:
    config = AcceleratorConfig(rows=rows, columns=2 * rows, pot_columns=rows, pot_bits=pot_bits)
    assert config.pot_tile_words == words
    assert config.weight_tile_words == rows + words
