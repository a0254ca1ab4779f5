"""Cuts rows of external memory into AXI bursts that stay inside the memory window."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, burst_layout, max_beats
from vitaccel.hw.primitives.times import times
from vitaccel.hw.streams.stream import link
from vitaccel.isa import Status

__all__ = ["Bursts", "rows_layout"]

COUNT_BITS = 16


def rows_layout() -> data.StructLayout:
    """External side of LOAD and STORE; the names are those of `isa.FIELDS`."""
    return data.StructLayout({
        "external": ADDRESS_BITS,
        "external_stride": ADDRESS_BITS,
        "n_rows": COUNT_BITS,
        "n_words": COUNT_BITS,
    })


class Bursts(wiring.Component):
    """Turn rows of words into bursts.

    Row r covers the bytes from ``external + r * external_stride`` (modulo 2**32) to
    ``n_words * word_bytes`` further on. Bursts lie in naturally aligned blocks of
    `axi.max_beats` beats, so they are as long as allowed and never cross 4 KiB.

    Parameters
    ----------
    config
        Sets the data bus and the longest burst.
    word_bytes
        Bytes per word, 1 to 32.
    longest
        Beats of the longest burst, a power of two, if less than `axi.max_beats`.

    Members
    -------
    i : In(stream of rows_layout)
        A command; taken once the last burst of the former one is formed.
    o : Out(stream of burst_layout)
        Bursts, all inside the window.
    base, limit : In(32)
        Window of byte addresses ``base <= a < limit``, counted in whole beats.
    fault : Out(Status)
        ILLEGAL_FIELD (nothing to move, or rows that do not start at a beat) or EXTERNAL_ADDRESS,
        instead of the first burst concerned; held until reset, and nothing is offered any more.

    Timing
    ------
    First burst `LATENCY` cycles after the command, then one every second cycle. `o` and
    ``i.ready`` depend on registers alone; nothing else depends on ``o.ready`` within a cycle.
    """

    i: stream.Interface
    o: stream.Interface
    base: Signal
    limit: Signal
    fault: Signal

    LATENCY = 6

    def __init__(self, config: AcceleratorConfig, word_bytes: int, longest: int = 256) -> None:
        self.config = config
        self.longest = min(longest, max_beats(config))
        self.word_bytes = word_bytes
        self.beat_bits = exact_log2(config.axi_bytes)
        self.block_bits = exact_log2(self.longest)
        super().__init__({
            "i": In(stream.Signature(rows_layout())),
            "o": Out(stream.Signature(burst_layout(config))),
            "base": In(ADDRESS_BITS),
            "limit": In(ADDRESS_BITS),
            "fault": Out(Status),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.form = form = _Form(self.config, self.word_bytes, self.longest)
        link(m, wiring.flipped(self.i), form.i)
        formed = form.o.p
        first = formed.address
        block, rest = first[: self.block_bits], first[self.block_bits :]
        final = Cat((block + formed.length)[: self.block_bits], rest)  # the burst's last beat
        below = Cat(Const(0, self.beat_bits), first) < self.base
        above = final >= self.limit[self.beat_bits :]
        free = Signal()
        m.d.comb += [
            free.eq(~self.o.valid & (self.fault == Status.OK)),
            form.o.ready.eq(free),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(form.o.valid & free):
            m.d.sync += [
                self.o.p.address.eq(Cat(Const(0, self.beat_bits), first)),
                self.o.p.length.eq(formed.length),
                self.o.p.tail.eq(formed.tail),
                self.o.p.last.eq(formed.last),
            ]
            with m.If(formed.illegal):
                m.d.sync += self.fault.eq(Status.ILLEGAL_FIELD)
            with m.Elif(below | above):
                m.d.sync += self.fault.eq(Status.EXTERNAL_ADDRESS)
            with m.Else():
                m.d.sync += self.o.valid.eq(1)
        return m


class _Form(wiring.Component):
    """Walk the rows and form bursts that nobody has checked yet; ``address`` counts beats."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig, word_bytes: int, longest: int) -> None:
        self.word_bytes = word_bytes
        self.beat_bits = exact_log2(config.axi_bytes)
        self.block_bits = exact_log2(longest)
        super().__init__({
            "i": In(stream.Signature(rows_layout())),
            "o": Out(
                stream.Signature(
                    data.StructLayout({
                        "address": ADDRESS_BITS - self.beat_bits,
                        "length": self.block_bits,
                        "tail": self.beat_bits,
                        "last": 1,
                        "illegal": 1,
                    })
                )
            ),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command = Signal(rows_layout(), reset_less=True)
        row = Signal(self._row_layout(), reset_less=True)
        walk = Signal(self._walk_layout(), reset_less=True)
        row_bytes = Signal(COUNT_BITS + 6)
        stride = command.external_stride[self.beat_bits :]
        offsets = command.external[: self.beat_bits] | command.external_stride[: self.beat_bits]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += command.eq(self.i.p)
                with m.If(self.i.valid):
                    m.next = "SCALE"
            with m.State("SCALE"):
                illegal = (command.n_rows == 0) | (command.n_words == 0) | offsets.any()
                m.d.sync += [
                    row_bytes.eq(times(command.n_words, self.word_bytes)),
                    row.illegal.eq(illegal),
                ]
                m.next = "COUNT"
            with m.State("COUNT"):
                start = command.external[self.beat_bits :]
                last_byte = row_bytes - 1
                m.d.sync += [
                    Cat(row.tail, row.left).eq(last_byte),
                    walk.left.eq(last_byte[self.beat_bits :]),
                    walk.address.eq(start),
                    walk.next_row.eq(start + stride),
                ]
                m.next = "SIZE"
            with m.State("SIZE"):
                room = ~walk.address[: self.block_bits]  # beats to the end of the block - 1
                ends = ~walk.left[self.block_bits :].any() & (walk.left[: self.block_bits] <= room)
                m.d.sync += [
                    walk.length.eq(Mux(ends, walk.left, room)),
                    walk.row_ends.eq(ends),
                    walk.final_row.eq(command.n_rows == 1),
                ]
                m.next = "OFFER"
            with m.State("OFFER"), m.If(~self.o.valid):
                m.next = "SIZE"
                with m.If(walk.row_ends & walk.final_row):
                    m.next = "IDLE"
                self._offer(m, row, walk, stride)
                with m.If(walk.row_ends):
                    m.d.sync += command.n_rows.eq(command.n_rows - 1)
        return m

    def _row_layout(self) -> data.StructLayout:
        """What is the same for all rows; ``left``: beats - 1, ``tail``: bytes of the last - 1."""
        return data.StructLayout({
            "left": COUNT_BITS + 6 - self.beat_bits,
            "tail": self.beat_bits,
            "illegal": 1,
        })

    def _walk_layout(self) -> data.StructLayout:
        """The next burst; ``left``: beats of its row from ``address`` on - 1."""
        return data.StructLayout({
            "left": COUNT_BITS + 6 - self.beat_bits,
            "address": ADDRESS_BITS - self.beat_bits,
            "next_row": ADDRESS_BITS - self.beat_bits,
            "length": self.block_bits,
            "row_ends": 1,
            "final_row": 1,
        })

    def _offer(self, m: Module, row: data.View, walk: data.View, stride: Value) -> None:
        """Offer a burst and go on to the next one."""
        m.d.sync += [
            self.o.valid.eq(1),
            self.o.p.address.eq(walk.address),
            self.o.p.length.eq(walk.length),
            self.o.p.tail.eq(Mux(walk.row_ends, row.tail, ~0)),
            self.o.p.last.eq(walk.row_ends & walk.final_row),
            self.o.p.illegal.eq(row.illegal),
        ]
        with m.If(walk.row_ends):
            m.d.sync += [
                walk.address.eq(walk.next_row),
                walk.next_row.eq(walk.next_row + stride),
                walk.left.eq(row.left),
            ]
        with m.Else():
            m.d.sync += [
                walk.address[self.block_bits :].eq(walk.address[self.block_bits :] + 1),
                walk.address[: self.block_bits].eq(0),
                walk.left.eq(walk.left - walk.length - 1),
            ]
