"""Activation memory: interleaved banks between many readers and writers."""

from functools import reduce
from operator import or_, xor
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.bank_arbiter import BankArbiter
from vitaccel.hw.ports import ReadPort, WritePort, word_layout
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared
from vitaccel.hw.streams.skid import Skid

__all__ = ["Scratchpad"]


class Scratchpad(wiring.Component):
    """Memory of ``activation_words`` words, neighbours in different banks.

    With n = log2(activation_banks), the bank of a word is the exclusive or of the lowest `FOLDS`
    groups of n bits of its address, so that a column of rows of 16 words, as the array reads it,
    does not keep one bank busy (Rau, "Pseudo-randomly interleaved memory", ISCA 1991).

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

    readers: list[Any]
    writers: list[stream.Interface]
    reader_fault: Signal
    writer_fault: Signal

    FOLDS = 4  # inputs of a lookup table
    LATENCY = 6  # skid, grant, address, memory, its output register, choice of the bank

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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self.config.activation_words // self.config.activation_banks
        banks = [
            BlockRam(word_layout(self.config), depth, granules=self.config.rows)
            for _ in range(self.config.activation_banks)
        ]
        for b, bank in enumerate(banks):
            m.submodules[f"bank_{b}"] = Shared(bank)
        self._read(m, banks)
        self._write(m, banks)
        return m

    def _place(self, m: Module, name: str, address: Value) -> data.View:
        """Address taken apart."""
        bank_bits = exact_log2(self.config.activation_banks)
        bits = ceil_log2(self.config.activation_words)
        folds = range(0, min(self.FOLDS * bank_bits, bits), bank_bits) if bank_bits else [0]
        layout = data.StructLayout({"bank": bank_bits, "row": bits - bank_bits, "beyond": 1})
        place = Signal(layout, name=name)
        m.d.comb += [
            place.bank.eq(reduce(xor, (address[n : n + bank_bits] for n in folds))),
            place.row.eq(address[bank_bits:bits]),
            place.beyond.eq(address >= self.config.activation_words),
        ]
        return place

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

    def _read(self, m: Module, banks: list) -> None:
        heads = []
        for r, reader in enumerate(self.readers):
            place = self._place(m, f"asked_{r}", reader.request.payload)
            m.submodules[f"skid_{r}"] = skid = Skid(place.shape())
            m.d.comb += [
                skid.i.payload.eq(place),
                skid.i.valid.eq(reader.request.valid),
                reader.request.ready.eq(skid.i.ready),
            ]
            heads.append(skid.o)
        grant, chosen = self._arbitrate(m, "read", [h.valid for h in heads], [h.p for h in heads])
        m.d.comb += [head.ready.eq(grant[r]) for r, head in enumerate(heads)]
        rows = [delayed(m, head.p.row, 1, f"read_row_{r}") for r, head in enumerate(heads)]
        words = []
        for b, bank in enumerate(banks):
            row = Signal.like(
                bank.read_address, name=f"row_{b}", reset_less=True
            )  # far from all RAMs
            m.d.sync += row.eq(_one_of(chosen[b], rows))
            m.d.comb += bank.read_address.eq(row)
            words.append(delayed(m, bank.read_data, 1, f"word_{b}"))
        for r, (reader, head) in enumerate(zip(self.readers, heads, strict=True)):
            valid = delayed(m, grant[r], 4, f"granted_{r}", reset_less=False)
            place = delayed(m, head.p, 4, f"place_{r}")
            answer = data.ArrayLayout(word_layout(self.config), len(words))(Cat(words))[place.bank]
            found = delayed(m, Mux(place.beyond, 0, answer), 1, f"found_{r}")
            m.d.sync += reader.valid.eq(valid)
            m.d.comb += reader.data.eq(found)
            with m.If(valid & place.beyond):
                m.d.sync += self.reader_fault[r].eq(1)

    def _write(self, m: Module, banks: list) -> None:
        places = [
            self._place(m, f"target_{r}", writer.p.address) for r, writer in enumerate(self.writers)
        ]
        valid = [writer.valid for writer in self.writers]
        grant, chosen = self._arbitrate(m, "write", valid, places)
        later, words, kept = [], [], []
        for r, (writer, place) in enumerate(zip(self.writers, places, strict=True)):
            m.d.comb += writer.ready.eq(grant[r])
            with m.If(grant[r] & place.beyond):
                m.d.sync += self.writer_fault[r].eq(1)
            later.append(delayed(m, place, 1, f"target_{r}"))
            words.append(delayed(m, writer.p.data, 1, f"written_{r}"))
            kept.append(delayed(m, writer.p.keep, 1, f"kept_{r}"))
        legal = ~Cat(place.beyond for place in later)
        rows = [place.row for place in later]
        for b, bank in enumerate(banks):
            write = Signal(self.config.rows, name=f"write_{b}")
            address = Signal.like(bank.write_address, name=f"write_address_{b}", reset_less=True)
            word = Signal.like(bank.write_data, name=f"write_data_{b}", reset_less=True)
            m.d.sync += [
                write.eq(Mux((chosen[b] & legal).any(), ~_one_of(chosen[b], kept), 0)),
                address.eq(_one_of(chosen[b], rows)),
                word.eq(_one_of(chosen[b], words)),
            ]
            m.d.comb += [
                bank.write.eq(write),
                bank.write_address.eq(address),
                bank.write_data.eq(word),
            ]


def _one_of(chosen: Signal, values: list) -> Value:
    """Value whose bit of ``chosen`` is set; 0 if none is."""
    terms = [Mux(bit, Value.cast(value), 0) for bit, value in zip(chosen, values, strict=True)]
    return reduce(or_, terms)
