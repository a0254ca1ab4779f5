"""POST: drains accumulators, requantises them, adds residuals, looks up, writes words."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.memory.walk import Walk, walk_layout
from vitaccel.hw.parts import part_of
from vitaccel.hw.ports import (
    ADDRESS_BITS,
    DRAIN_LATENCY,
    DrainPort,
    ReadPort,
    WritePort,
    command_layout,
)
from vitaccel.hw.post.post_pipe import PostPipe, pipe_latency
from vitaccel.hw.post.post_tiles import PostTiles, tile_layout
from vitaccel.hw.post.tile_params import TileParams
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.stream import link

__all__ = ["Post"]

DEPTH = 32  # output words under way or waiting; the pipeline holds about 20


def target_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Where an output word goes."""
    return data.StructLayout({"address": ADDRESS_BITS, "keep": config.rows, "last": 1})


class Post(wiring.Component):
    """Turn accumulators into words of the activation memory, tile by tile.

    For every n-tile, row m and word w of the tile: lane l takes its column, then `Requant`, then
    the table if asked for; written to ``dst + m * dst_stride + w``. Order, selection, formula and
    ranges of the fields: docs/architecture.md, POST.

    Parameters
    ----------
    config
        Everything but the sizes of the weight buffer and of VECTOR.

    Members
    -------
    command : In(stream of command_layout(POST))
        Taken early: residual reads of a command may precede the last writes of the former one.
    done : Out(1)
        One pulse per command, the cycle after its last write was taken.
    fault : Out(Status)
        ILLEGAL_FIELD or LOCAL_ADDRESS once a command was refused, held until reset; commands taken
        before that one still finish.
    busy : Out(1)
        A command has been taken that is not done.
    drain : Out(DrainPort)
        Accumulators; each bank is given back ``DRAIN_LATENCY + 1`` cycles after its last row was
        asked for, without waiting for the writes.
    residual : Out(ReadPort)
        Residual words, asked for up to 16 words ahead.
    out : Out(WritePort)
        Output words.
    param, table : In(WritePort)
        POST_PARAM and TABLE, see `TileParams` and `PostPipe`. A table waits while another one is in
        use: there are free cycles where a row waits, and three at the end of every tile.

    Timing
    ------
    One word every ``post_cycles`` cycles, with or without residual; three cycles more per n-tile,
    in which the bank is given back. A tile begins no earlier than its parameters are there, see
    `TileParams`: they are fetched while the former tile is drained, in less time if it has ten rows
    or more. The first word is offered ``self.latency`` cycles after its row could be read.
    """

    command: stream.Interface
    done: Signal
    fault: Signal
    busy: Signal
    drain: Any
    residual: Any
    out: stream.Interface
    param: stream.Interface
    table: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = config.post_cycles + pipe_latency(config) + Fetch.LATENCY
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.POST, hybrid=config.hybrid))),
            "done": Out(1),
            "fault": Out(isa.Status),
            "busy": Out(1),
            "drain": Out(DrainPort(config)),
            "residual": Out(ReadPort(config)),
            "out": Out(WritePort(config)),
            "param": In(WritePort(config)),
            "table": In(WritePort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.tiles = tiles = PostTiles(self.config)
        m.submodules.params = params = TileParams(self.config)
        m.submodules.residuals = residuals = Fetch(self.config, 0)
        # The pipeline answers like a memory: what is asked of it comes back in order, later.
        m.submodules.results = results = Fetch(self.config, target_layout(self.config), DEPTH)
        link(m, wiring.flipped(self.command), tiles.command)
        wiring.connect(m, residuals.port, wiring.flipped(self.residual))
        m.d.comb += self.fault.eq(tiles.fault)
        self._split(m, tiles.o, params.i, residuals.i)
        self._issue(m, params, residuals.o, results)
        self._write(m, results.o)
        return m

    def _split(
        self, m: Module, tile: stream.Interface, waiting: stream.Interface, wanted: stream.Interface
    ) -> None:
        """Give each tile to the walk of its residual, which so runs ahead, and on."""
        m.submodules.asked = asked = Skid(walk_layout(2))
        m.submodules.residual_walk = walk = Walk(2)
        link(m, asked.o, walk.i)
        use = tile.p.settings.use_residual
        m.d.comb += [
            waiting.payload.eq(tile.payload),
            waiting.valid.eq(tile.valid & asked.i.ready),
            *_walk_tile(asked.i.p, tile.p, "residual"),
            asked.i.valid.eq(tile.valid & use & waiting.ready),
            tile.ready.eq(waiting.ready & asked.i.ready),
            wanted.p.address.eq(walk.o.p.address),
            wanted.valid.eq(walk.o.valid),
            walk.o.ready.eq(wanted.ready),
        ]

    def _issue(
        self, m: Module, params: TileParams, residual: stream.Interface, results: Fetch
    ) -> None:
        """Send output words into the pipeline, part by part, while all they need is there."""
        m.submodules.walk = walk = Walk(2)
        m.submodules.pipe = pipe = PostPipe(self.config)
        waiting = params.o
        tile = Signal(tile_layout(self.config), reset_less=True)
        row = Signal.like(self.drain.address)
        word = Signal.like(params.place.word)
        part = Signal.like(params.place.part)
        m.d.comb += [
            *_walk_tile(walk.i.p, waiting.p, "dst"),
            walk.i.valid.eq(waiting.valid),
            waiting.ready.eq(walk.i.ready),
        ]

        launched = Signal()  # a part
        issued = Signal()  # the last part of a word
        settling = Signal()
        able = Signal()  # but for the walk and for room at the end
        last_part = part == self.config.post_cycles - 1
        end_of_row, end_of_tile = walk.o.p.last[1], walk.o.p.last[0]
        m.d.comb += [
            able.eq(self.drain.full & ~settling & (residual.valid | ~tile.settings.use_residual)),
            launched.eq(walk.o.valid & able & results.i.ready),
            results.i.valid.eq(walk.o.valid & able & last_part),
            results.i.p.tag.address.eq(walk.o.p.address),
            results.i.p.tag.last.eq(end_of_tile & tile.last),
            results.i.p.tag.keep.eq(self._kept(tile, word == 0, end_of_row)),
            results.port.request.ready.eq(1),
            walk.o.ready.eq(able & results.i.ready & last_part),
            issued.eq(results.port.request.valid),
            residual.ready.eq(issued & tile.settings.use_residual),
        ]
        with m.If(waiting.valid & walk.i.ready):
            m.d.sync += [tile.eq(waiting.payload), word.eq(0), row.eq(0)]
        with m.Elif(issued):
            m.d.sync += [word.eq(word + 1), row.eq(row + end_of_row)]
            with m.If(end_of_row):
                m.d.sync += word.eq(0)
        with m.If(launched):
            m.d.sync += part.eq(Mux(last_part, 0, part + 1))
        m.d.sync += [
            self.drain.address.eq(row),
            params.place.word.eq(word),
            params.place.part.eq(part),
            params.place.bank.eq(params.bank),
            pipe.i.part.eq(part),
            pipe.i.residual.eq(part_of(residual.p.data, part, self.config.post_cycles)),
            pipe.i.settings.eq(tile.settings),
            pipe.i.settings.use_table.eq(tile.settings.use_table & launched),
        ]
        self._answer(m, pipe, params, results, issued)
        self._release(m, issued & end_of_tile, settling)

    def _kept(self, tile: data.View, first: Value, last: Value) -> Value:
        """Lanes of a word that are not to be written."""
        rows = self.config.rows
        before = Cat(tile.lanes_before > lane for lane in range(rows))
        after = Cat(tile.lanes_after >= rows - lane for lane in range(rows))
        return Mux(first, before, 0) | Mux(last, after, 0)

    def _answer(
        self, m: Module, pipe: PostPipe, params: TileParams, results: Fetch, issued: Signal
    ) -> None:
        link(m, wiring.flipped(self.param), params.write)
        link(m, wiring.flipped(self.table), pipe.table)
        finished = delayed(m, issued, 1 + pipe_latency(self.config), "issued", reset_less=False)
        part = Value.cast(pipe.o)
        former = Signal(len(part) * (self.config.post_cycles - 1), reset_less=True)
        m.d.sync += former.eq(Cat(former, part)[len(part) :])
        m.d.comb += [
            pipe.columns.eq(self.drain.data),
            pipe.params.eq(params.data),
            results.port.valid.eq(finished),
            results.port.data.eq(Cat(former, part)),
        ]

    def _release(self, m: Module, end_of_tile: Signal, settling: Signal) -> None:
        """Give the bank back once its last row has been read."""
        ends = Signal(1 + DRAIN_LATENCY)
        m.d.sync += ends.eq(Cat(end_of_tile, ends))
        m.d.comb += [self.drain.release.eq(ends[-1]), settling.eq(ends.any())]

    def _write(self, m: Module, result: stream.Interface) -> None:
        """Offer results to the memory; count commands."""
        taken = Signal()
        finished = Signal()
        under_way = Signal(range(2 * DEPTH))  # each but the newest few has a word in `results`
        m.d.comb += [
            self.out.p.address.eq(result.p.tag.address),
            self.out.p.data.eq(result.p.data),
            self.out.p.keep.eq(result.p.tag.keep),
            self.out.valid.eq(result.valid),
            result.ready.eq(self.out.ready),
            taken.eq(self.command.valid & self.command.ready),
            finished.eq(result.valid & self.out.ready & result.p.tag.last),
            self.busy.eq(under_way != 0),
        ]
        m.d.sync += [self.done.eq(finished), under_way.eq(under_way + taken - finished)]


def _walk_tile(nest: data.View, tile: data.View, start: str) -> list:
    """Describe the words of ``tile`` from its field ``start`` on, rows ``<start>_stride`` apart."""
    return [
        nest.base.eq(tile[start]),
        nest.counts[0].eq(tile.n_rows),
        nest.counts[1].eq(tile.n_words),
        nest.strides[0].eq(tile[f"{start}_stride"]),
        nest.strides[1].eq(1),
    ]
