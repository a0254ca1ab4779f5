"""Weight buffer: one reader, one writer."""

from typing import Any

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import ReadPort, WritePort, word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

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

    reader: Any
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
        config = self.config
        words = BlockRam(word_layout(config), config.weight_words)
        m.submodules.words = Shared(words)
        target, writing = self.writer.p.address, self.writer.valid
        m.d.comb += [
            self.writer.ready.eq(1),
            words.write.eq(
                delayed(m, writing & ~self._beyond(target), 1, "write", reset_less=False)
            ),
            words.write_address.eq(delayed(m, target, 1, "write_address")),
            words.write_data.eq(delayed(m, self.writer.p.data, 1, "write_data")),
        ]
        with m.If(writing & self._beyond(target)):
            m.d.sync += self.writer_fault.eq(1)

        request = self.reader.request
        valid = delayed(m, request.valid, 2, "asked", reset_less=False)
        beyond = delayed(m, self._beyond(request.payload), 2, "beyond")
        m.d.comb += [
            request.ready.eq(1),
            words.read_address.eq(delayed(m, request.payload, 1, "read_address")),
        ]
        m.d.sync += self.reader.valid.eq(valid)
        m.d.comb += self.reader.data.eq(delayed(m, Mux(beyond, 0, words.read_data), 1, "found"))
        with m.If(valid & beyond):
            m.d.sync += self.reader_fault.eq(1)
        return m

    def _beyond(self, address: Value) -> Value:
        return address[exact_log2(self.config.weight_words) :].any()
