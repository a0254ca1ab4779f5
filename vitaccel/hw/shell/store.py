"""STORE: rows of the activation memory to external memory."""

from math import gcd
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, SLVERR, burst_layout
from vitaccel.hw.axi.axi_write import strobed_layout
from vitaccel.hw.axi.bursts import Bursts
from vitaccel.hw.memory.fetch import Fetch
from vitaccel.hw.ports import ReadPort, command_layout
from vitaccel.hw.primitives.times import times
from vitaccel.hw.streams.gearbox import Gearbox
from vitaccel.hw.streams.skid import Skid
from vitaccel.hw.streams.stream import link
from vitaccel.hw.vector.local_rows import LocalRows
from vitaccel.isa import Op, Status

__all__ = ["Store"]

COMMAND_BITS = 5  # counters of commands; queues and bursts under way hold fewer


class Store(wiring.Component):
    """Copy ``n_rows`` rows of ``n_words`` words to external memory; see `isa.FIELDS`.

    The inverse of `Load`: exactly the bytes of the rows are written, by strobes in last beats.

    Parameters
    ----------
    config
        Sets lanes, data bus and the depth of the activation memory.

    Members
    -------
    command : In(stream of command_layout(Op.STORE))
        Taken while earlier ones are still under way.
    done, fault, busy
        As every unit; done once the memory has acknowledged every burst. Faults of addresses wait
        until the command at fault is the oldest one.
    source : Out(ReadPort)
        Activation memory.
    burst, beat
        To `axi_write.AxiWrite`.
    answered, response, written
        From `axi_write.AxiWrite`: an answer, its code, and whether it completes a command.
    base, limit : In(32)
        Window of external memory.

    Timing
    ------
    First burst `Bursts.LATENCY` cycles after the command. A word per cycle or a beat per cycle,
    whichever limits, across rows and commands.
    """

    command: stream.Interface
    source: Any
    burst: stream.Interface
    beat: stream.Interface
    done: Signal
    fault: Signal
    busy: Signal
    answered: Signal
    response: Signal
    written: Signal
    base: Signal
    limit: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(Op.STORE))),
            "done": Out(1),
            "fault": Out(Status),
            "busy": Out(1),
            "source": Out(ReadPort(config)),
            "burst": Out(stream.Signature(burst_layout(config))),
            "beat": Out(stream.Signature(strobed_layout(config))),
            "answered": In(1),
            "response": In(2),
            "written": In(1),
            "base": In(ADDRESS_BITS),
            "limit": In(ADDRESS_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = Bursts(self.config, self.config.rows)
        link(m, bursts.o, wiring.flipped(self.burst))
        outside = self._words(m, bursts)
        m.d.comb += [bursts.base.eq(self.base), bursts.limit.eq(self.limit)]
        m.d.comb += [
            bursts.i.p[name].eq(self.command.p[name]) for name in bursts.i.p.shape().members
        ]

        taken = self.command.valid & self.command.ready
        issued = self.burst.valid & self.burst.ready & self.burst.p.last
        under_way = Signal(COMMAND_BITS)
        older = Signal(COMMAND_BITS)  # unfinished commands whose bursts are all issued
        m.d.comb += [
            # Not after an error: the failed command stays the oldest one.
            self.done.eq(self.written & (self.response < SLVERR) & (self.fault == Status.OK)),
            self.busy.eq(under_way != 0),
        ]
        m.d.sync += [
            under_way.eq(under_way + taken - self.done),
            older.eq(older + issued - self.done),
        ]
        with m.If(self.fault != Status.OK):
            pass
        with m.Elif(self.answered & (self.response >= SLVERR)):
            m.d.sync += self.fault.eq(
                Mux(self.response == SLVERR, Status.WRITE_SLVERR, Status.WRITE_DECERR)
            )
        with m.Elif(outside):
            m.d.sync += self.fault.eq(Status.LOCAL_ADDRESS)
        with m.Elif(older == 0):
            m.d.sync += self.fault.eq(bursts.fault)
        return m

    def _words(self, m: Module, bursts: Bursts) -> Value:
        """Read words and repack them; return whether the oldest command leaves the memory."""
        size, bus = self.config.rows, self.config.axi_bytes
        granule = gcd(size, bus)
        words, beats = size // granule, bus // granule  # granules of each
        pad_bits = exact_log2(beats)
        m.submodules.rows = rows = LocalRows(pad_bits)
        m.submodules.fetch = fetch = Fetch(self.config, pad_bits)
        m.submodules.places = places = Skid(
            data.StructLayout({
                "address": rows.o.p.address.shape(),
                "pad": pad_bits,
                "last": 1,
                "outside": 1,
            })
        )
        outside = Signal()
        older = Signal(COMMAND_BITS)  # unfinished commands whose words are all asked for
        asked = places.o.valid & places.o.ready & places.o.p.last
        m.d.sync += older.eq(older + asked - self.done)
        fields = self.command.p
        m.d.comb += [
            self.command.ready.eq(bursts.i.ready & rows.i.ready),
            bursts.i.valid.eq(self.command.valid & rows.i.ready),
            rows.i.valid.eq(self.command.valid & bursts.i.ready),
            rows.i.p.tag.eq(-times(fields.n_words[:pad_bits], words)),
            places.i.p.address.eq(rows.o.p.address),
            places.i.p.pad.eq(Mux(rows.o.p.row_ends, rows.o.p.tag, 0)),
            places.i.p.last.eq(rows.o.p.last),
            places.i.p.outside.eq(rows.o.p.address >= self.config.activation_words),
            places.i.valid.eq(rows.o.valid),
            rows.o.ready.eq(places.i.ready),
            outside.eq(places.o.valid & places.o.p.outside),
            fetch.i.valid.eq(places.o.valid & ~places.o.p.outside),
            places.o.ready.eq(fetch.i.ready & ~places.o.p.outside),
            fetch.i.p.address.eq(places.o.p.address),
            fetch.i.p.tag.eq(places.o.p.pad),
        ]
        m.d.comb += [
            rows.i.p[name].eq(fields[name])
            for name in ("local", "local_stride", "n_rows", "n_words")
        ]
        wiring.connect(m, fetch.port, wiring.flipped(self.source))
        self._repack(m, fetch, granule)
        return outside & (older == 0)

    def _repack(self, m: Module, fetch: Fetch, granule: int) -> None:
        """Make beats of words; both are whole granules, of as many bytes."""
        words, beats = self.config.rows // granule, self.config.axi_bytes // granule
        # A granule is its bytes and a strobe, which padding lacks.
        m.submodules.gearbox = gearbox = Gearbox(8 * granule + 1, words, beats, words + beats - 1)
        m.submodules.cut = cut = Skid(self.beat.p.shape())  # the pins are far from the gearbox
        link(m, cut.o, wiring.flipped(self.beat))
        m.d.comb += [
            gearbox.i.valid.eq(fetch.o.valid),
            fetch.o.ready.eq(gearbox.i.ready),
            gearbox.i.p.count.eq(words + fetch.o.p.tag),
            cut.i.valid.eq(gearbox.o.valid),
            gearbox.o.ready.eq(cut.i.ready),
        ]
        for n, place in enumerate(gearbox.i.p.data):
            word = fetch.o.p.data.as_value()
            m.d.comb += place.eq(Cat(word.word_select(n, 8 * granule), 1))
        for n, place in enumerate(gearbox.o.payload):
            m.d.comb += [
                cut.i.p.data.word_select(n, 8 * granule).eq(place),
                cut.i.p.strobe.word_select(n, granule).eq(place[-1].replicate(granule)),
            ]
