"""LOAD: rows of external memory to the on-chip memories."""

from math import gcd

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, SLVERR, burst_layout
from vitaccel.hw.axi.axi_read import beat_layout
from vitaccel.hw.axi.bursts import Bursts
from vitaccel.hw.ports import command_layout
from vitaccel.hw.shell.spaces import Spaces, write_ports
from vitaccel.hw.streams.gearbox import Gearbox
from vitaccel.hw.streams.queue import Queue
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.stream import link
from vitaccel.hw.vector.local_rows import LocalRows
from vitaccel.isa import Op, Status

__all__ = ["Load"]

COMMAND_BITS = 4  # counters of commands; the queues hold fewer


class Load(wiring.Component):
    """Copy ``n_rows`` rows of ``n_words`` words to a space; see `isa.FIELDS`.

    The bytes of a row lie gap-free from ``external + row * external_stride``; word w of it goes to
    ``local + row * local_stride + w``.

    Parameters
    ----------
    config
        Sets lanes, data bus and depths.

    Members
    -------
    command : In(stream of command_layout(Op.LOAD))
        Taken while earlier ones are still under way.
    done, fault, busy
        As every unit. Faults wait until the command at fault is the oldest one.
    burst : Out(stream of burst_layout)
        Read bursts, to `axi_read.AxiRead`.
    beat : In(stream of beat_layout)
        Their data.
    base, limit : In(32)
        Window of external memory.
    activation, weight, post_param, table, ... : Out(WritePort)
        The memories, see `spaces.write_ports`.

    Timing
    ------
    First burst `Bursts.LATENCY` cycles after the command. A word per cycle or a beat per cycle,
    whichever limits, across rows and commands; `LATENCY` cycles from a beat to its words.
    """

    command: stream.Interface
    burst: stream.Interface
    beat: stream.Interface
    done: Signal
    fault: Signal
    busy: Signal
    base: Signal
    limit: Signal

    LATENCY = Skid.LATENCY + Gearbox.LATENCY + Spaces.LATENCY
    TAILS = 8  # bursts whose data have not arrived; more than AxiRead has under way

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(Op.LOAD))),
            "done": Out(1),
            "fault": Out(Status),
            "busy": Out(1),
            "burst": Out(stream.Signature(burst_layout(config))),
            "beat": In(stream.Signature(beat_layout(config))),
            "base": In(ADDRESS_BITS),
            "limit": In(ADDRESS_BITS),
            **write_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = Bursts(self.config, self.config.rows)
        m.submodules.rows = rows = LocalRows(3)
        m.submodules.spaces = spaces = Spaces(self.config)
        size, bus = self.config.rows, self.config.axi_bytes
        granule = gcd(size, bus)
        m.submodules.gearbox = gearbox = Gearbox(
            8 * granule, bus // granule, size // granule, bus // granule
        )
        refused = self._unpack(m, bursts, gearbox)

        # A command goes to both sides at once.
        fields = self.command.p
        m.d.comb += [
            self.command.ready.eq(bursts.i.ready & rows.i.ready),
            bursts.i.valid.eq(self.command.valid & rows.i.ready),
            rows.i.valid.eq(self.command.valid & bursts.i.ready),
            rows.i.p.tag.eq(fields.space),
            bursts.base.eq(self.base),
            bursts.limit.eq(self.limit),
        ]
        m.d.comb += [bursts.i.p[name].eq(fields[name]) for name in bursts.i.p.shape().members]
        m.d.comb += [
            rows.i.p[name].eq(fields[name])
            for name in ("local", "local_stride", "n_rows", "n_words")
        ]

        # Words meet their addresses.
        m.d.comb += [
            spaces.i.valid.eq(gearbox.o.valid & rows.o.valid),
            gearbox.o.ready.eq(spaces.i.ready & rows.o.valid),
            rows.o.ready.eq(spaces.i.ready & gearbox.o.valid),
            spaces.i.p.space.eq(rows.o.p.tag),
            spaces.i.p.address.eq(rows.o.p.address),
            spaces.i.p.last.eq(rows.o.p.last),
            spaces.i.p.data.as_value().eq(gearbox.o.payload.as_value()),
        ]
        for name in write_ports(self.config):
            link(m, getattr(spaces, name), wiring.flipped(getattr(self, name)))

        self._finish(m, bursts, spaces, refused & ~gearbox.o.valid & ~spaces.busy)
        return m

    def _finish(self, m: Module, bursts: Bursts, spaces: Spaces, refused: Value) -> None:
        """Count commands, report faults once the command at fault is the oldest."""
        older = Signal(COMMAND_BITS)  # unfinished commands whose bursts are all issued
        taken = self.command.valid & self.command.ready
        issued = self.burst.valid & self.burst.ready & self.burst.p.last
        under_way = Signal(COMMAND_BITS)
        m.d.comb += [self.done.eq(spaces.done), self.busy.eq(under_way != 0)]
        m.d.sync += [
            under_way.eq(under_way + taken - self.done),
            older.eq(older + issued - self.done),
        ]
        with m.If(self.fault != Status.OK):
            pass
        with m.Elif(spaces.fault != Status.OK):
            m.d.sync += self.fault.eq(spaces.fault)
        with m.Elif(refused):
            m.d.sync += self.fault.eq(
                Mux(self.beat.p.response == SLVERR, Status.READ_SLVERR, Status.READ_DECERR)
            )
        with m.Elif(older == 0):
            m.d.sync += self.fault.eq(bursts.fault)

    def _unpack(self, m: Module, bursts: Bursts, gearbox: Gearbox) -> Value:
        """Feed beats to the gearbox without what lies past a row; return whether one is refused."""
        granules = gearbox.inputs
        m.submodules.tails = tails = Queue(max(1, exact_log2(granules)), self.TAILS)
        m.submodules.cut = cut = Skid(gearbox.i.p.shape())
        refused = Signal()
        m.d.comb += [
            self.burst.payload.eq(bursts.o.payload),
            self.burst.valid.eq(bursts.o.valid & tails.i.ready),
            bursts.o.ready.eq(self.burst.ready & tails.i.ready),
            tails.i.payload.eq(bursts.o.p.tail >> exact_log2(gearbox.width // 8)),
            tails.i.valid.eq(bursts.o.valid & self.burst.ready),
        ]
        beat = self.beat.p
        m.d.comb += [
            refused.eq(self.beat.valid & (beat.response >= SLVERR)),
            cut.i.valid.eq(self.beat.valid & tails.o.valid & ~refused),
            self.beat.ready.eq(cut.i.ready & tails.o.valid & ~refused),
            tails.o.ready.eq(self.beat.valid & self.beat.ready & beat.last),
            cut.i.p.count.eq(Mux(beat.last, tails.o.payload + 1, granules)),
        ]
        link(m, cut.o, gearbox.i)
        for n, granule in enumerate(cut.i.p.data):
            with m.If(~beat.last | (n <= tails.o.payload)):
                m.d.comb += granule.eq(beat.data.word_select(n, gearbox.width))
        return refused & ~cut.o.valid
