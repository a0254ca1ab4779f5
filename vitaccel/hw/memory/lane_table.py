"""Look-up tables of 256 entries, one copy per lane."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared

__all__ = ["LaneTable"]


class LaneTable(wiring.Component):
    """R lanes at once: ``data[lane] = table[slot][index[lane]]`` of ``8 * planes`` bits.

    Every lane has a block RAM of its own. Two lanes could share a true dual-port RAM, but only if
    writes went through one of the read ports and so held reads up, or reads writes.

    Parameters
    ----------
    config
        Sets the lanes.
    slots
        Tables held at once.
    planes
        Bytes of an entry.

    Members
    -------
    write : In(WritePort)
        Byte ``plane`` of entry ``index`` of every lane, lane r of the word for lane r, at address
        ``(slot << 8 | index) << ceil_log2(planes) | plane``. Always ready. Planes and slots that do
        not exist are dropped.
    slot : In(range(slots))
        Table to read.
    index : In(array of R lanes of unsigned(8))
        Entries to read.
    data : Out(array of R lanes of unsigned(8 * planes))
        The entries whose slot and indices were driven `LATENCY` cycles ago.

    Timing
    ------
    R reads and one write per cycle. A write is seen by reads driven two or more cycles after it
    was taken; before that, the old or the new byte is read. No combinational paths.
    """

    write: stream.Interface
    slot: Signal
    index: data.View
    data: data.View

    LATENCY = 2

    def __init__(self, config: AcceleratorConfig, slots: int, planes: int) -> None:
        self.config = config
        self.slots = slots
        self.planes = planes
        super().__init__({
            "write": In(WritePort(config)),
            "slot": In(range(slots)),
            "index": In(data.ArrayLayout(unsigned(8), config.rows)),
            "data": Out(data.ArrayLayout(unsigned(8 * planes), config.rows)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plane_bits = ceil_log2(self.planes)
        depth = 256 * self.slots
        plane = self.write.p.address[:plane_bits]
        entry = self.write.p.address[plane_bits:]
        target = Signal(range(depth), reset_less=True)
        value = Signal(word_layout(self.config), reset_less=True)
        enable = Signal(self.planes)
        m.d.comb += self.write.ready.eq(1)
        m.d.sync += [target.eq(entry), value.eq(self.write.p.data)]
        for p in range(self.planes):
            m.d.sync += enable[p].eq(self.write.valid & (plane == p) & (entry < depth))

        for r in range(self.config.rows):
            table = BlockRam(unsigned(8 * self.planes), depth, granules=self.planes)
            m.submodules[f"lane_{r}"] = Shared(table)
            m.d.comb += [
                table.write.eq(enable),
                table.write_address.eq(target),
                table.write_data.eq(Cat([value[r]] * self.planes)),
                table.read_address.eq(Cat(self.index[r], self.slot)),
            ]
            # Behind the RAM's own register one in the fabric.
            m.d.sync += self.data[r].eq(table.read_data)
        return m
