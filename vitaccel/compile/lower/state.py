"""What lowering knows while it walks the network, and how it emits instructions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from golden.execute import operands
from golden.qnetwork import (
    QConcat,
    QConstant,
    QLayer,
    QLinear,
    QMatMul,
    QNetwork,
    QSlice,
    QTensor,
)
from vitaccel import isa
from vitaccel.compile import pack
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.layout import channel_layouts
from vitaccel.compile.pieces import Stored, cut, even_blocks
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["Lowering", "Packs", "Post", "Step", "Strategy", "detour", "transfer"]


class Strategy(NamedTuple):
    """What is traded for activation memory, see docs/decisions/0007."""

    heads_apart: bool = False  # make Q, K and V of some heads just before their attention
    rows_apart: bool = False  # take half of the rows through the whole MLP before the others


Packs = dict[str, tuple[pack.Packed, np.ndarray]]


@dataclass(eq=False)
class Step:
    """An instruction and the parameters that must be on chip before it.

    ``fixed``: a LOAD that stays where it is instead of going as near to its first use as it can.
    """

    instruction: Instruction
    needs: tuple[Buffer, ...] = ()
    fixed: bool = False


@dataclass(frozen=True)
class Post:
    """What a POST needs beside its result: parameters, table, residual, common fields."""

    fields: dict[str, int]
    param: Buffer
    table: Buffer | None = None
    residual: View | None = None


@dataclass
class Lowering:
    """State of one compilation.

    ``payloads``: bytes of each buffer in a parameter memory, uint8 ``[..., R]``; ``constants``: the
    same for LOADs of activations; ``stores``: STOREs of everything kept, by tensor and head.
    """

    network: QNetwork
    config: AcceleratorConfig
    strategy: Strategy
    packs: Packs = field(default_factory=dict)  # of every Linear, the same in all strategies
    steps: list[Step] = field(default_factory=list)
    payloads: dict[Buffer, np.ndarray] = field(default_factory=dict)
    constants: dict[Instruction, np.ndarray] = field(default_factory=dict)
    stores: dict[tuple[str, int], list[Instruction]] = field(default_factory=dict)
    input_loads: list[Instruction] = field(default_factory=list)
    stored: dict[str, list[Stored]] = field(default_factory=dict)
    wave: list[tuple[float, int, Step]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layouts = channel_layouts(self.network, self.config)
        self.layers = {layer.name: layer for layer in self.network.layers}
        self.users: dict[str, list[QLayer]] = {name: [] for name in self.layers}
        for layer in self.network.layers:
            for name in operands(layer):
                self.users[name].append(layer)
        self._rank = {name: n for n, name in enumerate(self.layers)}
        self.standing = {self._origin(y.b) for y in self.network.layers if isinstance(y, QMatMul)}
        self.home: dict[str, tuple[str, int]] = {}  # part of a concatenation -> (whole, first row)
        for layer in self.network.layers:
            if isinstance(layer, QConcat):
                row = 0
                for part in layer.parts:
                    self.home[part] = (layer.name, row)
                    row += self.layers[part].out.shape[0]
        for layer in self.network.layers:  # a constant waits where the sum with it will be
            if isinstance(layer, QLinear) and layer.name in self.home and layer.residual:
                constant = self.layers[layer.residual]
                if isinstance(constant, QConstant) and self.users[constant.name] == [layer]:
                    self.home[constant.name] = self.home[layer.name]

    def _origin(self, name: str) -> str:
        """Tensor that ``name`` is a part of."""
        while isinstance(layer := self.layers[name], QSlice):
            name = layer.x
        return name

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

    def store(self, layer: QLayer, slots: Mapping[int, float | None]) -> None:
        """Store the tensor of ``layer``, whose heads are whole in ``slots``, to external memory."""
        for head, stored in enumerate(self.stored[layer.name]):
            made = self.stores.setdefault((layer.name, head), [])
            for piece in stored.pieces:
                made.append(transfer(isa.Op.STORE, layer.name, piece))
                self.emit(Step(made[-1]), slots[head])

    def tensor(self, layer: QLayer, suffix: str) -> np.ndarray:
        """Parameter ``suffix`` of ``layer`` as int64."""
        return self.network.tensors[f"{layer.name}.{suffix}"].numpy().astype(np.int64)

    def new(self, name: str, out: QTensor, former: str | None = None) -> tuple[View, ...]:
        """Room for a tensor ``[tokens, channels]``.

        That is in place of ``former`` if nothing will read that any more, or inside the
        concatenation that the tensor is part of.
        """
        words = len(self.layouts[name]) // self.config.rows
        if name in self.home:
            whole, row = self.home[name]
            if whole not in self.stored:
                pieces = self.rows(whole, self.layers[whole].out.shape[0], words)
                self.stored[whole] = [Stored(pieces, self.layouts[whole])]
            return cut(self.stored[whole][0].pieces, row, row + out.shape[0])
        if former is not None and self._over(former, name):
            pieces = self.stored[former][0].pieces
            if all(piece.buffer.words == words for piece in pieces):
                return tuple(replace(piece, word=0, words=words) for piece in pieces)
        return self.rows(name, out.shape[0], words)

    def _over(self, former: str, name: str) -> bool:
        """Whether ``former`` is whole and has no readers once ``name`` is made."""
        done = self._rank[self.users[former][-1].name] <= self._rank[name]
        return done and former not in self.standing

    def rows(self, name: str, n_rows: int, words: int, most: int | None = None) -> tuple[View, ...]:
        """Blocks of at most ``most`` rows, or what the accumulators hold, in buffers of their own.

        What reads a block can begin before the next one is there: LayerNorm and softmax then run
        beside the products that follow them.
        """
        if name in self.standing:
            return self.standing_rows(name, n_rows, words)
        blocks = even_blocks(n_rows, most or self.config.accumulator_rows)
        return tuple(View.whole(self.buffer(name, rows, words)) for rows in blocks)

    def standing_rows(self, name: str, n_rows: int, words: int) -> tuple[View, ...]:
        """Blocks of rows of one buffer, of which whole tiles may be read."""
        blocks = even_blocks(n_rows, self.config.accumulator_rows)
        tile = self.config.rows * self.config.uniform_groups
        buffer = self.buffer(name, n_rows, words)
        buffer.beyond = (-n_rows % tile + 1) * words  # whole tiles are read
        return tuple(View(buffer, sum(blocks[:n]), rows, 0, words) for n, rows in enumerate(blocks))

    def buffer(self, name: str, n_rows: int, words: int) -> Buffer:
        """Activation memory for ``n_rows``."""
        return Buffer(name, isa.Space.ACTIVATION, n_rows, words)

    def parameter(self, space: isa.Space, name: str, data: np.ndarray) -> Buffer:
        """Buffer in a parameter memory, loaded with ``data``."""
        words = {isa.Space.TABLE: 1, isa.Space.EXP: 1}.get(space, len(data))
        buffer = Buffer(name, space, 1, words)
        self.payloads[buffer] = data
        return buffer

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
        return Instruction(
            isa.Op.GEMM, layer.name, common | fields, {"stream": stream}, reads=(stream,)
        )

    def check_sums(self, layer: QLayer, greatest: int) -> None:
        """Refuse sums up to ``greatest`` in absolute value if the accumulators are too short."""
        need, bits = 1 + greatest.bit_length(), self.config.accumulator_bits
        if need > bits:
            raise ConfigError(
                f"layer {layer.name} sums up to {greatest}, which takes {need} bits, but "
                f"accumulator_bits is {bits}; set it to {need}"
            )

    def emit_post(self, layer: QLayer, post: Post, target: View, slot: float | None = None) -> None:
        """POST of the GEMM emitted last, into ``target``."""
        shape = {"dst_stride": target.buffer.words, "n_rows": target.rows, "n_words": target.words}
        instruction = Instruction(isa.Op.POST, layer.name, post.fields | shape, writes=(target,))
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
        self.emit(Step(instruction, tuple(needs)), slot)


def transfer(op: isa.Op, name: str, view: View) -> Instruction:
    """LOAD or STORE of a view of activation memory; the caller places its other end."""
    fields = {"local_stride": view.buffer.words, "n_rows": view.rows, "n_words": view.words}
    made = Instruction(op, name, fields, {"local": view})
    if op == isa.Op.LOAD:
        made.fields["space"] = int(isa.Space.ACTIVATION)
        made.writes = (view,)
    else:
        made.reads = (view,)
    return made


def detour(source: View, target: View, most: int) -> tuple[Instruction, list[Instruction]]:
    """STORE of ``source`` and LOADs of the same into ``target``, by way of external memory.

    Each LOAD brings about ``most`` words, so that others can come in between.
    """
    name = source.buffer.name
    outside = View.whole(Buffer(name, None, source.rows, source.words))
    store = transfer(isa.Op.STORE, name, source)
    store.places["external"], store.writes = outside, (outside,)
    loads, row = [], 0
    for rows in even_blocks(source.rows, max(1, most // source.words)):
        load = transfer(isa.Op.LOAD, name, replace(target, row=target.row + row, rows=rows))
        part = replace(outside, row=row, rows=rows)
        load.places["external"], load.reads = part, (part,)
        loads.append(load)
        row += rows
    return store, loads
