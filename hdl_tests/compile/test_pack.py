"""Bytes of weights and parameters; filters find columns of their kind."""

import numpy as np
import pytest

from vitaccel import isa
from vitaccel.compile.pack import Channels, pack_norm, pack_post, pack_table, pack_weights
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

MIXED = AcceleratorConfig(rows=4, columns=8, pot_columns=4)
PACKED = AcceleratorConfig(rows=2, columns=4, weight_bits=4)


def mixed_weights(pot: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    uniform = rng.integers(-128, 128, (len(pot), 8))
    power = rng.choice([0, 1, 2, 4, 8, 16, 32, 64], (len(pot), 8)) * rng.choice(
        [-1, 1], (len(pot), 8)
    )
    return np.where(pot[:, None], power, uniform)


def test_mixed_filters_keep_their_lane_and_get_their_kind() -> None:
    pot = np.array([1, 0, 1, 0, 0, 1, 0, 1], dtype=bool)
    packed = pack_weights(mixed_weights(pot), pot, MIXED, "x")
    assert packed.columns == isa.Columns.ALL
    assert packed.tiles.shape == (1, 2, 4 + 2, 4)
    np.testing.assert_array_equal(packed.select, [[1, 0, 1, 0], [0, 1, 0, 1]])


def test_surplus_pot_filters_take_uniform_columns() -> None:
    pot = np.ones(8, dtype=bool)
    packed = pack_weights(mixed_weights(pot), pot, MIXED, "x")
    assert packed.columns == isa.Columns.ALL
    assert sorted(packed.select[:, 0].tolist()) == [0, 1]


def test_padding_takes_any_column() -> None:
    pot = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    weight = mixed_weights(pot)
    weight[4:] = 0
    packed = pack_weights(weight, pot, MIXED, "x")
    assert packed.columns == isa.Columns.ALL
    np.testing.assert_array_equal(packed.select, [[1, 1, 0, 0], [0, 0, 1, 1]])


def test_surplus_uniform_filters_fall_back_to_one_value_per_multiplier() -> None:
    pot = np.zeros(8, dtype=bool)
    packed = pack_weights(mixed_weights(pot), pot, MIXED, "x")
    assert packed.columns == isa.Columns.UNIFORM
    assert packed.tiles.shape == (2, 2, 4, 4)
    assert packed.tile_words == 1


def test_packed_words_hold_two_nibbles() -> None:
    weight = np.array([[1, -2], [3, -4], [5, -6], [7, -8]])
    packed = pack_weights(weight, np.zeros(4, dtype=bool), PACKED, "x")

    def nibbles(low: int, high: int) -> int:
        return (low & 15) | (high & 15) << 4

    np.testing.assert_array_equal(
        packed.tiles[0, 0], [[nibbles(1, 5), nibbles(-2, -6)], [nibbles(3, 7), nibbles(-4, -8)]]
    )


def test_eight_bit_weights_on_packed_columns_are_wide() -> None:
    weight = np.array([[100, -2], [3, -4], [5, -128], [7, -8]])
    packed = pack_weights(weight, np.zeros(4, dtype=bool), PACKED, "x")
    assert packed.columns == isa.Columns.UNIFORM
    np.testing.assert_array_equal(packed.select, [[0, 0], [0, 0]])
    np.testing.assert_array_equal(packed.tiles.view(np.int8)[0, 0], [[100, -2], [3, -4]])


def test_weights_too_wide_for_the_columns_are_refused() -> None:
    config = AcceleratorConfig(rows=2, columns=2, weight_bits=6, activation_bits=6)
    with pytest.raises(ConfigError) as refusal:
        pack_weights(np.array([[100, 0], [0, 0]]), np.zeros(2, dtype=bool), config, "head")
    assert str(refusal.value) == (
        "layer head has weights of 8 bits, but the uniform columns take 6; set weight_bits to 8 "
        "or quantise to fewer bits"
    )


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_pot_codes_decode_to_their_values(bits: int) -> None:
    config = AcceleratorConfig(rows=4, columns=8, pot_columns=4, pot_bits=bits)
    top = (1 << bits - 1) - 2
    rng = np.random.default_rng(bits)
    weight = np.zeros((8, 4), dtype=np.int64)
    pot = np.repeat([False, True], 4)
    weight[4:] = np.array([0, *(2**e for e in range(top + 1))])[rng.integers(0, top + 2, (4, 4))]
    weight[4:] *= rng.choice([-1, 1], (4, 4))
    words = pack_weights(weight, pot, config, "x").tiles[0, 0, 4:].astype(int)
    columns = words if bits > 4 else np.stack([words & 15, words >> 4], axis=1).reshape(4, 4)
    sign, e = columns >> bits - 1, columns & (1 << bits - 1) - 1
    decoded = np.where(e == 0, 0, (1 << np.maximum(e, 1) - 1) * (1 - 2 * sign))
    np.testing.assert_array_equal(decoded, weight[4:])


def channels(mul: list[int]) -> Channels:
    n = np.array(mul)
    return Channels(n * 0 - 2, n, n * 0, np.zeros((1, 2), dtype=int))


def test_post_planes_are_little_endian() -> None:
    planes = pack_post(channels([0x1234, 1]), PACKED, "x")
    np.testing.assert_array_equal(planes[0, :, 0], [254, 255, 255, 255, 0x34, 0x12, 0, 0, 0])


def test_shift_gateware_takes_exponents() -> None:
    config = PACKED.replace(requant="shift")
    planes = pack_post(channels([0x1000, 0]), config, "x")
    assert planes[0, 4].tolist() == [12, 255]


def test_shift_gateware_refuses_other_multipliers() -> None:
    with pytest.raises(ConfigError) as refusal:
        pack_post(channels([3, 4]), PACKED.replace(requant="shift"), "head")
    assert str(refusal.value) == (
        "layer head scales by 3, but requant = 'shift' takes powers of two; quantise with the "
        "scheme shift, or set requant to 'multiplier'"
    )


def test_norm_and_table_planes() -> None:
    planes = pack_norm(np.array([-2, 1]), np.array([-3, 1]), np.array([2, 0]), PACKED)
    assert planes[0, :, 0].tolist() == [254, 255, 253, 255, 255, 255, 2]
    table = pack_table(np.array([0x1234, 0x8000]), 2, PACKED)
    assert table.tolist() == [[0x34, 0x34], [0x12, 0x12], [0, 0], [0x80, 0x80]]
