"""Random depthwise convolutions: where everything lies, and what golden makes of it."""

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from golden import ops
from vitaccel.compile.pack_depthwise import pack_scaling, pack_taps
from vitaccel.config import AcceleratorConfig
from vitaccel.windows import steps

__all__ = ["REGION", "DepthwiseCase", "random_case", "table_writes"]

REGION = 512  # words of activation memory that a case takes
PLANES = 8  # addresses of a step of DEPTHWISE_WEIGHT, of a channel word of DEPTHWISE_PARAM
Write = tuple[int, list[int]]


@dataclass
class DepthwiseCase:
    """One command with its operands; ``pixels`` ``[rows, columns, channels]``."""

    config: AcceleratorConfig
    fields: dict[str, int]
    pixels: Tensor
    pad: Tensor  # [channels]
    weight: Tensor  # [channels, kernel, kernel]
    bias: Tensor
    mul: Tensor
    slot: Tensor
    out: Tensor = field(init=False)  # [pixels, channels]

    def __post_init__(self) -> None:
        f, channels = self.fields, len(self.pad)
        above, below, side = f["above"], f["below"], f["side"]
        height, width = f["height"] + above + below, f["width"] + 2 * side
        image = self.pad.expand(height, width, channels).clone()
        image[above : above + f["height"], side : side + f["width"]] = self.pixels
        acc = ops.conv(
            image.flatten(0, 1)[None],
            self.weight[:, None],
            self.bias,
            self.pad,
            size=(height, width),
            stride=f["stride"],
            padding=0,
            groups=channels,
        )
        self.out = ops.requant(
            acc[0],
            None,
            self.mul,
            pre_shift=f["pre_shift"],
            post_shift=f["post_shift"],
            zero_point=f["zero_point"],
            low=f["low"],
            high=f["high"],
        )

    def look_up(self, tables: Tensor) -> Tensor:
        """Results, through the tables if asked for."""
        if not self.fields["use_table"]:
            return self.out
        return ops.lookup_slots(self.out, tables, self.fields["table"] + self.slot)

    def weight_writes(self) -> list[Write]:
        """For the port `weight`."""
        words = pack_taps(self.weight.numpy(), self.fields["stride"], self.config)
        return _writes(words, self.fields["weights"])

    def param_writes(self) -> list[Write]:
        """For the port `param`."""
        mul, bias, slot = (x.numpy().astype(np.int64) for x in (self.mul, self.bias, self.slot))
        words = pack_scaling(bias, mul, slot, self.config, "case")
        return _writes(words, self.fields["param"])

    def fill(self, memory: list[list[int]]) -> None:
        """Put pixels and padding into the activation memory."""
        for n, pixel in enumerate(self.pixels.flatten(0, 1)):
            self._put(memory, self.fields["src"] + n * self.fields["src_stride"], pixel)
        self._put(memory, self.fields["pad"], self.pad)

    def expect(self, memory: list[list[int]], tables: Tensor) -> None:
        """Put results where they belong."""
        for n, pixel in enumerate(self.look_up(tables)):
            self._put(memory, self.fields["dst"] + n * self.fields["dst_stride"], pixel)

    def _put(self, memory: list[list[int]], address: int, channels: Tensor) -> None:
        for w, word in enumerate(channels.reshape(-1, self.config.rows)):
            memory[address + w] = [int(lane) & 255 for lane in word]


def _writes(words: np.ndarray, first: int) -> list[Write]:
    return [
        ((first + n) * PLANES + p, plane.tolist())
        for n, word in enumerate(words)
        for p, plane in enumerate(word)
    ]


def table_writes(tables: Tensor, rows: int) -> list[Write]:
    """For the port `table`."""
    return [
        (slot << 8 | (value & 255), [int(table[value + 128]) & 255] * rows)
        for slot, table in enumerate(tables)
        for value in range(-128, 128)
    ]


def random_case(config: AcceleratorConfig, seed: int, base: int = 0, **fixed: int) -> DepthwiseCase:
    """Draw a legal command with corners; ``fixed`` fields are as given.

    It keeps to `REGION` words of the activation memory from ``base`` on.
    """
    rng = random.Random(seed)
    draw = torch.Generator().manual_seed(seed)
    f = {"kernel": rng.choice([3, 5]), "stride": rng.choice([1, 2])} | fixed
    kernel = f["kernel"]
    f = {
        "side": rng.randrange(kernel),
        "above": rng.randrange(kernel),
        "below": rng.randrange(kernel),
        "n_words": rng.choice([1, 2]),
        "unsigned": rng.randrange(2),
    } | f
    f = {
        "height": rng.randint(max(1, kernel - f["above"] - f["below"]), 5),
        "width": rng.randint(max(1, kernel - 2 * f["side"]), 6),
    } | f
    words = f["n_words"]
    signed = f.get("low", -128) < 0
    f = {
        "src": base + rng.randrange(64),
        "src_stride": words + rng.randrange(3),
        "pad": base + 224 + rng.randrange(16),
        "dst": base + 256 + rng.randrange(64),
        "dst_stride": words + rng.randrange(3),
        "weights": rng.randrange(config.depthwise_steps - words * steps(config, kernel) + 1),
        "param": rng.randrange(config.depthwise_words - words + 1),
        "pre_shift": rng.randrange(max(1, config.depthwise_bits - 4), 6),
        "post_shift": rng.choice([1, 14, 16, 18, 32]),
        "zero_point": rng.randrange(-128, 128),
        "low": -128 if signed else 0,
        "high": 127 if signed else 255,
        "use_table": rng.randrange(2) if signed else 0,
        "table": 0,
    } | f
    low = 0 if f["unsigned"] else -128
    channels, top = words * config.rows, 1 << config.depthwise_bits - 1

    def integers(first: int, last: int, *shape: int) -> Tensor:
        """Uniform, but a quarter of them at the ends."""
        ends = torch.tensor([first, last])[torch.randint(0, 2, shape, generator=draw)]
        inner = torch.randint(first, last + 1, shape, generator=draw)
        return torch.where(torch.rand(shape, generator=draw) < 0.25, ends, inner)

    mul = integers(0, 65535, channels)
    if config.requant == "shift":
        mul = torch.where(mul % 5 == 0, 0, 1 << mul % 16)
    return DepthwiseCase(
        config,
        f,
        integers(low, low + 255, f["height"], f["width"], channels),
        integers(low, low + 255, channels),
        integers(-top, top - 1, channels, kernel, kernel),
        integers(-(1 << 16), 1 << 16, channels),
        mul,
        integers(0, config.table_slots - 1 - f["table"], channels),
    )
