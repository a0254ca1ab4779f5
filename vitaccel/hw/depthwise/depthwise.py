"""DEPTHWISE: convolutions of single channels over images of the activation memory."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.depthwise.geometry import Geometry
from vitaccel.hw.depthwise.line_buffer import LineBuffer
from vitaccel.hw.depthwise.padded_walk import PaddedWalk
from vitaccel.hw.depthwise.results import Results, results_latency
from vitaccel.hw.depthwise.tap_lane import TapLane, tap_latency
from vitaccel.hw.depthwise.window_walk import WindowWalk
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.memory.plane_memory import PlaneMemory
from vitaccel.hw.ports import ADDRESS_BITS, ReadPort, WritePort, command_layout, word_layout
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared
from vitaccel.hw.streams.credits import Credits
from vitaccel.hw.streams.queue import Queue

__all__ = ["Depthwise"]

DEPTH = 16  # output words under way or waiting
PLANE_BITS = 3  # of an address of `isa.Space.DEPTHWISE_WEIGHT`


class Depthwise(wiring.Component):
    """Convolve each channel of an image with a kernel of its own, requantise, look up.

    Channel word after channel word: the image comes in once, each pixel's word from ``src + w + n *
    src_stride``, and the result's n-th pixel goes to ``dst + w + n * dst_stride``. Beyond its edges
    lies the word ``pad + w``. Formula: docs/architecture.md, DEPTHWISE.

    Parameters
    ----------
    config
        ``depthwise_*``, which has 1 or more taps; lanes, tables, ``requant``.

    Members
    -------
    command : In(stream of command_layout(DEPTHWISE))
        Taken once the former command is done.
    done : Out(1)
        One pulse per command, within two cycles of its last write.
    fault : Out(Status)
        Why a command was refused, see `Geometry`; held until reset.
    busy : Out(1)
        A command has been taken that is not done.
    src : Out(ReadPort)
        Pixels, asked for up to 16 words ahead.
    dst : Out(WritePort)
        Results.
    weight, param, table : In(WritePort)
        DEPTHWISE_WEIGHT, DEPTHWISE_PARAM and TABLE of `isa.Space`. A table waits while others are
        looked up: there are free cycles in every row. Not to be written where a command in progress
        reads.

    Timing
    ------
    `windows.walk_cycles` after `START` cycles, more if the image comes slower than a word a cycle;
    the last result is written ``self.latency`` cycles after them.
    """

    command: stream.Interface
    done: Signal
    fault: Signal
    busy: Signal
    src: Any
    dst: stream.Interface
    weight: stream.Interface
    param: stream.Interface
    table: stream.Interface

    START = Geometry.LATENCY + WindowWalk.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = (
            LineBuffer.LATENCY + tap_latency(config) + results_latency(config) + Queue.LATENCY
        )
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.DEPTHWISE))),
            "done": Out(1),
            "fault": Out(isa.Status),
            "busy": Out(1),
            "src": Out(ReadPort(config)),
            "dst": Out(WritePort(config)),
            "weight": In(WritePort(config)),
            "param": In(WritePort(config)),
            "table": In(WritePort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.geometry = geometry = Geometry(self.config)
        m.submodules.walk = walk = WindowWalk(self.config)
        wiring.connect(m, wiring.flipped(self.command), geometry.command)
        m.d.comb += [
            self.fault.eq(geometry.fault),
            self.busy.eq(geometry.busy),
            walk.image.eq(geometry.windows),
            walk.start.eq(geometry.start),
        ]
        lines = self._read(m, geometry, walk)
        begin, word = self._multiply(m, geometry, walk, lines)
        self._write(m, geometry, walk, begin, word)
        return m

    def _read(self, m: Module, geometry: Geometry, walk: WindowWalk) -> LineBuffer:
        """Fetch the padded image into the line buffer."""
        m.submodules.pixels = pixels = PaddedWalk()
        m.submodules.fetch = fetch = Fetch(self.config, 0)
        m.submodules.lines = lines = LineBuffer(self.config)
        wiring.connect(m, fetch.port, wiring.flipped(self.src))
        m.d.comb += [
            pixels.image.eq(geometry.image),
            pixels.start.eq(geometry.start),
            fetch.i.p.address.eq(pixels.o.payload),
            fetch.i.valid.eq(pixels.o.valid),
            pixels.o.ready.eq(fetch.i.ready),
            walk.word.eq(fetch.o.valid),
            fetch.o.ready.eq(walk.go & walk.step.fresh),
            lines.step.eq(walk.step),
            lines.go.eq(walk.go),
            lines.word.eq(fetch.o.p.data),
        ]
        return lines

    def _multiply(
        self, m: Module, geometry: Geometry, walk: WindowWalk, lines: LineBuffer
    ) -> tuple[Signal, data.View]:
        """Multiply, add, requantise; return when a word begins, and words."""
        config = self.config
        bits = config.depthwise_taps * config.depthwise_bits
        m.submodules.weights = weights = PlaneMemory(config, config.depthwise_steps, bits)
        m.submodules.results = results = Results(config)
        self._load(m, weights)
        wiring.connect(m, wiring.flipped(self.param), results.write)
        wiring.connect(m, wiring.flipped(self.table), results.table)
        m.d.comb += weights.address.eq(delayed(m, walk.step.weight, 1, "weight"))
        wait = LineBuffer.LATENCY + tap_latency(config)
        works = delayed(m, walk.go & walk.step.works, wait, "works", reset_less=False)
        first = delayed(m, walk.step.first, wait, "first")
        for r in range(config.rows):
            lane = TapLane(config)
            m.submodules[f"lane_{r}"] = Shared(lane)
            m.d.comb += [
                *(lane.pixels[t].eq(lines.o[t][r]) for t in range(config.depthwise_taps)),
                lane.weights.eq(weights.data[r]),
                lane.is_unsigned.eq(geometry.is_unsigned),
                lane.works.eq(works),
                lane.first.eq(first),
                results.sums[r].eq(lane.o),
            ]
        begin = delayed(m, walk.go & walk.step.last, wait, "last", reset_less=False)
        m.d.comb += [
            results.begin.eq(begin),
            results.param.eq(delayed(m, walk.step.param, wait, "param")),
            results.scaling.eq(geometry.scaling),
        ]
        return begin, results.o

    def _load(self, m: Module, weights: PlaneMemory) -> None:
        """Write planes of weights; drop those beyond the taps."""
        used = ceil_log2(-(-weights.bits // 8))
        address = self.weight.p.address
        m.d.comb += [
            self.weight.ready.eq(weights.write.ready),
            weights.write.valid.eq(self.weight.valid & (address[used:PLANE_BITS] == 0)),
            weights.write.p.address.eq(Cat(address[:used], address[PLANE_BITS:])),
            weights.write.p.data.eq(self.weight.p.data),
        ]

    def _write(
        self, m: Module, geometry: Geometry, walk: WindowWalk, begin: Signal, word: data.View
    ) -> None:
        """Keep words until they are written, and count them."""
        layout = data.StructLayout({"word": word_layout(self.config), "restart": 1})
        m.submodules.room = room = Credits(DEPTH)
        m.submodules.queue = queue = Queue(layout, DEPTH)
        wait = LineBuffer.LATENCY + tap_latency(self.config) + results_latency(self.config)
        following, first = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)  # pixel, of the next word
        written, ended = Signal(), Signal()
        under_way = Signal(range(DEPTH + 2))
        m.d.comb += [
            walk.room.eq(room.free),
            room.take.eq(walk.go & walk.step.last),
            room.give.eq(written),
            queue.i.p.word.eq(word),
            queue.i.p.restart.eq(delayed(m, walk.step.restart, wait, "restart")),
            queue.i.valid.eq(
                delayed(m, begin, results_latency(self.config), "begun", reset_less=False)
            ),
            self.dst.p.data.eq(queue.o.p.word),
            self.dst.p.address.eq(Mux(queue.o.p.restart, first, following)),
            self.dst.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.dst.ready),
            written.eq(self.dst.valid & self.dst.ready),
            ended.eq(geometry.runs & ~walk.running & (under_way == 0)),
            geometry.ended.eq(ended),
        ]
        m.d.sync += [under_way.eq(under_way + room.take - written), self.done.eq(ended)]
        with m.If(geometry.start):
            m.d.sync += first.eq(geometry.dst)
        with m.Elif(written):
            m.d.sync += [
                following.eq(self.dst.p.address + geometry.dst_stride),
                first.eq(first + queue.o.p.restart),
            ]
