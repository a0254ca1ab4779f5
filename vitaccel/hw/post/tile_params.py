"""Parameters of POST: all of them in block RAM, those of two tiles at hand."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.plane_memory import PlaneMemory
from vitaccel.hw.parts import part_config, part_of
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.post.post_tiles import tile_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["TileParams", "params_layout", "place_layout"]

PLANE_BITS = 4  # of an address of `isa.Space.POST_PARAM`
SELECT_PLANE = 8  # the last one: fewer bits, and a memory of its own
PLANES = SELECT_PLANE + 1


def params_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What a lane of a channel word has."""
    return data.StructLayout({
        "bias": signed(32),
        "mul": 16,
        "residual_mul": 16,
        **_select_layout(config),
    })


def place_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Part of a word of a tile, in one of two banks."""
    return data.StructLayout({
        "part": range(config.post_cycles),
        "word": range(config.groups),
        "bank": 1,
    })


def _select_layout(config: AcceleratorConfig) -> dict[str, int]:
    """What the last plane holds: group, and where tables are by channel, which table."""
    return {"select": 4, "slot": 3} if config.hybrid else {"select": _group_bits(config)}


def _group_bits(config: AcceleratorConfig) -> int:
    return max(1, ceil_log2(config.groups))


def _select_bits(config: AcceleratorConfig) -> int:
    return sum(_select_layout(config).values())


class TileParams(wiring.Component):
    """Keep channel words byte by byte; spread those of a tile out before it begins.

    A tile uses its few channel words again in every row. So the memory of all channel words gives
    one plane (byte of every lane) per cycle, deep and narrow as block RAM is, and the next tile's
    words are copied to distributed memory while the present tile drains.

    Parameters
    ----------
    config
        Lanes, ``post_words``, ``groups``, the channel words of a tile, and ``post_cycles``, their
        parts.

    Members
    -------
    write : In(WritePort)
        One plane of a channel word, see `isa.Space.POST_PARAM`. Always ready. Not to be written
        while a tile that was taken but not given on uses the word.
    i : In(stream of tile_layout)
        Tiles.
    o : Out(stream of tile_layout)
        The same tiles, their parameters ready to be read.
    bank : Out(1)
        Where those of the tile given last are, until the next one is.
    place : In(place_layout)
        Part of a channel word to read: of the tile given last, or in the cycle after another one
        was given, still of the one before.
    data : Out(array of post_lanes lanes of params_layout)
        The part whose place was driven `LATENCY` cycles ago.

    Timing
    ------
    A tile is offered ``9 * post_cycles * n_words + 1`` cycles after it was taken, and the next one
    taken once it is given on. No combinational paths.
    """

    write: stream.Interface
    i: stream.Interface
    o: stream.Interface
    bank: Signal
    place: data.View
    data: data.View

    LATENCY = PlaneMemory.LATENCY

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "write": In(WritePort(config)),
            "i": In(stream.Signature(tile_layout(config))),
            "o": Out(stream.Signature(tile_layout(config))),
            "bank": Out(1),
            "place": In(place_layout(config)),
            "data": Out(data.ArrayLayout(params_layout(config), config.post_lanes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        word = Signal(range(config.post_words), reset_less=True)
        plane = Signal(range(PLANES))
        place = Signal(place_layout(config))
        copying = Signal()
        self._control(m, word, plane, place, copying)
        m.d.comb += place.bank.eq(~self.bank)

        # The plane asked for in this cycle is written to its place in the next one.
        m.submodules.near = near = PlaneMemory(
            part_config(config, config.post_cycles),
            1 << place.shape().size,
            params_layout(config).size,
        )
        target = Signal(near.write.p.address.shape(), reset_less=True)
        m.d.sync += [
            target.eq(Cat(plane, place)),
            near.write.valid.eq(copying),
        ]
        m.d.comb += [
            near.write.p.address.eq(target),
            near.write.p.data.eq(self._read(m, word, plane, place.part)),
            near.address.eq(self.place),
            self.data.eq(near.data),
        ]
        return m

    def _control(self, m: Module, word: Signal, plane: Signal, place: Any, copying: Signal) -> None:
        """Take a tile, go through its words and their planes, part by part, offer it."""
        last_part, end = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~copying & ~self.o.valid),
            last_part.eq(place.part == self.config.post_cycles - 1),
            end.eq(place.word == self.o.p.n_words - 1),
        ]
        tile = Signal(self.o.p.shape(), reset_less=True)
        m.d.comb += self.o.payload.eq(tile)
        with m.If(self.i.ready):
            m.d.sync += [
                tile.eq(self.i.payload),
                word.eq(self.i.p.param),
                place.word.eq(0),
                copying.eq(self.i.valid),
            ]
        with m.Elif(copying):
            m.d.sync += [
                place.part.eq(Mux(last_part, 0, place.part + 1)),
                plane.eq(plane + last_part),
            ]
            with m.If(last_part & (plane == PLANES - 1)):
                m.d.sync += [plane.eq(0), word.eq(word + 1), place.word.eq(place.word + 1)]
                with m.If(end):
                    m.d.sync += [copying.eq(0), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += [self.o.valid.eq(0), self.bank.eq(~self.bank)]

    def _read(self, m: Module, word: Signal, plane: Signal, part: Signal) -> Any:
        """Plane ``plane`` of a part of channel word ``word``, one cycle later."""
        config = self.config
        select_layout = data.ArrayLayout(unsigned(_select_bits(config)), config.rows)
        selects = BlockRam(select_layout, config.post_words)
        numbers = BlockRam(word_layout(config), config.post_words << PLANE_BITS - 1)
        m.submodules.selects = Shared(selects)
        m.submodules.numbers = Shared(numbers)
        self._write(m, numbers, selects)
        selected = Signal()
        found = Signal(word_layout(config))
        m.d.comb += [
            numbers.read_address.eq(Cat(plane[: PLANE_BITS - 1], word)),
            selects.read_address.eq(word),
            *(
                found[r].eq(Mux(selected, selects.read_data[r], numbers.read_data[r]))
                for r in range(config.rows)
            ),
        ]
        m.d.sync += selected.eq(plane == SELECT_PLANE)
        return part_of(found, delayed(m, part, 1, "part"), config.post_cycles)

    def _write(self, m: Module, numbers: BlockRam, selects: BlockRam) -> None:
        m.d.comb += self.write.ready.eq(1)
        plane = self.write.p.address[:PLANE_BITS]
        word = self.write.p.address[PLANE_BITS:]
        address = Signal.like(numbers.write_address, reset_less=True)
        lanes = Signal(word_layout(self.config), reset_less=True)
        write_number = Signal()
        write_select = Signal()
        taken = self.write.valid & (word < self.config.post_words)
        m.d.sync += [
            address.eq(Cat(plane[: PLANE_BITS - 1], word)),
            lanes.eq(self.write.p.data),
            write_number.eq(taken & (plane < SELECT_PLANE)),
            write_select.eq(taken & (plane == SELECT_PLANE)),
        ]
        m.d.comb += [
            numbers.write.eq(write_number),
            numbers.write_address.eq(address),
            numbers.write_data.eq(lanes),
            selects.write.eq(write_select),
            selects.write_address.eq(address[PLANE_BITS - 1 :]),
            *(selects.write_data[r].eq(lanes[r]) for r in range(self.config.rows)),
        ]
