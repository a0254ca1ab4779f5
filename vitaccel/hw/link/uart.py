"""Serial line: 8 data bits, no parity, 1 stop bit."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import (
    cdc,  # pyright: ignore[reportAttributeAccessIssue]
    stream,
    wiring,
)
from amaranth.lib.wiring import In, Out

from vitaccel.errors import ConfigError
from vitaccel.hw.link.slip import BYTE

__all__ = ["Uart", "divisor"]

WORST = 0.02  # share of a bit time; a byte ends 9.5 bits after the edge that both sides start from
FEWEST = 4  # cycles per bit, so that the middle of a bit is one


def divisor(clock_hz: float, baud: int) -> int:
    """Cycles per bit.

    Raises
    ------
    ConfigError
        If whole cycles miss the rate by more than 2 %, or there are fewer than four of them.
    """
    cycles = max(FEWEST, round(clock_hz / baud))
    if abs(cycles * baud / clock_hz - 1) > WORST:
        near = [int(clock_hz / n) for n in (cycles + 1, cycles, cycles - 1) if n >= FEWEST]
        raise ConfigError(
            f"baud rate {baud} must be within 2 % of the clock of {clock_hz / 1e6:g} MHz divided "
            f"by a whole number; nearest are {', '.join(map(str, near))}"
        )
    return cycles


class Uart(wiring.Component):
    """Bytes to and from a serial line.

    Parameters
    ----------
    divisor
        Cycles per bit, at least 4; see `divisor`.

    Members
    -------
    rx : In(1)
        From the line, asynchronous.
    tx : Out(1)
        To the line, a register.
    received : Out(stream of byte)
        A byte that is not taken before the next one is complete is lost, as is one without a
        stop bit.
    sent : In(stream of byte)
        To send.

    Timing
    ------
    A byte takes ten bits. A byte is received in the middle of its stop bit.
    """

    rx: Signal
    tx: Signal
    received: stream.Interface
    sent: stream.Interface

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({
            "rx": In(1, init=1),  # pyright: ignore[reportCallIssue]
            "tx": Out(1, init=1),  # pyright: ignore[reportCallIssue]
            "received": Out(BYTE),
            "sent": In(BYTE),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._send(m)
        self._receive(m)
        return m

    def _send(self, m: Module) -> None:
        bits = Signal(9)  # still to come, the stop bit above them
        left = Signal(range(10))
        wait = Signal(range(self.divisor))
        m.d.comb += self.sent.ready.eq((left == 0) & (wait == 0))
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(left != 0):
            m.d.sync += [
                Cat(self.tx, bits).eq(Cat(bits, Const(1))),
                left.eq(left - 1),
                wait.eq(self.divisor - 1),
            ]
        with m.Elif(self.sent.valid):
            m.d.sync += [
                Cat(self.tx, bits).eq(Cat(Const(0), self.sent.payload, Const(1))),
                left.eq(9),
                wait.eq(self.divisor - 1),
            ]

    def _receive(self, m: Module) -> None:
        line = Signal(init=1)
        m.submodules.line = cdc.FFSynchronizer(self.rx, line, init=1)
        bits = Signal(8)
        left = Signal(range(11))  # bits to sample, start and stop bit among them
        wait = Signal(range(self.divisor))
        high = Signal()  # only an edge starts a byte: a line that stays low does not
        m.d.sync += high.eq(line)
        with m.If(self.received.ready):
            m.d.sync += self.received.valid.eq(0)
        with m.If(left == 0):
            m.d.sync += wait.eq(self.divisor // 2 - 1)
            with m.If(high & ~line):
                m.d.sync += left.eq(10)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [bits.eq(Cat(bits[1:], line)), wait.eq(self.divisor - 1), left.eq(left - 1)]
            with m.If((left == 10) & line):  # a spike, no start bit
                m.d.sync += left.eq(0)
            with m.If((left == 1) & line & (~self.received.valid | self.received.ready)):
                m.d.sync += [self.received.payload.eq(bits), self.received.valid.eq(1)]
