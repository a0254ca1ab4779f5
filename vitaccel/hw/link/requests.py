"""What the host asks is done here, one request after the other."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, Ports, expose
from vitaccel.hw.link.access import Access, bus_ports
from vitaccel.hw.link.slip import BYTE, last_layout
from vitaccel.link_protocol import (
    ABOUT,
    HEADER_BYTES,
    REGISTER_BYTES,
    UNTAGGED,
    VERSION,
    Answer,
    Opcode,
)

__all__ = ["Requests"]

_ABOUT_BYTES = sum(ABOUT.values())


class _Request:
    """What is known of the present request."""

    def __init__(self, config: AcceleratorConfig, memory_bytes: int) -> None:
        last = config.axi_bytes - 1
        self.tag = Signal(8)
        self.opcode = Signal(8)
        self.address = Signal(ADDRESS_BITS)  # of the next byte
        self.inner = self.address[: ceil_log2(max(memory_bytes, REGISTER_BYTES))]
        self.left = Signal(8)  # bytes to take of a request or write, to give of a read
        self.answer = Signal(Answer)
        self.word = Signal(8 * config.axi_bytes)
        self.strobe = Signal(config.axi_bytes)
        self.interrupt = Signal()  # must not change while it is offered
        self.writes, self.register = self.opcode[0], self.opcode[1]
        self.lane = self.address[: exact_log2(config.axi_bytes)] & Mux(self.register, 3, last)
        self.word_ends = self.lane == Mux(self.register, 3, last)


class Requests(Ports, wiring.Component):
    """Check each request, do it, reply.

    Every request is answered by one reply. Nothing is written unless all that the request is to
    write lies within the memory (or the registers).

    Parameters
    ----------
    config
        Sets the memory's data bus.
    memory_bytes
        Memory from address 0.
    queue_bytes
        What the host may send ahead; it is told by STATUS.

    Members
    -------
    i : In(stream of byte)
        Requests as `FrameQueue` gives them.
    o : Out(stream of last_layout)
        Replies without checksum.
    interrupt : In(1)
        Told by STATUS.
    control_*, memory_*
        See `vitaccel.hw.link.access.bus_ports`.

    Timing
    ------
    A byte per cycle, and one access per word of the bus.
    """

    def __init__(self, config: AcceleratorConfig, memory_bytes: int, queue_bytes: int) -> None:
        self.config = config
        self.memory_bytes = memory_bytes
        self.queue_bytes = queue_bytes
        super().__init__({
            "i": In(BYTE),
            "o": Out(stream.Signature(last_layout())),
            "interrupt": In(1),
            **bus_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.access = access = Access(self.config)
        expose(m, self, access, bus_ports(self.config))
        now = _Request(self.config, self.memory_bytes)
        m.d.comb += [
            access.address.eq(now.address),
            access.register.eq(now.register),
            access.write.eq(now.writes),
            access.data.eq(now.word),
            access.strobe.eq(now.strobe),
        ]
        with m.FSM():
            self._take(m, now)
            self._check(m, now)
            self._write(m, now, access)
            self._read(m, now, access)
            self._reply(m, now)
        return m

    def _take(self, m: Module, now: _Request) -> None:
        """Size and header of the next request."""
        n = Signal(range(HEADER_BYTES))
        with m.State("SIZE"):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [n.eq(0), now.left.eq(self.i.payload), now.answer.eq(Answer.OK)]
            with m.If(self.i.valid):
                m.next = "BEGIN"
        with m.State("BEGIN"):
            m.next = "HEADER"
            with m.If(now.left == 0):
                m.d.sync += [now.tag.eq(UNTAGGED), now.answer.eq(Answer.BROKEN_FRAME)]
                m.next = "TAG"
        with m.State("HEADER"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                header = Cat(now.tag, now.opcode, now.address)
                m.d.sync += header.eq(Cat(header[8:], self.i.payload))
                m.d.sync += [n.eq(n + 1), now.left.eq(now.left - 1)]
                with m.If(n == HEADER_BYTES - 1):
                    m.next = "OPCODE"

    def _check(self, m: Module, now: _Request) -> None:
        """Find what is wrong with it; a read's ``left`` becomes what it wants."""
        with m.State("OPCODE"):
            m.next = "SKIP"
            with m.Switch(now.opcode):
                with m.Case(Opcode.STATUS):
                    m.d.sync += now.answer.eq(Mux(now.left == 0, Answer.OK, Answer.BAD_LENGTH))
                with m.Case(Opcode.READ_MEMORY, Opcode.READ_REGISTERS):
                    m.d.sync += now.answer.eq(Mux(now.left == 1, Answer.OK, Answer.BAD_LENGTH))
                    with m.If(now.left == 1):
                        m.next = "COUNT"
                with m.Case(Opcode.WRITE_MEMORY, Opcode.WRITE_REGISTERS):
                    m.next = "RANGE"
                with m.Default():
                    m.d.sync += now.answer.eq(Answer.BAD_OPCODE)
        with m.State("COUNT"):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += now.left.eq(self.i.payload)
            with m.If(self.i.valid):
                m.next = "RANGE"
        with m.State("RANGE"):
            m.next = "WORD"
            with m.If((now.left == 0) | ~self._inside(now)):
                m.next = "SKIP"
                m.d.sync += now.answer.eq(Mux(now.left == 0, Answer.BAD_LENGTH, Answer.OUTSIDE))
                with m.If(~now.writes):
                    m.d.sync += now.left.eq(0)
            with m.Elif(~now.writes):
                m.next = "TAG"
        with m.State("SKIP"):  # the rest of a payload that nobody wants
            m.d.comb += self.i.ready.eq(now.left != 0)
            with m.If(now.left == 0):
                m.next = "TAG"
            with m.Elif(self.i.valid):
                m.d.sync += now.left.eq(now.left - 1)

    def _inside(self, now: _Request) -> Value:
        limit = Mux(now.register, REGISTER_BYTES, self.memory_bytes)
        beyond = now.address[len(now.inner) :]
        return (beyond == 0) & (now.inner + now.left <= limit)

    def _write(self, m: Module, now: _Request, access: Access) -> None:
        """Gather the bytes of a word, then write it."""
        with m.State("WORD"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.d.sync += [
                    now.word.word_select(now.lane, 8).eq(self.i.payload),
                    now.strobe.bit_select(now.lane, 1).eq(1),
                    now.left.eq(now.left - 1),
                ]
                with m.If(now.word_ends | (now.left == 1)):
                    m.d.comb += access.start.eq(1)
                    m.next = "STORE"
                with m.Else():
                    m.d.sync += now.inner.eq(now.inner + 1)
        with m.State("STORE"), m.If(access.done):
            m.d.sync += [now.strobe.eq(0), now.inner.eq(now.inner + 1)]
            m.next = "WORD"
            with m.If(access.failed):
                m.d.sync += now.answer.eq(Answer.BUS_ERROR)
                m.next = "SKIP"
            with m.Elif(now.left == 0):
                m.next = "TAG"

    def _read(self, m: Module, now: _Request, access: Access) -> None:
        """Read a word, then send its bytes."""
        with m.State("FETCH"):
            m.d.comb += access.start.eq(1)
            m.next = "FETCHED"
        with m.State("FETCHED"), m.If(access.done):
            m.d.sync += now.word.eq(access.found)
            m.next = "SEND"
            with m.If(access.failed):
                m.d.sync += now.answer.eq(Answer.BUS_ERROR)
                m.next = "ANSWER"
        with m.State("SEND"):
            m.d.comb += [self.o.valid.eq(1), self.o.p.byte.eq(now.word.word_select(now.lane, 8))]
            with m.If(self.o.ready):
                m.d.sync += [now.left.eq(now.left - 1), now.inner.eq(now.inner + 1)]
                with m.If(now.left == 1):
                    m.next = "ANSWER"
                with m.Elif(now.word_ends):
                    m.next = "FETCH"

    def _reply(self, m: Module, now: _Request) -> None:
        """Tag before the data, answer behind them: by then it is known."""
        with m.State("TAG"):
            m.d.comb += [self.o.valid.eq(1), self.o.p.byte.eq(now.tag)]
            m.d.sync += now.interrupt.eq(self.interrupt)
            with m.If(self.o.ready):
                m.next = "ANSWER"
                with m.If(now.answer == Answer.OK):
                    with m.If(now.opcode == Opcode.STATUS):
                        m.d.sync += now.left.eq(_ABOUT_BYTES)
                        m.next = "ABOUT"
                    with m.Elif(~now.writes):
                        m.next = "FETCH"
        with m.State("ABOUT"):
            m.d.comb += [self.o.valid.eq(1), self.o.p.byte.eq(self._about(now))]
            with m.If(self.o.ready):
                m.d.sync += now.left.eq(now.left - 1)
                with m.If(now.left == 1):
                    m.next = "ANSWER"
        with m.State("ANSWER"):
            m.d.comb += [
                self.o.valid.eq(1),
                self.o.p.byte.eq(now.answer),
                self.o.p.last.eq(1),
            ]
            with m.If(self.o.ready):
                m.next = "SIZE"

    def _about(self, now: _Request) -> Value:
        """Byte of the reply to STATUS with ``left`` - 1 bytes behind it."""
        values = {
            "version": VERSION,
            "interrupt": now.interrupt,
            "queue_bytes": self.queue_bytes,
            "memory_bytes": self.memory_bytes,
        }
        fields = [Const(0, 8 * size) | values[name] for name, size in ABOUT.items()]
        return Cat(fields).word_select((_ABOUT_BYTES - now.left)[:3], 8)
