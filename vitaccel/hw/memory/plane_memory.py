"""Memory of wide per-channel parameters, written one byte of every lane at a time."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["PlaneMemory"]


class PlaneMemory(wiring.Component):
    """Words of R lanes of ``bits`` bits; plane p is byte p of every lane.

    Yosys puts up to 32 words into distributed memory of ECP5, at 4 half-slices per bit of the word
    (1.5 for 16 words), more into block RAM.

    Parameters
    ----------
    config
        Sets the lanes of a word.
    depth
        Words.
    bits
        Of a lane; further bits of its last plane are dropped.

    Members
    -------
    write : In(WritePort)
        One plane of one word, at address ``word << ceil_log2(n_planes) | plane``. Always ready.
        Planes and words that do not exist are dropped.
    address : In(range(depth))
        Word to read.
    data : Out(array of R lanes of unsigned(bits))
        The word whose address was driven `LATENCY` cycles ago.

    Timing
    ------
    One read and one write per cycle. A write is seen by addresses driven two or more cycles after
    it was taken; before that, the old or the new plane is read. No combinational paths.
    """

    write: stream.Interface
    address: Signal
    data: data.View

    LATENCY = 2

    def __init__(self, config: AcceleratorConfig, depth: int, bits: int) -> None:
        self.config = config
        self.depth = depth
        self.bits = bits
        super().__init__({
            "write": In(WritePort(config)),
            "address": In(range(depth)),
            "data": Out(data.ArrayLayout(unsigned(bits), config.rows)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        widths = [min(8, self.bits - first) for first in range(0, self.bits, 8)]
        plane_bits = ceil_log2(len(widths))
        plane = self.write.p.address[:plane_bits]
        word = self.write.p.address[plane_bits:]
        target = Signal(range(self.depth), reset_less=True)
        value = Signal(word_layout(self.config), reset_less=True)
        m.d.comb += self.write.ready.eq(1)
        m.d.sync += [target.eq(word), value.eq(self.write.p.data)]

        lanes: list[list] = [[] for _ in range(self.config.rows)]
        for p, width in enumerate(widths):
            shape = data.ArrayLayout(unsigned(width), self.config.rows)
            places = BlockRam(shape, self.depth)
            m.submodules[f"plane_{p}"] = Shared(places)
            enable = Signal(name=f"enable_{p}")
            m.d.sync += enable.eq(self.write.valid & (plane == p) & (word < self.depth))
            m.d.comb += [
                places.write.eq(enable),
                places.write_address.eq(target),
                *(places.write_data[r].eq(value[r]) for r in range(self.config.rows)),
                places.read_address.eq(self.address),
            ]
            for r, lane in enumerate(lanes):
                lane.append(places.read_data[r])
        # Behind the RAM's own register one in the fabric.
        found = delayed(m, Cat(Cat(lane) for lane in lanes), 1, "found")
        m.d.comb += self.data.as_value().eq(found)
        return m
