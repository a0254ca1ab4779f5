"""Random GEMM commands on random memories, and their exact sums by numpy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl_tests.harness.payload import packed
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout
from vitaccel.isa import Columns, Stationary

Words = NDArray[np.uint8]  # [words, rows]
Ints = NDArray[np.int64]

MODES = [
    (Stationary.WEIGHT, Columns.ALL),
    (Stationary.WEIGHT, Columns.UNIFORM),
    (Stationary.ROWS, Columns.UNIFORM),
    (Stationary.TRANSPOSED, Columns.UNIFORM),
    (Stationary.ROWS, Columns.POT),
    (Stationary.TRANSPOSED, Columns.POT),
    (Stationary.ROWS, Columns.PACKED),
    (Stationary.TRANSPOSED, Columns.PACKED),
]


@dataclass(frozen=True)
class Gemm:
    """A command; addresses count modulo the memories, so every command is within them."""

    stream: int = 0
    stream_stride: int = 1
    n_rows: int = 1
    k_tiles: int = 1
    n_tiles: int = 1
    stationary: int = 0
    stationary_stride: int = 1
    tile_stride: int = 1
    source: int = Stationary.WEIGHT
    columns: int = Columns.ALL
    unsigned: int = 0
    lanes_before: int = 0
    lanes_after: int = 0
    relu_stream: int = 0
    relu_stationary: int = 0
    kernel: int = 0
    tap_words: int = 0
    row_pixels: int = 0

    def as_bits(self, *, hybrid: bool = False) -> int:
        """Payload of the command stream."""
        layout = command_layout(isa.Op.GEMM, hybrid=hybrid)
        return packed(layout, {n: value for n, value in vars(self).items() if n in layout.members})


def modes(config: AcceleratorConfig) -> list[tuple[Stationary, Columns]]:
    """Sources and columns that an array can take."""
    there = {Columns.POT: config.log2_attention, Columns.PACKED: config.packed}
    return [mode for mode in MODES if there.get(mode[1], True)]


def random_gemm(config: AcceleratorConfig, rng: np.random.Generator, **fixed: int) -> Gemm:
    """Any legal command, small counts more often than large ones."""
    source, columns = modes(config)[rng.integers(len(modes(config)))]
    source = fixed.get("source", source)
    most = config.accumulator_rows
    lanes = rng.integers(config.rows, size=2) * (source == Stationary.ROWS)
    drawn = {
        "stream": int(rng.integers(2**16)),
        "stream_stride": int(rng.integers(2**16)),
        "n_rows": int(rng.choice([int(rng.integers(1, 9)), int(rng.integers(1, most + 1)), most])),
        "k_tiles": int(rng.integers(1, 6)),
        "n_tiles": int(rng.integers(1, 4)),
        "stationary": int(rng.integers(2**16)),
        "stationary_stride": int(rng.integers(2**15 // config.rows)),
        "tile_stride": int(rng.integers(2**16)),
        "source": source,
        "columns": columns,
        "unsigned": int(rng.integers(2)),
        "lanes_before": int(lanes[0]),
        "lanes_after": int(lanes[1]),
        "relu_stream": int(config.hybrid and rng.integers(2)),
        "relu_stationary": int(config.hybrid and source != Stationary.WEIGHT and rng.integers(2)),
    }
    return Gemm(**(drawn | fixed))


def random_memories(config: AcceleratorConfig, rng: np.random.Generator) -> tuple[Words, Words]:
    """Return activation memory and weight buffer; a quarter of all bytes are extreme."""
    bits = config.activation_bits
    low, high = -(2 ** (bits - 1)), 2**bits - 1
    activations = rng.integers(low, high + 1, (config.activation_words, config.rows))
    corner = rng.choice([low, -low - 1, high, 15], activations.shape)
    activations = np.where(rng.random(activations.shape) < 0.25, corner, activations)
    weights = rng.integers(0, 256, (config.weight_words, config.rows))
    corner = rng.choice([0x80, 0x7F, 0x88, 0xFF, 0x00], weights.shape)
    weights = np.where(rng.random(weights.shape) < 0.25, corner, weights)
    return activations.astype(np.uint8), weights.astype(np.uint8)


def signed(values: Ints, bits: int) -> Ints:
    """Low bits of each value as two's complement."""
    return ((values + (1 << bits - 1)) & ((1 << bits) - 1)) - (1 << bits - 1)


def _streamed(config: AcceleratorConfig, gemm: Gemm, k_tile: int, activations: Words) -> Ints:
    rows = np.arange(gemm.n_rows, dtype=np.int64)
    at = (gemm.stream + rows * gemm.stream_stride + k_tile) % len(activations)
    lanes = activations[at].astype(np.int64)
    if gemm.relu_stream:
        lanes = np.where(lanes < 128, lanes, 0)
    if config.activation_bits == 8 and gemm.unsigned:
        return lanes
    return signed(lanes, min(8, config.activation_bits + 1))


