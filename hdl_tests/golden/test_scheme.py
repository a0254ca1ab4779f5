"""Schemes: presets, what an accelerator asks for, refusals."""

import pytest

from golden.scheme import SCHEMES, Scheme
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS


@pytest.mark.parametrize("name", SCHEMES)
def test_presets_survive_json(name: str) -> None:
    scheme = SCHEMES[name]
    assert scheme.name == name
    assert Scheme.model_validate_json(scheme.model_dump_json()) == scheme
    assert Scheme.parse(scheme.model_dump()) == scheme


@pytest.mark.parametrize(
    ("scheme", "config"),
    [
        ("w8a8", "w8a8"),
        ("w6a6", "w6a6"),
        ("w4a8", "w4a8"),
        ("w4a4", "w4a4"),
        ("mixed", "demo"),
        ("shift", "shift"),
    ],
)
def test_presets_suit_the_accelerator_of_their_kind(scheme: str, config: str) -> None:
    assert Scheme.for_config(scheme, PRESETS[config]) == SCHEMES[scheme].replace(
        groups=PRESETS[config].groups
    )


def test_accelerator_gives_bits_and_array() -> None:
    config = PRESETS["demo"].replace(rows=4, columns=16, pot_columns=12, pot_bits=5, weight_bits=6)
    scheme = Scheme.for_config("mixed", config)
    found = (scheme.rows, scheme.groups, scheme.pot_groups, scheme.pot_bits, scheme.weight_bits)
    assert found == (4, 4, 3, 5, 6)


def test_log2_refuses_an_accelerator_without_it() -> None:
    with pytest.raises(ConfigError) as refusal:
        Scheme.for_config("mixed", PRESETS["w8a8"])
    assert str(refusal.value) == (
        "scheme mixed has log2 attention, which the accelerator lacks; set log2_attention and "
        "pot_columns"
    )


def test_m2q_refuses_an_array_without_power_of_two_columns() -> None:
    with pytest.raises(ConfigError) as refusal:
        Scheme.for_config("m2q", PRESETS["w8a8"])
    assert str(refusal.value) == (
        "scheme m2q divides filters between uniform and power-of-two columns, which the "
        "accelerator lacks; set pot_columns, or take scheme trio"
    )
    scheme = Scheme.for_config("m2q", PRESETS["demo"])
    assert (scheme.groups, scheme.pot_groups, scheme.depthwise_bits) == (2, 1, 4)


def test_accelerator_says_how_attention_divides() -> None:
    config = PRESETS["efficientvit"]
    for division in ("log2", "reciprocal"):
        found = Scheme.for_config("naive", config.replace(division=division))
        assert found.division == division
    with pytest.raises(ConfigError) as refusal:
        SCHEMES["naive"].replace(requant="shift")
    assert str(refusal.value) == (
        "division = 'reciprocal' multiplies: it needs requant = 'multiplier'"
    )


def test_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError) as refusal:
        Scheme.for_config("w3a3", PRESETS["w8a8"])
    assert str(refusal.value) == (
        "scheme must be one of w8a8, w6a6, w4a8, w4a8kv4, w4a4, mixed, shift, trio, m2q, naive, "
        "not 'w3a3'"
    )


def test_scheme_refuses_an_array_without_uniform_columns() -> None:
    with pytest.raises(ConfigError) as refusal:
        SCHEMES["mixed"].replace(pot_groups=2)
    assert str(refusal.value) == "pot_groups must leave one of groups (2) uniform, not 2"


def test_scheme_refuses_unknown_keys() -> None:
    with pytest.raises(ConfigError) as refusal:
        Scheme.parse({"weight_bit": 8})
    assert str(refusal.value) == "weight_bit is not a parameter; did you mean 'weight_bits'?"


def test_trio_is_uniform_on_an_array_with_power_of_two_columns() -> None:
    scheme = Scheme.for_config("trio", PRESETS["demo"])
    assert (scheme.groups, scheme.pot_groups) == (2, 0)
