"""Random POST commands with their accumulators, residuals and golden words."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from golden import ops
from vitaccel.config import AcceleratorConfig

__all__ = ["Case", "Memories", "random_case"]

RESIDUAL_WORDS = 1024
TARGET_WORDS = 2048
MOST_SLOTS = 3


class Memories:
    """POST_PARAM, TABLE and the activation memory that residuals come from."""

    def __init__(self, config: AcceleratorConfig, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        words = (config.post_words, config.rows)
        self.config = config
        self.bias = torch.randint(-(1 << 16), 1 << 16, words, generator=draw)
        self.select = torch.randint(0, config.groups, words, generator=draw)
        self.paired = config.post_words // 2 if config.packed else 0  # words for `wide` commands
        self.select[: self.paired] //= 2  # first group of a pair of uniform groups
        self.select[: self.paired] *= 2
        self.select[: self.paired].clamp_(max=config.uniform_groups - 2)
        self.tables = torch.randint(-128, 128, (config.table_slots, 256), generator=draw)
        self.residual = torch.randint(
            -128, 128, (RESIDUAL_WORDS, config.rows), generator=draw, dtype=torch.int64
        )
        self.slot = torch.zeros(words, dtype=torch.int64)  # of the lane's table, counted on
        if config.hybrid:
            self.slot = torch.randint(0, MOST_SLOTS, words, generator=draw)
        top = 17 if config.requant == "shift" else 1 << 16
        self.codes = torch.randint(0, top, (2, *words), generator=draw)
        self.codes[self.codes == 16] = 255
        self.factors = self.codes
        if config.requant == "shift":
            self.factors = torch.where(self.codes == 255, 0, 1 << self.codes.clamp(max=15))

    def param_writes(self) -> list[tuple[int, list[int]]]:
        """(address, lanes) for the port `param`."""
        planes = [(self.bias >> 8 * p) & 255 for p in range(4)]
        planes += [(code >> 8 * p) & 255 for code in self.codes for p in range(2)]
        planes.append(self.select | self.slot << 4)
        return [
            (word << 4 | p, plane[word].tolist())
            for word in range(self.config.post_words)
            for p, plane in enumerate(planes)
        ]

    def table_writes(self) -> list[tuple[int, list[int]]]:
        """(address, lanes) for the port `table`."""
        return [
            (slot << 8 | (value & 255), [int(table[value + 128]) & 255] * self.config.rows)
            for slot, table in enumerate(self.tables)
            for value in range(-128, 128)
        ]


@dataclass
class Case:
    """One command.

    Parameters
    ----------
    fields
        Of `isa.Op.POST`.
    tiles
        Accumulators ``[n_rows, columns]`` per n-tile.
    want
        (address, lanes, lanes that are kept) in the order in which they are written.
    """

    fields: dict[str, int]
    tiles: list[Tensor]
    want: list[tuple[int, list[int], int]]


def random_case(rng: random.Random, memories: Memories, **fixed: int) -> Case:
    """Draw a legal command, small, with corners; ``fixed`` fields are as given."""
    config = memories.config
    signed = rng.random() < 0.7
    fields = {
        "n_rows": rng.choice([1, 2, 5, config.accumulator_rows if rng.random() < 0.1 else 3]),
        "n_words": rng.choice([1, 2, 3, 4]),
        "tile_words": rng.randint(1, config.groups),
        "dst": rng.randrange(TARGET_WORDS),
        "dst_stride": rng.randrange(64),
        "residual": rng.randrange(256),
        "residual_stride": rng.randrange(16),
        "pre_shift": rng.randrange(0, min(config.accumulator_bits - 17, 16)),
        "post_shift": rng.choice([1, 16, 20, 24, 28, 32]),
        "zero_point": rng.randrange(-128, 128),
        "low": -128 if signed else 0,
        "high": 127 if signed else 255,
        "use_residual": rng.randrange(2),
        "use_table": rng.randrange(2) if signed else 0,
        "table": rng.randrange(config.table_slots - (MOST_SLOTS - 1) * config.hybrid),
        "wide": rng.randrange(2) if config.packed else 0,
        "lanes_before": rng.choice([0, rng.randrange(config.rows)]),
        "lanes_after": rng.choice([0, rng.randrange(config.rows)]),
    } | fixed
    first, past = (0, memories.paired) if fields["wide"] else (memories.paired, config.post_words)
    fields.setdefault("param", rng.randrange(first, past - fields["n_words"] + 1))
    draw = torch.Generator().manual_seed(rng.randrange(1 << 31))
    bound = 1 << 16 + fields["pre_shift"]
    n_tiles = -(-fields["n_words"] // fields["tile_words"])
    if fields["wide"]:
        bound //= 17
    tiles = [
        torch.randint(-bound, bound, (fields["n_rows"], config.columns), generator=draw)
        for _ in range(n_tiles)
    ]
    return Case(fields, tiles, _golden(memories, fields, tiles))


def _golden(
    memories: Memories, fields: dict[str, int], tiles: list[Tensor]
) -> list[tuple[int, list[int], int]]:
    """Write of every (tile, row, word), in this order."""
    rows = torch.arange(fields["n_rows"])
    found = []
    for n, tile in enumerate(tiles):
        first = n * fields["tile_words"]
        words = torch.arange(first, min(first + fields["tile_words"], fields["n_words"]))
        y = _words(memories, fields, tile, words)  # [rows, words, R]
        target = fields["dst"] + rows[:, None] * fields["dst_stride"] + words
        found += [
            (int(target[m, w]), [int(v) & 255 for v in y[m, w]], _kept(memories, fields, words[w]))
            for m in range(len(rows))
            for w in range(len(words))
        ]
    return found


def _kept(memories: Memories, fields: dict[str, int], word: Tensor) -> int:
    rows = memories.config.rows
    before = fields["lanes_before"] if word == 0 else 0
    after = fields["lanes_after"] if word == fields["n_words"] - 1 else 0
    return sum(1 << lane for lane in range(rows) if lane < before or lane >= rows - after)


def _words(memories: Memories, fields: dict[str, int], tile: Tensor, words: Tensor) -> Tensor:
    config = memories.config
    at = fields["param"] + words  # words of the parameters
    column = memories.select[at] * config.rows + torch.arange(config.rows)  # [words, R]
    acc = tile[:, column]  # [rows, words, R]
    if fields["wide"]:
        acc = acc + 16 * tile[:, column + config.rows]
    residual = None
    if fields["use_residual"]:
        rows = torch.arange(fields["n_rows"])[:, None]
        residual = memories.residual[fields["residual"] + rows * fields["residual_stride"] + words]
    shared = {n: fields[n] for n in ("pre_shift", "post_shift", "zero_point", "low", "high")}
    mul, residual_mul = memories.factors
    y = ops.requant(
        acc,
        memories.bias[at],
        mul[at],
        residual=residual,
        residual_mul=None if residual is None else residual_mul[at],
        **shared,
    )
    if not fields["use_table"]:
        return y
    table = (fields["table"] + memories.slot[at]).expand(y.shape)
    return memories.tables[table, y.long() + 128]
