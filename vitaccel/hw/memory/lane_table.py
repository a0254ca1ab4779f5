"""Look-up tables of 256 entries, one copy per lane."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.plane_memory import NO_RW_CHECK
from vitaccel.hw.ports import WritePort, word_layout

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

        entry_layout = data.ArrayLayout(unsigned(8), self.planes)
        for r in range(self.config.rows):
            m.submodules[f"lane_{r}"] = table = memory.Memory(
                shape=entry_layout, depth=depth, init=[], attrs=NO_RW_CHECK
            )
            write_port = table.write_port(granularity=1)
            read_port = table.read_port(domain="comb")
            # The RAM's own register, and then one in the fabric.
            read = Signal(entry_layout, name=f"read_{r}", reset_less=True)
            m.d.comb += [
                write_port.en.eq(enable),
                write_port.addr.eq(target),
                write_port.data.eq(Cat([value[r]] * self.planes)),
                read_port.addr.eq(Cat(self.index[r], self.slot)),
            ]
            m.d.sync += [read.eq(read_port.data), self.data[r].eq(read)]
        return m
