"""Reads two words of 4-bit values for each word that packed columns take."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import ADDRESS_BITS, ReadPort

__all__ = ["PairReader"]


class PairReader(wiring.Component):
    """Turn a request into two, and the low nibbles of both answers into one word.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    port : In(ReadPort)
        Of the reader. A lane of an answer is ``low | high << 4``, the low nibbles of that lane in
        the words at ``address`` and ``address + distance``.
    memory : Out(ReadPort)
        Asked for the two words directly after one another.
    paired : In(1)
        Otherwise requests and answers pass unchanged. Changes only while nothing is under way.
    distance : In(16)
        Words from the first to the second of a pair; constant while a request waits.

    Timing
    ------
    Two cycles per pair; no latency of its own. Combinational paths: requests, their ``ready`` and
    answers pass through.
    """

    port: Any
    memory: Any
    paired: Signal
    distance: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "port": In(ReadPort(config)),
            "memory": Out(ReadPort(config)),
            "paired": In(1),
            "distance": In(16),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._ask(m)
        self._merge(m)
        return m

    def _ask(self, m: Module) -> None:
        """Hold the request until both words are asked for."""
        asked, wanted = self.memory.request, self.port.request
        second = Signal()  # of a pair
        address = Signal(ADDRESS_BITS, reset_less=True)  # of the second word
        m.d.sync += [
            second.eq(self.paired & asked.valid & (second ^ asked.ready)),
            address.eq(wanted.payload + self.distance),
        ]
        m.d.comb += [
            asked.payload.eq(Mux(second, address, wanted.payload)),
            asked.valid.eq(wanted.valid),
            wanted.ready.eq(asked.ready & (second | ~self.paired)),
        ]

    def _merge(self, m: Module) -> None:
        """Keep the low nibbles of the first answer for the second."""
        answer = self.memory
        second = Signal()
        with m.If(self.paired & answer.valid):
            m.d.sync += second.eq(~second)
        m.d.comb += self.port.valid.eq(answer.valid & (second | ~self.paired))
        for row in range(self.config.rows):
            low = Signal(4, name=f"low_{row}", reset_less=True)
            with m.If(answer.valid):
                m.d.sync += low.eq(answer.data[row])
            merged = Cat(low, answer.data[row][:4])
            m.d.comb += self.port.data[row].eq(Mux(self.paired, merged, answer.data[row]))
