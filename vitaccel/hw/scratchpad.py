"""Activation memory: interleaved banks between many readers and writers."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.bank_arbiter import BankArbiter
from vitaccel.hw.ports import ADDRESS_BITS, ReadPort, WritePort, word_layout
from vitaccel.hw.skid import Skid

__all__ = ["Scratchpad"]


class Scratchpad(wiring.Component):
    """Memory of ``activation_words`` words; word a lies in bank ``a mod activation_banks``.

    Parameters
    ----------
    config
        ``activation_words``, ``activation_banks`` and the lanes of a word.
    n_readers, n_writers
        Ports.

    Members
    -------
    readers : In(ReadPort), n_readers of them
        Smaller index comes first when two want one bank, see `BankArbiter`.
    writers : In(WritePort), n_writers of them
        Likewise. Reads and writes do not disturb each other.
    reader_fault, writer_fault : Out(n_readers), Out(n_writers)
        Bit r: port r has asked for a word beyond the memory (held until reset). Such a read is
        answered with zeros, such a write is dropped.

    Timing
    ------
    A read is answered `LATENCY` cycles after it was accepted, plus those it waited for its bank:
    at most ``BankArbiter.PATIENCE * (n_readers - 1)``. Each port moves one word per cycle as long
    as nobody else wants the same bank. Of n words written in consecutive cycles by one port each
    lands within the same bound. A write taken in one cycle is seen by every read accepted in a
    later one. Combinational paths: from valid and address of all writers to their ready.
    """

    LATENCY = 5  # skid, grant, memory, its output register, choice of the bank

    def __init__(self, config: AcceleratorConfig, n_readers: int, n_writers: int) -> None:
        self.config = config
        self.n_readers = n_readers
        self.n_writers = n_writers
        super().__init__({
            "readers": In(ReadPort(config)).array(n_readers),
            "writers": In(WritePort(config)).array(n_writers),
            "reader_fault": Out(n_readers),
            "writer_fault": Out(n_writers),
        })

    @property
    def _place_layout(self) -> data.StructLayout:
        """Address taken apart."""
        bank_bits = exact_log2(self.config.activation_banks)
        row_bits = exact_log2(self.config.activation_words) - bank_bits
        return data.StructLayout({
            "bank": bank_bits,
            "row": row_bits,
            "beyond": ADDRESS_BITS - row_bits - bank_bits,
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = [
            memory.Memory(
                shape=word_layout(self.config),
                depth=self.config.activation_words // self.config.activation_banks,
                init=[],
            )
            for _ in range(self.config.activation_banks)
        ]
        for b, bank in enumerate(banks):
            m.submodules[f"bank_{b}"] = bank
        self._read(m, [bank.read_port() for bank in banks])
        self._write(m, [bank.write_port() for bank in banks])
        return m

    def _arbitrate(self, m: Module, name: str, valid: list, places: list) -> tuple[Signal, list]:
        """Grant banks; return the grants, and per bank, one cycle later, who has it."""
        n_banks = self.config.activation_banks
        arbiter = BankArbiter(len(places), n_banks)
        m.submodules[f"{name}_arbiter"] = arbiter
        m.d.comb += arbiter.valid.eq(Cat(valid))
        chosen = [Signal(len(places), name=f"{name}_chosen_{b}") for b in range(n_banks)]
        for r, place in enumerate(places):
            m.d.comb += arbiter.bank[r].eq(place.bank)
            for b in range(n_banks):
                m.d.sync += chosen[b][r].eq(arbiter.grant[r] & (place.bank == b))
        return arbiter.grant, chosen

    def _read(self, m: Module, ports: list) -> None:
        heads = []
        for r, reader in enumerate(self.readers):
            m.submodules[f"skid_{r}"] = skid = Skid(self._place_layout)
            m.d.comb += [
                skid.i.payload.eq(reader.request.payload),
                skid.i.valid.eq(reader.request.valid),
                reader.request.ready.eq(skid.i.ready),
            ]
            heads.append(skid.o)
        grant, chosen = self._arbitrate(m, "read", [h.valid for h in heads], [h.p for h in heads])
        rows = [Signal.like(head.p.row, name=f"read_row_{r}") for r, head in enumerate(heads)]
        m.d.sync += [row.eq(head.p.row) for row, head in zip(rows, heads, strict=True)]
        m.d.comb += [head.ready.eq(grant[r]) for r, head in enumerate(heads)]

        words = [Signal(word_layout(self.config), name=f"word_{b}") for b in range(len(ports))]
        for b, port in enumerate(ports):
            m.d.comb += port.addr.eq(_one_of(chosen[b], rows))
            m.d.sync += words[b].eq(port.data)
        for r, (reader, head) in enumerate(zip(self.readers, heads, strict=True)):
            self._answer(m, r, reader, head.p, grant[r], words)

    def _answer(
        self,
        m: Module,
        r: int,
        reader: wiring.PureInterface,
        place: data.View,
        granted: Signal,
        words: list,
    ) -> None:
        """Follow a granted request of reader r through the memory and pick its word."""
        beyond = place.beyond.any()
        with m.If(granted & beyond):
            m.d.sync += self.reader_fault[r].eq(1)
        valid, zero, bank = granted, beyond, place.bank
        for stage in ("granted", "addressed", "read"):
            held = [
                Signal.like(x, name=f"{stage}_{r}_{n}") for n, x in enumerate((valid, zero, bank))
            ]
            m.d.sync += [q.eq(x) for q, x in zip(held, (valid, zero, bank), strict=True)]
            valid, zero, bank = held
        answer = data.ArrayLayout(word_layout(self.config), len(words))(Cat(words))[bank]
        m.d.sync += [reader.valid.eq(valid), reader.data.eq(Mux(zero, 0, answer))]

    def _write(self, m: Module, ports: list) -> None:
        places = [self._place_layout(writer.p.address) for writer in self.writers]
        valid = [writer.valid for writer in self.writers]
        grant, chosen = self._arbitrate(m, "write", valid, places)
        rows, words, legal = [], [], Signal(self.n_writers)
        for r, (writer, place) in enumerate(zip(self.writers, places, strict=True)):
            m.d.comb += writer.ready.eq(grant[r])
            with m.If(grant[r] & place.beyond.any()):
                m.d.sync += self.writer_fault[r].eq(1)
            row = Signal.like(place.row, name=f"write_row_{r}")
            word = Signal.like(writer.p.data, name=f"write_word_{r}")
            m.d.sync += [
                row.eq(place.row),
                word.eq(writer.p.data),
                legal[r].eq(~place.beyond.any()),
            ]
            rows.append(row)
            words.append(word)
        for b, port in enumerate(ports):
            m.d.sync += [
                port.en.eq((chosen[b] & legal).any()),
                port.addr.eq(_one_of(chosen[b], rows)),
                port.data.eq(_one_of(chosen[b], words)),
            ]


def _one_of(chosen: Signal, values: list) -> Value:
    """Value whose bit of ``chosen`` is set; 0 if none is."""
    terms = [Mux(bit, Value.cast(value), 0) for bit, value in zip(chosen, values, strict=True)]
    return reduce(or_, terms)
