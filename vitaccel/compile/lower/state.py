"""What lowering knows while it walks the network, and how it emits instructions."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from golden.execute import operands
from golden.qnetwork import QConcat, QLayer, QMatMul, QNetwork, QSoftmax, QTensor
from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.layout import channel_layouts
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["Lowering", "Post", "Step", "Stored"]


@dataclass(eq=False)
class Step:
    """An instruction and the parameters that must be on chip before it."""

    instruction: Instruction
    needs: tuple[Buffer, ...] = ()


@dataclass(frozen=True)
class Stored:
    """A tensor (or one head of it) in activation memory: rows are tokens, lanes ``channels``."""

    view: View
    channels: np.ndarray


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
    same for LOADs of activations; ``stores``: tensor, head and STORE of everything kept.
    """

    network: QNetwork
    config: AcceleratorConfig
    steps: list[Step] = field(default_factory=list)
    payloads: dict[Buffer, np.ndarray] = field(default_factory=dict)
    constants: dict[Instruction, np.ndarray] = field(default_factory=dict)
    stores: list[tuple[str, int, Instruction]] = field(default_factory=list)
    input_loads: list[Instruction] = field(default_factory=list)
    stored: dict[str, list[Stored]] = field(default_factory=dict)
    wave: list[tuple[float, int, Step]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layouts = channel_layouts(self.network, self.config)
        self.layers = {layer.name: layer for layer in self.network.layers}
        self.readers = Counter(name for layer in self.network.layers for name in operands(layer))
        self.home: dict[str, tuple[str, int]] = {}  # part of a concatenation -> (whole, first row)
        for layer in self.network.layers:
            if isinstance(layer, QConcat):
                row = 0
                for part in layer.parts:
                    self.home[part] = (layer.name, row)
                    row += self.layers[part].out.shape[0]

    # Attention is interleaved over heads so that the softmax of one hides behind the products of
    # the next: a step's slot says where it belongs among the others of the same attention.

    def emit(self, step: Step, slot: float | None = None) -> None:
        """Append a step, or put it into the attention under way."""
        if slot is None:
            self.steps.append(step)
        else:
            self.wave.append((slot, len(self.wave), step))

    def flush(self) -> None:
        """End the attention under way."""
        self.steps += [step for _, _, step in sorted(self.wave, key=lambda item: item[:2])]
        self.wave.clear()

    def slot(self, layer: QLayer, head: int) -> float | None:
        """Order of heads: QK0 QK1 S0 PV0 QK2 S1 PV1 …; None outside of attention."""
        if isinstance(layer, QSoftmax):
            return head + 0.5
        if isinstance(layer, QMatMul):
            return head if layer.transpose_b else head + 1.75
        return None

    def store(self, layer: QLayer) -> None:
        """Store the tensor of ``layer`` to external memory."""
        for head, stored in enumerate(self.stored[layer.name]):
            view = stored.view
            store = Instruction(
                isa.Op.STORE,
                layer.name,
                {"local_stride": view.buffer.words, "n_rows": view.rows, "n_words": view.words},
                {"local": view},
                reads=(view,),
            )
            self.stores.append((layer.name, head, store))
            ready = head  # the head that makes it whole
            if isinstance(layer, QMatMul) and not layer.transpose_b:
                ready = layer.heads - 1
            slot = self.slot(layer, ready)
            self.emit(Step(store), None if slot is None else slot + 0.01)

    def tensor(self, layer: QLayer, suffix: str) -> np.ndarray:
        """Parameter ``suffix`` of ``layer`` as int64."""
        return self.network.tensors[f"{layer.name}.{suffix}"].numpy().astype(np.int64)

    def new(self, name: str, out: QTensor, words: int) -> View:
        """Room for a tensor ``[tokens, channels]``, inside the concatenation it is part of."""
        n_rows = out.shape[0]
        if name not in self.home:
            return View(self.buffer(name, n_rows, words), 0, n_rows, 0, words)
        whole, row = self.home[name]
        if whole not in self.stored:
            total = self.layers[whole].out.shape[0]
            view = View(self.buffer(whole, total, words), 0, total, 0, words)
            self.stored[whole] = [Stored(view, self.layouts[whole])]
        return View(self.stored[whole][0].view.buffer, row, n_rows, 0, words)

    def buffer(self, name: str, n_rows: int, words: int) -> Buffer:
        """Activation memory for ``n_rows``, with room to read whole tiles past the last row."""
        tile = self.config.rows * self.config.wide_groups
        padded = -(-n_rows // tile) * tile if n_rows > 1 else 1
        return Buffer(name, isa.Space.ACTIVATION, padded, words)

    def parameter(self, space: isa.Space, name: str, data: np.ndarray) -> Buffer:
        """Buffer in a parameter memory, loaded with ``data``."""
        words = {isa.Space.TABLE: 1, isa.Space.EXP: 1}.get(space, len(data))
        buffer = Buffer(name, space, 1, words)
        self.payloads[buffer] = data
        return buffer

    def row_blocks(self, view: View) -> Iterator[View]:
        """``view`` in equal pieces of rows that the accumulators hold.

        What reads a piece can begin before the next one is there: LayerNorm and softmax then run
        beside the products that follow them.
        """
        buffer = view.buffer
        step = -(-view.rows // -(-view.rows // self.config.accumulator_rows))
        for row in range(0, view.rows, step):
            n_rows = min(step, view.rows - row)
            yield View(buffer, view.row + row, n_rows, view.word, view.words)

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
