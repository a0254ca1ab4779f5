"""Memory of wide per-channel parameters, written one byte of every lane at a time."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared

__all__ = ["PlaneMemory"]


class PlaneMemory(wiring.Component):
    """Words of R lanes of ``8 * planes`` bits; plane p is byte p of every lane.

    Parameters
    ----------
    config
        Sets the lanes of a word.
    depth
        Words.
    planes
        Bytes of a lane.

    Members
    -------
    write : In(WritePort)
        One plane of one word, at address ``word << ceil_log2(planes) | plane``. Always ready.
        Planes and words that do not exist are dropped.
    address : In(range(depth))
        Word to read.
    data : Out(array of R lanes of unsigned(8 * planes))
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

    def __init__(self, config: AcceleratorConfig, depth: int, planes: int) -> None:
        self.config = config
        self.depth = depth
        self.planes = planes
        super().__init__({
            "write": In(WritePort(config)),
            "address": In(range(depth)),
            "data": Out(data.ArrayLayout(unsigned(8 * planes), config.rows)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plane_bits = ceil_log2(self.planes)
        plane = self.write.p.address[:plane_bits]
        word = self.write.p.address[plane_bits:]
        target = Signal(range(self.depth), reset_less=True)
        value = Signal(word_layout(self.config), reset_less=True)
        m.d.comb += self.write.ready.eq(1)
        m.d.sync += [target.eq(word), value.eq(self.write.p.data)]

        lanes: list[list] = [[] for _ in range(self.config.rows)]
        for p in range(self.planes):
            places = BlockRam(word_layout(self.config), self.depth)
            m.submodules[f"plane_{p}"] = Shared(places)
            enable = Signal(name=f"enable_{p}")
            m.d.sync += enable.eq(self.write.valid & (plane == p) & (word < self.depth))
            m.d.comb += [
                places.write.eq(enable),
                places.write_address.eq(target),
                places.write_data.eq(value),
                places.read_address.eq(self.address),
            ]
            for r, lane in enumerate(lanes):
                lane.append(places.read_data[r])
        # Behind the RAM's own register one in the fabric.
        m.d.sync += [out.eq(Cat(lane)) for out, lane in zip([*self.data], lanes, strict=True)]
        return m
