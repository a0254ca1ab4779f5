"""Look-up tables of 256 entries for all lanes at once."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort
from vitaccel.hw.primitives.dual_port_ram import DualPortRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["LaneTable"]


class LaneTable(wiring.Component):
    """R lanes at once: ``data[lane] = table[slot[lane]][index[lane]]`` of ``8 * planes`` bits.

    Two lanes share a true dual-port block RAM. Writes go through the port of its even lane, so
    reads and writes take turns: either the reader holds writes up, or it waits for them.

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
        Byte ``plane`` of entry ``index``, in lane 0 of the word, at address
        ``(slot << 8 | index) << ceil_log2(planes) | plane``. Ready unless ``hold``. Planes and
        slots that do not exist are dropped.
    hold : In(1)
        In the next cycle ``index`` matters.
    writing : Out(1)
        In this cycle ``index`` is not looked at; never in the cycle after ``hold``.
    slot : In(array of R lanes of range(slots))
        Tables to read.
    index : In(array of R lanes of unsigned(8))
        Entries to read.
    data : Out(array of R lanes of unsigned(8 * planes))
        The entries whose slot and indices were driven `LATENCY` cycles ago.

    Timing
    ------
    R reads or one write per cycle. A write is seen by reads driven two or more cycles after it was
    taken. Combinational path from ``hold`` to ``write.ready``.
    """

    write: stream.Interface
    hold: Signal
    writing: Signal
    slot: data.View
    index: data.View
    data: data.View

    LATENCY = 2

    def __init__(self, config: AcceleratorConfig, slots: int, planes: int) -> None:
        self.config = config
        self.slots = slots
        self.planes = planes
        super().__init__({
            "write": In(WritePort(config)),
            "hold": In(1),
            "writing": Out(1),
            "slot": In(data.ArrayLayout(range(slots), config.rows)),
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
        value = Signal(8, reset_less=True)
        enable = Signal(self.planes)
        taken = self.write.valid & self.write.ready & (entry < depth)
        m.d.comb += [self.write.ready.eq(~self.hold), self.writing.eq(enable.any())]
        m.d.sync += [target.eq(entry), value.eq(self.write.p.data[0])]
        m.d.sync += [enable[p].eq(taken & (plane == p)) for p in range(self.planes)]

        for even in range(0, self.config.rows, 2):
            table = DualPortRam(unsigned(8 * self.planes), depth, granules=self.planes)
            m.submodules[f"lane_{even}"] = Shared(table)
            own = Cat(self.index[even], self.slot[even])
            m.d.comb += [
                table.write.eq(enable),
                table.write_data.eq(value.replicate(self.planes)),
                table.address_b.eq(Mux(self.writing, target, own)),
            ]
            # Behind the RAM's own register one in the fabric.
            m.d.comb += self.data[even].eq(delayed(m, table.data_b, 1, f"found_{even}"))
            if even + 1 < self.config.rows:
                m.d.comb += table.address_a.eq(Cat(self.index[even + 1], self.slot[even + 1]))
                odd = delayed(m, table.data_a, 1, f"found_{even + 1}")
                m.d.comb += self.data[even + 1].eq(odd)
        return m
