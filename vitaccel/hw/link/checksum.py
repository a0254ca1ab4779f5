"""CRC-32 of a sequence of bytes."""

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import crc, wiring  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.lib.wiring import In, Out

__all__ = ["Checksum"]


class Checksum(wiring.Component):
    """CRC-32 as of Ethernet and zlib, half a byte per cycle.

    Members
    -------
    restart : In(1)
        Forget all bytes; not together with ``enter``.
    enter : In(1)
        Append ``byte``; only while ``ready``.
    byte : In(8)
        Next byte.
    ready : Out(1)
        The byte entered last is done.
    value : Out(32)
        CRC of all bytes, while ``ready``.
    intact : Out(1)
        The last four bytes are the CRC (low byte first) of those before, while ``ready``.

    Timing
    ------
    2 cycles per byte. Half bytes take half the multiplexers of whole ones, and a UART is slower.
    """

    restart: Signal
    enter: Signal
    byte: Signal
    ready: Signal
    value: Signal
    intact: Signal

    def __init__(self) -> None:
        super().__init__({
            "restart": In(1),
            "enter": In(1),
            "byte": In(8),
            "ready": Out(1),
            "value": Out(32),
            "intact": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        processor = crc.catalog.CRC32_ETHERNET(4).create()
        # Reset, not `start`: that input costs a multiplexer per bit.
        m.submodules.processor = ResetInserter(self.restart)(processor)
        upper = Signal(4)
        half = Signal()  # the upper half waits
        m.d.comb += [
            self.ready.eq(~half),
            processor.valid.eq(half | self.enter),
            processor.data.eq(upper),
            self.value.eq(processor.crc),
            self.intact.eq(processor.match_detected),
        ]
        with m.If(~half):
            m.d.comb += processor.data.eq(self.byte[:4])
        m.d.sync += [upper.eq(self.byte[4:]), half.eq(self.enter & ~half)]
        return m
