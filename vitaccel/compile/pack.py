"""Bytes of weights, requantisation parameters and tables as the hardware reads them."""

from dataclasses import dataclass

import numpy as np

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = [
    "Channels",
    "Packed",
    "byte_planes",
    "exponents",
    "pack_norm",
    "pack_post",
    "pack_table",
    "pack_weights",
]

Array = np.ndarray
SLOT = 4  # bit of `select` from which on it is that of the table


@dataclass(frozen=True)
class Packed:
    """Weights of one layer, tile after tile, and where each output channel comes out.

    ``tiles`` uint8 ``[n_tiles, k_tiles, words_per_tile, rows]``; ``select`` ``[n_words, rows]``;
    ``tile_words`` output words per tile.
    """

    tiles: Array
    select: Array
    columns: isa.Columns
    tile_words: int


def pack_weights(weight: Array, pot: Array, config: AcceleratorConfig, layer: str) -> Packed:
    """Assign filters to columns and lay out their weights.

    Parameters
    ----------
    weight
        int ``[n, k]``, both padded to whole words.
    pot
        bool ``[n]``, filters that are 0 or ±2**e throughout.

    Uses all columns where every (tile, lane) has a column of the right kind for each of its
    filters; otherwise one 8-bit value per multiplier of the uniform columns.

    Raises
    ------
    ConfigError
        If the weights fit neither way.
    """
    groups = _assign(weight, pot, config)
    if groups is not None:
        return _pack_all(weight, groups, config)
    bits = 8 if config.packed else max(config.weight_bits, config.activation_bits)
    need = _bits_of(weight)
    if need > bits:
        raise ConfigError(
            f"layer {layer} has weights of {need} bits, but the uniform columns take {bits}; "
            f"set weight_bits to {need} or quantise to fewer bits"
        )
    return _pack_uniform(weight, config)


def _bits_of(weight: Array) -> int:
    return 1 + max(int(weight.max()).bit_length(), int(-1 - weight.min()).bit_length(), 0)


def _assign(weight: Array, pot: Array, config: AcceleratorConfig) -> Array | None:
    """Group of columns for each filter, ``[n]``; None where kinds and columns do not match."""
    n = len(weight)
    top = (1 << config.weight_bits - 1) - 1
    fits = (weight.max(axis=1) <= top) & (weight.min(axis=1) >= -top - 1)
    codable = pot & (np.abs(weight).max(axis=1) <= 1 << (1 << config.pot_bits - 1) - 2)
    empty = ~weight.any(axis=1)  # padding: takes whatever column is left
    order = np.where(empty, 2, np.where(codable, 0, 1))
    span = config.groups * config.rows
    chosen = np.zeros(n, dtype=np.int64)
    for start in range(0, n, span):
        for lane in range(config.rows):
            channels = range(start + lane, min(start + span, n), config.rows)
            free = list(range(config.groups))  # pot groups are the last
            for channel in sorted(channels, key=order.__getitem__):
                uniform = [g for g in free if g < config.uniform_groups and fits[channel]]
                power = [g for g in free if g >= config.uniform_groups]
                allowed = (power + uniform, uniform, free)
                candidates = allowed[order[channel]]
                if not candidates:
                    return None
                chosen[channel] = candidates[0]
                free.remove(candidates[0])
    return chosen


