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
from vitaccel.hw.primitives.times import times

__all__ = ["TileWalk", "target_layout"]

N_LOOPS = 4  # n_tile, k_tile, block of R columns, word


def target_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Where a stationary word comes from and goes to."""
    return data.StructLayout({
        "tag": range(physical_columns(config)),
        "wide": 1,
        "weights": 1,  # read from the weight buffer
        "transposed": 1,
        "start": 1,  # first word of a block of R columns
        "end": 1,  # last word of a tile
        "before": range(config.rows),  # lanes taken as 0, from lane 0 on
        "after": range(config.rows),  # from the last lane down
        **({"relu": 1} if config.hybrid else {}),  # negative lanes are taken as 0
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
    paired : Out(1)
        The word offered is the first of a pair to be merged, see `PairReader`.
    distance : Out(16)
        From there to the second one.

    Timing
    ------
    Latency `LATENCY`; one word per cycle, also across commands. Combinational path from ``o.ready``
    to ``command.ready``.
    """

    command: stream.Interface
    o: stream.Interface
    paired: Signal
    distance: Signal

    LATENCY = Walk.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.n_wide = config.wide_groups * config.rows
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.GEMM, hybrid=config.hybrid))),
            "o": Out(stream.Signature(wanted_layout(target_layout(config)))),
            "paired": Out(1),
            "distance": Out(16),
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
        self._mask(m, walk, begins, step)
        if self.config.packed:
            self._pair(m, begins)
        return m

    def _describe(self, m: Module, walk: Walk) -> None:
        """Loop nest of the command; for weights only its counts matter."""
        command, config = self.command.p, self.config
        pot = command.columns == isa.Columns.POT
        packed = (command.columns == isa.Columns.PACKED) & config.packed
        transposed = command.source == isa.Stationary.TRANSPOSED
        stride = command.stationary_stride
        span = times(stride, config.rows)
        block = Mux(transposed, 1, span)
        blocks = Mux(pot, config.pot_groups, config.wide_groups)
        flat = command.columns == isa.Columns.ALL  # weights of columns of any kind
        m.d.comb += [
            walk.i.p.base.eq(command.stationary),
            walk.i.p.counts[0].eq(command.n_tiles),
            walk.i.p.counts[1].eq(command.k_tiles),
            walk.i.p.counts[2].eq(Mux(flat, 1, blocks)),
            walk.i.p.counts[3].eq(Mux(flat, config.weight_tile_words, config.rows)),
            walk.i.p.strides[0].eq(command.tile_stride),
            walk.i.p.strides[1].eq(Mux(transposed, span, 1)),
            walk.i.p.strides[2].eq(Mux(packed, block << 1, block)),
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
            if self.config.hybrid:
                m.d.sync += self.o.p.tag.relu.eq(self.command.p.relu_stationary)
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
        columns = self.command.p.columns
        base_next = Mux(columns == isa.Columns.POT, self.n_wide, 0)
        pairs = self.config.pot_bits <= 4  # codes of two columns share a word
        with m.If(step):
            past = column + Mux(pairs & ~wide & (column >= self.n_wide), 2, 1)
            m.d.sync += [column.eq(Mux(walk.o.p.last[2], base, past)), start.eq(walk.o.p.last[3])]
        with m.If(begins):
            m.d.sync += [
                base.eq(base_next),
                column.eq(base_next),
                wide.eq(columns.matches(isa.Columns.UNIFORM, isa.Columns.POT)),
                start.eq(1),
            ]
        m.d.comb += [
            self.o.p.tag.tag.eq(column),
            self.o.p.tag.wide.eq(wide),
            self.o.p.tag.start.eq(start),
            self.o.p.tag.end.eq(walk.o.p.last[2]),
        ]

    def _mask(self, m: Module, walk: Walk, begins: Signal, step: Signal) -> None:
        """Lanes outside the rows' own channels, in their first and last words."""
        lanes = range(self.config.rows)
        before, after = Signal(lanes, reset_less=True), Signal(lanes, reset_less=True)
        first = Signal()  # k_tile
        with m.If(step & walk.o.p.last[2]):
            m.d.sync += first.eq(walk.o.p.last[1])
        with m.If(begins):
            m.d.sync += [
                before.eq(self.command.p.lanes_before),
                after.eq(self.command.p.lanes_after),
                first.eq(1),
            ]
        m.d.comb += [
            self.o.p.tag.before.eq(Mux(first, before, 0)),
            self.o.p.tag.after.eq(Mux(walk.o.p.ends[1], after, 0)),
        ]

    def _pair(self, m: Module, begins: Signal) -> None:
        """Find the word of the group beside: next rows, or next channels if transposed."""
        command = self.command.p
        transposed = command.source == isa.Stationary.TRANSPOSED
        paired = Signal()
        distance = Signal.like(self.distance, reset_less=True)
        m.d.comb += [self.paired.eq(paired), self.distance.eq(distance)]
        with m.If(begins):
            m.d.sync += [
                paired.eq(command.columns == isa.Columns.PACKED),
                distance.eq(Mux(transposed, 1, times(command.stationary_stride, self.config.rows))),
            ]
