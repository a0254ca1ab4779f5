"""What lowering knows while it walks the network, and how it emits instructions."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from golden.execute import operands
from golden.qnetwork import QLayer, QNetwork, QTensor
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.layout import channel_layouts
from vitaccel.compile.lower.homes import homes, standing, units
from vitaccel.compile.lower.overlap import overlaps
from vitaccel.compile.lower.serial import check_post
from vitaccel.compile.lower.transfer import transfer
from vitaccel.compile.pieces import Stored, cut, cut_each, even_blocks, in_blocks
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["Lowering", "Packs", "Post", "Step", "Strategy"]


class Strategy(NamedTuple):
    """What is traded for activation memory, see docs/decisions/0007 and 0008."""

    heads_apart: bool = False  # make Q, K and V of some heads just before their attention
    rows_apart: bool = False  # take half of the rows through the whole MLP before the others
    together: int = 1  # images of a batch that meet the weights together
    joined: int = 0  # the same where feature maps have shrunk, if these are more


Packs = dict[str, tuple[pack.Packed, np.ndarray]]


@dataclass(eq=False)
class Step:
    """An instruction and the parameters that must be on chip before it.

    ``fixed``: a LOAD that stays where it is instead of going as near to its first use as it can.
    ``late``: a LOAD for an image that is not the first: the one before it still needs the memory.
    ``ahead``: steps before its first use at which a LOAD may come, if that is settled.
    """

    instruction: Instruction
    needs: tuple[Buffer, ...] = ()
    fixed: bool = False
    late: bool = False
    ahead: int | None = None


@dataclass(frozen=True)
class Post:
    """What a POST needs beside its result: parameters, table, residual, common fields."""

    fields: dict[str, int]
    param: Buffer
    table: Buffer | None = None
    residual: View | None = None


@dataclass(eq=False)
class Lowering:
    """State of one compilation.

    ``images``: those of the batch that are lowered now; ``outlast``: tensors that wait for those of
    all images; ``payloads``: bytes of each buffer in a parameter memory, uint8 ``[..., R]``;
    ``constants``: the same for LOADs of activations; ``stores``: STOREs of everything kept, by
    tensor and head, those of all images in order; ``channels``: of each lane of these.
    """

    network: QNetwork
    config: AcceleratorConfig
    strategy: Strategy
    packs: Packs = field(default_factory=dict)  # of every Linear, the same in all strategies
    batch: int = 1
    keep: bool = False  # store every computed tensor
    images: range = range(1)
    outlast: frozenset[str] = frozenset()
    steps: list[Step] = field(default_factory=list)
    payloads: dict[Buffer, np.ndarray] = field(default_factory=dict)
    constants: dict[Instruction, np.ndarray] = field(default_factory=dict)
    stores: dict[tuple[str, int], list[Instruction]] = field(default_factory=dict)
    input_loads: list[Instruction] = field(default_factory=list)
    channels: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    stored: dict[str, list[Stored]] = field(default_factory=dict)
    wave: list[tuple[float, int, Step]] = field(default_factory=list)
    multiplied: Instruction | None = None  # the last GEMM

    def __post_init__(self) -> None:
        self.layouts = channel_layouts(self.network, self.config)
        self.layers = {layer.name: layer for layer in self.network.layers}
        self.users: dict[str, list[QLayer]] = {name: [] for name in self.layers}
        for layer in self.network.layers:
            for name in operands(layer):
                self.users[name].append(layer)
        self._rank = {name: n for n, name in enumerate(self.layers)}
        self.home = homes(self.layers, self.users, self.layouts, self.config.rows)
        self.standing = standing(self.layers, self.home)
        self.units = units(self.layers)
        self.overlaps = overlaps(self.layers, self.layouts, self.home, self.config)
        self._single: dict[str, tuple[View, ...]] = {}  # rows of all images, of tensors of one row
        self._made: Counter[tuple[isa.Space | None, str]] = Counter()
        self._data: dict[tuple[isa.Space | None, str, int], np.ndarray] = {}
        self._handed: dict[int, tuple[str, tuple[View, ...]]] = {}  # by image

    def begin(self, images: range) -> None:
        """Go on with ``images``: what they share with all others is there, and what they left."""
        self.images = images
        self._made.clear()
        self.stored.clear()
        for name, pieces in self._single.items():
            self.stored[name] = [Stored(pieces, self.layouts[name])]
        handed = [self._handed[image] for image in images if image in self._handed]
        if len(handed) == len(images):
            name = handed[0][0]
            together = tuple(piece for _, pieces in handed for piece in pieces)
            self.stored[name] = [Stored(together, self.layouts[name])]

    def hand_on(self, layer: QLayer) -> None:
        """Keep the tensor of ``layer`` for what these images go through with others."""
        (stored,) = self.stored[layer.name]
        for image, part in zip(self.images, stored.split(len(self.images)), strict=True):
            self._handed[image] = layer.name, part.pieces

    # Steps of several layers may be interleaved, over heads or over blocks of rows: a step's slot
    # says where it belongs among the others of the wave.

    def emit(self, step: Step, slot: float | None = None) -> None:
        """Append a step, or put it into the wave under way."""
        if slot is None:
            self.steps.append(step)
        else:
            self.wave.append((slot, len(self.wave), step))

    def flush(self) -> None:
        """End the wave under way."""
        self.steps += [step for _, _, step in sorted(self.wave, key=lambda item: item[:2])]
        self.wave.clear()

    def store(self, layer: QLayer, slot: Callable[[int, int, int], float | None]) -> None:
        """Store the tensor of ``layer`` to external memory.

        A piece of a head of an image that ends before a row is whole in ``slot(head, image, row)``.
        """
        for head, stored in enumerate(self.stored[layer.name]):
            made = self.stores.setdefault((layer.name, head), [])
            self.channels[layer.name, head] = stored.channels
            for image, part in enumerate(stored.split(len(self.images))):
                row = 0
                for piece in part.pieces:
                    row += piece.rows
                    made.append(transfer(isa.Op.STORE, layer.name, piece))
                    self.emit(Step(made[-1]), slot(head, image, row))

    def tensor(self, layer: QLayer, suffix: str) -> np.ndarray:
        """Parameter ``suffix`` of ``layer`` as int64."""
        return self.network.tensors[f"{layer.name}.{suffix}"].numpy().astype(np.int64)

    def new(
        self, name: str, out: QTensor, former: str | None = None, most: int | None = None
    ) -> tuple[View, ...]:
        """Room for a tensor ``[tokens, channels]``; ``most`` see `rows`.

        That is in place of ``former`` if nothing will read that any more, or inside the
        concatenation that the tensor is part of.
        """
        words = len(self.layouts[name]) // self.config.rows
        if name in self.home:
            whole, row, word = self.home[name]
            if whole not in self.stored:
                width = len(self.layouts[whole]) // self.config.rows
                pieces = self.rows(whole, self.layers[whole].out.shape[0], width)
                self.stored[whole] = [Stored(pieces, self.layouts[whole])]
            pieces = self.stored[whole][0].pieces
            part = cut_each(pieces, len(self.images), row, row + out.shape[0])
            return tuple(replace(piece, word=word, words=words) for piece in part)
        if former is not None and name not in self.standing and self._over(former, name):
            pieces = self.stored[former][0].pieces
            if all(piece.buffer.words == words for piece in pieces):
                return tuple(replace(piece, word=0, words=words) for piece in pieces)
        if out.shape[0] == 1 and name not in self.standing:
            return self._row(name, words)
        return self.rows(name, out.shape[0], words, most)

    def _row(self, name: str, words: int) -> tuple[View, ...]:
        """Room for a tensor of one row, beside those of the other images of the batch.

        So the classifier meets all of them at once.
        """
        if name not in self._single:
            buffer = self.buffer(name, self.batch, words)
            self._single[name] = in_blocks(buffer, self.config.accumulator_rows)
        return cut(self._single[name], self.images.start, self.images.stop)

    def _over(self, former: str, name: str) -> bool:
        """Whether ``former`` is whole and has no readers once ``name`` is made."""
        done = self._rank[self.users[former][-1].name] <= self._rank[name]
        return done and former not in self.standing

    def rows(self, name: str, n_rows: int, words: int, most: int | None = None) -> tuple[View, ...]:
        """Room for ``n_rows`` of each image: blocks of at most ``most`` in buffers of their own.

        ``most`` is by default what the accumulators hold.

        What reads a block can begin before the next one is there: LayerNorm and softmax then run
        beside the products that follow them.
        """
        if name in self.standing:
            return self.standing_rows(name, n_rows, words)
        unit = self.units[name]
        blocks = even_blocks(n_rows, most or self.config.accumulator_rows, unit) * len(self.images)
        return tuple(View.whole(self.buffer(name, rows, words)) for rows in blocks)

    def standing_rows(self, name: str, n_rows: int, words: int) -> tuple[View, ...]:
        """Blocks of rows of one buffer for each image, of which whole tiles may be read."""
        most = self.config.accumulator_rows
        tile = self.config.rows * self.config.uniform_groups
        buffers = [self.buffer(name, n_rows, words) for _ in self.images]
        for buffer in buffers:
            buffer.beyond = (-n_rows % tile + 1) * words  # whole tiles are read
        unit = self.units[name]
        return tuple(view for buffer in buffers for view in in_blocks(buffer, most, unit))

    def buffer(self, name: str, n_rows: int, words: int) -> Buffer:
        """Activation memory for ``n_rows``."""
        return Buffer(name, isa.Space.ACTIVATION, n_rows, words)

    def parameter(self, space: isa.Space, name: str, data: np.ndarray) -> Buffer:
        """Buffer in a parameter memory, loaded with ``data``."""
        slots = {isa.Space.TABLE: 256, isa.Space.EXP: 512}
        words = len(data) // slots.get(space, 1)
        buffer = Buffer(name, space, 1, words)
        self.payloads[buffer] = self.shared(space, name, data)
        return buffer

    def shared(self, space: isa.Space | None, name: str, data: np.ndarray) -> np.ndarray:
        """``data``, which is the same object in every group of images."""
        nth = self._made[space, name]
        self._made[space, name] += 1
        return self._data.setdefault((space, name, nth), data)

    def gemm(
        self, layer: QLayer, operand: str, stream: View, fields: dict[str, int]
    ) -> Instruction:
        """GEMM that streams ``stream`` (rows of ``operand``); the caller adds what stands still."""
        out = self.layers[operand].out
        limit = self.config.activation_bits
        if out.bits > limit:
            raise ConfigError(
                f"layer {layer.name} reads {operand} of {out.bits} bits, but activation_bits is "
                f"{limit}; raise it or quantise activations to {limit} bits"
            )
        common = {
            "stream_stride": stream.buffer.words,
            "n_rows": stream.rows,
            "unsigned": int(not out.signed),
        }
        self.multiplied = Instruction(
            isa.Op.GEMM, layer.name, common | fields, {"stream": stream}, reads=(stream,)
        )
        return self.multiplied

    def check_sums(self, layer: QLayer, greatest: int) -> None:
        """Refuse sums up to ``greatest`` in absolute value if the accumulators are too short."""
        need, bits = 1 + greatest.bit_length(), self.config.accumulator_bits
        if need > bits:
            raise ConfigError(
                f"layer {layer.name} sums up to {greatest}, which takes {need} bits, but "
                f"accumulator_bits is {bits}; set it to {need}"
            )

    def emit_post(self, layer: str, post: Post, target: View, slot: float | None = None) -> None:
        """POST of the GEMM emitted last, into ``target``."""
        shape = {"dst_stride": target.buffer.words, "n_rows": target.rows, "n_words": target.words}
        instruction = Instruction(isa.Op.POST, layer, post.fields | shape, writes=(target,))
        needs = [post.param]
        instruction.places = {"dst": target, "param": View.whole(post.param)}
        if post.table is not None:
            needs.append(post.table)
            instruction.places["table"] = View.whole(post.table)
            instruction.fields["use_table"] = 1
        instruction.reads = tuple(View.whole(buffer) for buffer in needs)
        if post.residual is not None:
            instruction.fields |= {
                "use_residual": 1,
                "residual_stride": post.residual.buffer.words,
            }
            instruction.places["residual"] = post.residual
            instruction.reads += (post.residual,)
        if self.config.core == "serial" and self.multiplied is not None:  # it multiplies, too
            instruction.reads += self.multiplied.reads
            check_post(layer, post.fields)
        self.emit(Step(instruction, tuple(needs)), slot)