def _words(
    config: AcceleratorConfig, gemm: Gemm, tile: tuple[int, int], memories: tuple[Words, Words]
) -> Ints:
    """Return the word of every physical column that is filled ``[columns, rows]``."""
    activations, weights = memories
    rows, (n_tile, k_tile) = config.rows, tile
    wide = config.pot_columns if gemm.columns == Columns.POT else config.wide_groups * rows
    if gemm.source == Stationary.WEIGHT:
        size = config.weight_tile_words if gemm.columns == Columns.ALL else wide
        at = gemm.stationary + (n_tile * gemm.k_tiles + k_tile) * size + np.arange(size)
        return weights[at % len(weights)].astype(np.int64)
    groups = _blocks(config, gemm, tile, activations)
    if gemm.columns == Columns.PACKED:
        groups = groups[::2] & 15 | (groups[1::2] & 15) << 4
    return groups.reshape(-1, rows)


def _blocks(
    config: AcceleratorConfig, gemm: Gemm, tile: tuple[int, int], activations: Words
) -> Ints:
    """Stationary operand of every group that is filled ``[groups, columns, rows]``."""
    rows, (n_tile, k_tile) = config.rows, tile
    base = gemm.stationary + n_tile * gemm.tile_stride
    groups = {
        Columns.UNIFORM: config.wide_groups,
        Columns.POT: config.pot_groups,
        Columns.PACKED: config.uniform_groups,
    }
    group, within = np.mgrid[: groups[Columns(gemm.columns)], :rows]
    if gemm.source == Stationary.TRANSPOSED:
        at = base + group + (k_tile * rows + within) * gemm.stationary_stride
        return _relu(gemm, activations[at % len(activations)].swapaxes(1, 2).astype(np.int64))
    at = base + (group * rows + within) * gemm.stationary_stride + k_tile
    words = activations[at % len(activations)].astype(np.int64)
    if k_tile == 0:
        words[..., : gemm.lanes_before] = 0
    if k_tile == gemm.k_tiles - 1:
        words[..., rows - gemm.lanes_after :] = 0
    return _relu(gemm, words)


def _relu(gemm: Gemm, words: Ints) -> Ints:
    return np.where(words < 128, words, 0) if gemm.relu_stationary else words


def _pot(config: AcceleratorConfig, words: Ints) -> Ints:
    """Values of the power-of-two columns of a weight tile ``[columns, rows]``."""
    bits = config.pot_bits
    if bits <= 4:
        words = np.stack([words & 15, words >> 4], 1).reshape(-1, config.rows)
    words = words[: config.pot_columns]
    exponent = words & (2 ** (bits - 1) - 1)
    value = np.where(exponent == 0, 0, 1 << np.maximum(exponent - 1, 0))
    return np.where(words >> (bits - 1) & 1, -value, value)


def _uniform(config: AcceleratorConfig, words: Ints, wide: bool) -> Ints:
    if not config.packed:
        return signed(words, 8)
    low = words & 15 if wide else signed(words & 15, 4)
    pairs = np.stack([low, signed(words >> 4, 4)])  # [2, columns / 2, rows]
    groups = pairs.reshape(2, -1, config.rows, config.rows).swapaxes(0, 1)
    return groups.reshape(-1, config.rows)


def _sums(
    config: AcceleratorConfig, gemm: Gemm, n_tile: int, memories: tuple[Words, Words]
) -> Ints:
    """Return sums of the filled columns ``[n_rows, columns]``."""
    n_wide = config.wide_groups * config.rows
    total: Ints = np.zeros((), dtype=np.int64)
    for k_tile in range(gemm.k_tiles):
        x = _streamed(config, gemm, k_tile, memories[0])
        words = _words(config, gemm, (n_tile, k_tile), memories)
        if gemm.columns == Columns.POT:
            q, v = (x & 15)[:, None, :], signed(words, 8)[None]
            total = total + np.where(q == 15, 0, v << np.maximum(14 - q, 0)).sum(2)
            continue
        wide = gemm.columns == Columns.UNIFORM
        values = _uniform(config, words[:n_wide], wide)
        if gemm.columns == Columns.ALL:
            values = np.concatenate([values, _pot(config, words[n_wide:])])
        total = total + x @ values.T
    return np.asarray(signed(total, config.accumulator_bits))


def expected(
    config: AcceleratorConfig, gemm: Gemm, memories: tuple[Words, Words]
) -> Iterator[tuple[slice, Ints]]:
    """Give the filled columns and their sums ``[n_rows, columns]`` of every n-tile."""
    n_uniform = config.uniform_groups * config.rows
    filled = {
        Columns.ALL: slice(0, config.columns),
        Columns.UNIFORM: slice(0, n_uniform),
        Columns.PACKED: slice(0, n_uniform),
        Columns.POT: slice(n_uniform, config.columns),
    }
    for n_tile in range(gemm.n_tiles):
        yield filled[Columns(gemm.columns)], _sums(config, gemm, n_tile, memories)


def word_bits(word: Words) -> int:
    """One word as the memory's data bus shows it."""
    return int.from_bytes(word.tobytes(), "little")


def columns_of_bits(config: AcceleratorConfig, bits: int) -> Ints:
    """Accumulators of a row, from the drain port's data."""
    width = config.accumulator_bits
    mask = (1 << width) - 1
    raw = [bits >> n * width & mask for n in range(config.columns)]
    return signed(np.array(raw, dtype=np.int64), width)
