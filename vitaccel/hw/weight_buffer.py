"""Weight buffer: one reader, one writer."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import ReadPort, WritePort, word_layout

__all__ = ["WeightBuffer"]


class WeightBuffer(wiring.Component):
    """Memory of ``weight_words`` words.

    Parameters
    ----------
    config
        ``weight_words`` and the lanes of a word.

    Members
    -------
    reader : In(ReadPort)
        Always ready.
    writer : In(WritePort)
        Always ready.
    reader_fault, writer_fault : Out(1)
        The port has asked for a word beyond the memory (held until reset). Such a read is answered
        with zeros, such a write is dropped.

    Timing
    ------
    A read is answered `LATENCY` cycles after it was accepted; one read and one write per cycle. A
    write taken in one cycle is seen by every read accepted in a later one. No combinational paths.
    """

    reader: wiring.PureInterface
    writer: stream.Interface
    reader_fault: Signal
    writer_fault: Signal

    LATENCY = 3  # address register, memory, its output register

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "reader": In(ReadPort(config)),
            "writer": In(WritePort(config)),
            "reader_fault": Out(1),
            "writer_fault": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = exact_log2(self.config.weight_words)
        m.submodules.words = words = memory.Memory(
            shape=word_layout(self.config), depth=self.config.weight_words, init=[]
        )

        write_port = words.write_port()
        address, writing = self.writer.p.address, self.writer.valid
        m.d.comb += self.writer.ready.eq(1)
        m.d.sync += [
            write_port.addr.eq(address),
            write_port.data.eq(self.writer.p.data),
            write_port.en.eq(writing & ~address[bits:].any()),
        ]
        with m.If(writing & address[bits:].any()):
            m.d.sync += self.writer_fault.eq(1)

        read_port = words.read_port()
        request = self.reader.request
        asked, found = Signal(), Signal()
        zero, zero_q = Signal(), Signal()
        m.d.comb += request.ready.eq(1)
        m.d.sync += [
            read_port.addr.eq(request.payload),
            asked.eq(request.valid),
            zero.eq(request.payload[bits:].any()),
            found.eq(asked),
            zero_q.eq(zero),
            self.reader.valid.eq(found),
            self.reader.data.eq(Mux(zero_q, 0, read_port.data)),
        ]
        with m.If(asked & zero):
            m.d.sync += self.reader_fault.eq(1)
        return m