def _tiled(weight: Array, config: AcceleratorConfig, groups: Array, count: int) -> Array:
    """int64 ``[n_tiles, k_tiles, count * rows columns, rows]``; columns without a filter are 0."""
    n, k = weight.shape
    rows, span = config.rows, count * config.rows
    n_tiles = -(-n // span)
    tiles = np.zeros((n_tiles, span, k), dtype=np.int64)
    channel = np.arange(n)
    tiles[channel // span, groups * rows + channel % rows] = weight
    return tiles.reshape(n_tiles, span, k // rows, rows).transpose(0, 2, 1, 3)


def _pack_all(weight: Array, groups: Array, config: AcceleratorConfig) -> Packed:
    rows, uniform = config.rows, config.uniform_groups * config.rows
    tiles = _tiled(weight, config, groups, config.groups)
    words = tiles[:, :, :uniform]
    if config.packed:
        pairs = words.reshape(*words.shape[:2], config.wide_groups, 2, rows, rows) & 15
        words = pairs[:, :, :, 0] | pairs[:, :, :, 1] << 4
        words = words.reshape(*words.shape[:2], config.wide_groups * rows, rows)
    if config.pot_columns:
        words = np.concatenate([words, _pot_words(tiles[:, :, uniform:], config)], axis=2)
    select = groups.reshape(-1, rows)
    return Packed((words & 255).astype(np.uint8), select, isa.Columns.ALL, config.groups)


def _pot_words(values: Array, config: AcceleratorConfig) -> Array:
    sign = 1 << config.pot_bits - 1
    exponent = np.log2(np.maximum(np.abs(values), 1)).astype(np.int64) + 1
    codes = np.where(values == 0, 0, exponent | np.where(values < 0, sign, 0))
    if config.pot_bits > 4:
        return codes
    if codes.shape[2] % 2:
        codes = np.concatenate([codes, np.zeros_like(codes[:, :, :1])], axis=2)
    return codes[:, :, ::2] | codes[:, :, 1::2] << 4


def _pack_uniform(weight: Array, config: AcceleratorConfig) -> Packed:
    groups = np.arange(len(weight)) // config.rows % config.wide_groups
    tiles = _tiled(weight, config, groups, config.wide_groups)
    select = (groups * (2 if config.packed else 1)).reshape(-1, config.rows)
    return Packed((tiles & 255).astype(np.uint8), select, isa.Columns.UNIFORM, config.wide_groups)


def byte_planes(value: Array, count: int) -> list[Array]:
    """Bytes of each value, the lowest first."""
    return [(value >> 8 * byte & 255).astype(np.uint8) for byte in range(count)]


@dataclass(frozen=True)
class Channels:
    """What POST needs of every output channel, int ``[n]`` each; ``select`` ``[n_words, rows]``.

    ``slot``: of the channel's table, counted from the first one of the layer.
    """

    bias: Array
    mul: Array
    residual_mul: Array
    select: Array
    slot: Array | None = None


def pack_post(channels: Channels, config: AcceleratorConfig, layer: str) -> Array:
    """Planes of POST_PARAM, uint8 ``[n_words, 9, rows]``; of the serial core ``[n_words, 16, 4]``.

    Raises
    ------
    ConfigError
        If the gateware scales by shifts alone and a multiplier is no power of two.
    """
    mul, residual_mul, select = channels.mul, channels.residual_mul, channels.select
    if channels.slot is not None:
        select = select | channels.slot.reshape(select.shape) << SLOT
    if config.requant == "shift":
        mul, residual_mul = exponents(mul, layer), exponents(residual_mul, layer)
    planes = [
        *byte_planes(channels.bias, 4),
        *byte_planes(mul, 2),
        *byte_planes(residual_mul, 2),
        *byte_planes(select, 1),
    ]
    if config.core == "serial":
        return _by_lane([*planes[:8], *byte_planes(np.zeros_like(mul), 8)], config)
    return _by_plane(planes, config)


def _by_plane(planes: list[Array], config: AcceleratorConfig) -> Array:
    """Bytes of each plane together, uint8 ``[n_words, planes, rows]``."""
    return np.stack([plane.reshape(-1, config.rows) for plane in planes], axis=1)


def _by_lane(planes: list[Array], config: AcceleratorConfig) -> Array:
    """Bytes of each lane together, for the serial core, in the same shape."""
    words = _by_plane(planes, config)
    return words.swapaxes(1, 2).reshape(words.shape)


def exponents(mul: Array, layer: str) -> Array:
    """Multipliers as the gateware takes them that has shifts only.

    Raises
    ------
    ConfigError
        If one is no power of two.
    """
    if np.any(mul & (mul - 1)):
        bad = int(mul[(mul & (mul - 1)) != 0][0])
        raise ConfigError(
            f"layer {layer} scales by {bad}, but requant = 'shift' takes powers of two; "
            "quantise with the scheme shift, or set requant to 'multiplier'"
        )
    return np.where(mul == 0, 255, np.log2(np.maximum(mul, 1)).astype(np.int64))


def pack_norm(gain: Array, offset: Array, shift: Array, config: AcceleratorConfig) -> Array:
    """Planes of VECTOR_PARAM, uint8 ``[n_words, 7, rows]``, from int ``[n_words * rows]`` each.

    The serial core gets ``[n_words, 8, 4]``: offset, gain with 24 bits, and the factor that
    makes of an element -16 times what it stands for.
    """
    if config.core == "serial":
        return _by_lane(
            [*byte_planes(offset, 4), *byte_planes(gain, 3), *byte_planes(-(16 << shift), 1)],
            config,
        )
    return _by_plane(
        [*byte_planes(gain, 2), *byte_planes(offset, 4), *byte_planes(shift, 1)], config
    )


def pack_table(entries: Array, planes: int, config: AcceleratorConfig) -> Array:
    """Words of TABLE or EXP, uint8 ``[256 * planes, rows]``: every lane holds the same byte.

    For the serial core the bytes of an entry follow one another, again and again, and TABLE begins
    with the entry of -128 instead of 0.
    """
    if config.core == "serial" and planes == 1:
        entries = np.roll(entries, 128)
    split = np.stack(byte_planes(entries, planes), axis=1)
    if config.core == "serial":
        return np.tile(split, (1, config.rows)).reshape(-1, config.rows)
    return np.repeat(split.reshape(-1, 1), config.rows, axis=1)
