"""Memory deeper than what block RAM can be read through in a short cycle."""

from amaranth import Array, Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["DeepRam", "part_depths"]

# 16 kbit hold so many words of one bit: so a part has one block per bit or fewer, and no choice
# among blocks stands between them and the register of the part.
PART_WORDS = 8192


def part_depths(depth: int) -> list[int]:
    """Words of each part of a memory of ``depth`` words: all but the last have `PART_WORDS`."""
    return [min(PART_WORDS, depth - start) for start in range(0, depth, PART_WORDS)]


class DeepRam(wiring.Component):
    """Block RAM in parts with a register behind each; the choice among them is all that follows.

    A word is undefined when read in the cycle after that in which it is written.

    Parameters
    ----------
    shape
        Word.
    depth
        Words.
    granules
        Equal pieces of a word that are written separately.

    Members
    -------
    write : In(granules)
        Store these pieces of ``write_data`` at ``write_address``; read addresses of the cycle after
        the next one see it.
    write_address, read_address : In(range(depth))
        Words.
    write_data : In(shape)
        Word to store.
    move : In(1)
        A read goes on by one stage.
    read_data : Out(shape)
        The word whose address was driven in the last but `LATENCY` - 1 cycle with ``move``.

    Timing
    ------
    One write and one read per cycle. ``read_data`` depends on registers alone.
    """

    write: Signal
    write_address: Signal
    write_data: Signal
    move: Signal
    read_address: Signal
    read_data: Signal

    LATENCY = 2  # memory, register of the part

    def __init__(self, shape: ShapeLike, depth: int, granules: int = 1) -> None:
        self.shape = shape
        self.depth = depth
        self.granules = granules
        super().__init__({
            "write": In(granules),
            "write_address": In(range(depth)),
            "write_data": In(shape),
            "move": In(1),
            "read_address": In(range(depth)),
            "read_data": Out(shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        part_bits = exact_log2(PART_WORDS)
        address = delayed(m, self.write_address, 1, "write_address")
        word = delayed(m, self.write_data, 1, "write_data")
        found = []
        for n, depth in enumerate(part_depths(self.depth)):
            part = BlockRam(self.shape, depth, self.granules)
            m.submodules[f"part_{n}"] = Shared(part)
            write = Signal(self.granules, name=f"write_{n}")
            m.d.sync += write.eq(Mux(self.write_address[part_bits:] == n, self.write, 0))
            m.d.comb += [
                part.write.eq(write),
                part.write_address.eq(address),
                part.write_data.eq(word),
                part.read.eq(self.move),
                part.read_address.eq(self.read_address),
            ]
            kept = Signal(self.shape, name=f"found_{n}", reset_less=True)
            with m.If(self.move):
                m.d.sync += kept.eq(part.read_data)
            found.append(kept)
        asked = Signal(range(len(found)))
        chosen = Signal(range(len(found)))
        with m.If(self.move):
            m.d.sync += [asked.eq(self.read_address[part_bits:]), chosen.eq(asked)]
        m.d.comb += self.read_data.eq(Array(found)[chosen])
        return m
