"""Addresses of the stationary words of a GEMM, and the columns they are meant for."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import wanted_layout
from vitaccel.hw.memory.walk import Walk
from vitaccel.hw.mxu.column import physical_columns
from vitaccel.hw.ports import ADDRESS_BITS, command_layout

__all__ = ["TileWalk", "target_layout"]

N_LOOPS = 4  # n_tile, k_tile, block to transpose, word


def target_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Where a stationary word comes from and goes to."""
    return data.StructLayout({
        "tag": range(physical_columns(config)),
        "wide": 1,
        "weights": 1,  # read from the weight buffer
        "transposed": 1,
        "start": 1,  # first word of a block to transpose
        "end": 1,  # last word of a tile
    })


class TileWalk(wiring.Component):
    """List the stationary words of all tiles of a command.

    Parameters
    ----------
    config
        Sizes of the array.

    Members
    -------
    command : In(stream of command_layout(GEMM))
        Taken with the last word of the former one.
    o : Out(stream of wanted_layout(target_layout))
        Words in the order of docs/architecture.md, "MXU".

    Timing
    ------
    Latency `LATENCY`; one word per cycle, also across commands. Combinational path from ``o.ready``
    to ``command.ready``.
    """

    command: stream.Interface
    o: stream.Interface

    LATENCY = Walk.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.n_wide = config.wide_groups * config.rows
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.GEMM))),
            "o": Out(stream.Signature(wanted_layout(target_layout(config)))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(N_LOOPS)
        self._describe(m, walk)
        begins, step = Signal(), Signal()
        m.d.comb += [
            self.command.ready.eq(walk.i.ready),
            walk.i.valid.eq(self.command.valid),
            begins.eq(walk.i.valid & walk.i.ready),
            self.o.valid.eq(walk.o.valid),
            walk.o.ready.eq(self.o.ready),
            step.eq(walk.o.valid & walk.o.ready),
        ]
        self._locate(m, walk, begins, step)
        self._target(m, walk, begins, step)
        return m

    def _describe(self, m: Module, walk: Walk) -> None:
        """Loop nest of the command; for weights only its counts matter."""
        command, rows = self.command.p, self.config.rows
        pot = command.columns == isa.Columns.POT
        weights = command.source == isa.Stationary.WEIGHT
        transposed = command.source == isa.Stationary.TRANSPOSED
        n_words = Mux(pot, self.config.pot_columns, self.n_wide)
        n_words = Mux(
            weights & (command.columns == isa.Columns.ALL), self.config.weight_tile_words, n_words
        )
        n_blocks = Mux(pot, self.config.pot_groups, self.config.wide_groups)
        stride = command.stationary_stride
        m.d.comb += [
            walk.i.p.base.eq(command.stationary),
            walk.i.p.counts[0].eq(command.n_tiles),
            walk.i.p.counts[1].eq(command.k_tiles),
            walk.i.p.counts[2].eq(Mux(transposed, n_blocks, 1)),
            walk.i.p.counts[3].eq(Mux(transposed, rows, n_words)),
            walk.i.p.strides[0].eq(command.tile_stride),
            walk.i.p.strides[1].eq(Mux(transposed, stride * rows, 1)),
            walk.i.p.strides[2].eq(1),
            walk.i.p.strides[3].eq(stride),
        ]

    def _locate(self, m: Module, walk: Walk, begins: Signal, step: Signal) -> None:
        """Take addresses of the walk, or consecutive ones for weights."""
        weights = Signal()
        transposed = Signal()
        first = Signal()
        following = Signal(ADDRESS_BITS)
        with m.If(begins):
            m.d.sync += [
                weights.eq(self.command.p.source == isa.Stationary.WEIGHT),
                transposed.eq(self.command.p.source == isa.Stationary.TRANSPOSED),
            ]
        with m.If(begins | step):
            m.d.sync += first.eq(begins)
        with m.If(step):
            m.d.sync += following.eq(self.o.p.address + 1)
        m.d.comb += [
            self.o.p.address.eq(Mux(weights & ~first, following, walk.o.p.address)),
            self.o.p.tag.weights.eq(weights),
            self.o.p.tag.transposed.eq(transposed),
        ]

    def _target(self, m: Module, walk: Walk, begins: Signal, step: Signal) -> None:
        """Count columns within a tile, and mark tiles and blocks."""
        n_columns = physical_columns(self.config)
        base, column = Signal(range(n_columns)), Signal(range(n_columns + 1))
        wide, start = Signal(), Signal()
        base_next = Mux(self.command.p.columns == isa.Columns.POT, self.n_wide, 0)
        pairs = self.config.pot_bits <= 4  # codes of two columns share a word
        with m.If(step):
            past = column + Mux(pairs & ~wide & (column >= self.n_wide), 2, 1)
            m.d.sync += [column.eq(Mux(walk.o.p.last[2], base, past)), start.eq(walk.o.p.last[3])]
        with m.If(begins):
            m.d.sync += [
                base.eq(base_next),
                column.eq(base_next),
                wide.eq(self.command.p.columns != isa.Columns.ALL),
                start.eq(1),
            ]
        m.d.comb += [
            self.o.p.tag.tag.eq(column),
            self.o.p.tag.wide.eq(wide),
            self.o.p.tag.start.eq(start),
            self.o.p.tag.end.eq(walk.o.p.last[2]),
        ]
