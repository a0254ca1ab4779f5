"""Accumulators of neighbouring columns: a row of both banks is read, added to and written."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.primitives.block_ram import BlockRam
from vitaccel.hw.shared import Shared

__all__ = ["AccumulatorBundle", "tap_layout"]


def tap_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A beat on its way along the columns."""
    return data.StructLayout({
        "use": 2,  # one bit per bank: this beat is for it
        "first": 1,  # overwrite instead of add
        "last": 1,  # nothing else comes to this bank
        "address": range(config.accumulator_rows),
    })


class AccumulatorBundle(wiring.Component):
    """Two banks of the accumulators of some columns, side by side in one memory each.

    Parameters
    ----------
    config
        ``accumulator_rows``, ``accumulator_bits``.
    n_sums
        Columns of sums.

    Members
    -------
    reading, adding, landing : In(tap_layout)
        A beat `READ_AHEAD` cycles before its sums arrive, one cycle before, and one cycle after.
    sums : In(array of signed(accumulator_bits))
        Of the beat, all at once.
    address : In
        Row of the bank that no beat uses.
    drained : In(1)
        That bank, when ``shown`` is looked at.
    shown : Out(array of signed(accumulator_bits))
        Its row, `LATENCY` cycles later.

    Timing
    ------
    One beat per cycle; those to one row of a bank are 5 cycles apart.
    """

    reading: data.View
    adding: data.View
    landing: data.View
    sums: data.View
    address: Signal
    drained: Signal
    shown: data.View

    LATENCY = 2
    READ_AHEAD = 3

    def __init__(self, config: AcceleratorConfig, n_sums: int) -> None:
        self.config = config
        self.sums_layout = data.ArrayLayout(signed(config.accumulator_bits), n_sums)
        tap = tap_layout(config)
        super().__init__({
            "reading": In(tap),
            "adding": In(tap),
            "landing": In(tap),
            "sums": In(self.sums_layout),
            "address": In(range(config.accumulator_rows)),
            "drained": In(1),
            "shown": Out(self.sums_layout),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.sums_layout
        old, total = (Signal(layout, name=name, reset_less=True) for name in ("old", "total"))
        rows = []
        for bank in range(2):
            # Never looks at the word being written: beats to a row are too far apart, and POST
            # reads the bank that no beat is for.
            storage = BlockRam(layout, self.config.accumulator_rows)
            m.submodules[f"bank_{bank}"] = Shared(storage)
            m.d.comb += [
                storage.read_address.eq(
                    Mux(self.reading.use[bank], self.reading.address, self.address)
                ),
                storage.write.eq(self.landing.use[bank]),
                storage.write_address.eq(self.landing.address),
                storage.write_data.eq(total),
            ]
            # Block RAM takes half of a cycle to answer: nothing but a register follows it.
            found = Signal(layout, name=f"found_{bank}", reset_less=True)
            m.d.sync += found.eq(storage.read_data)
            rows.append(found.as_value())
        held = Mux(self.adding.use[1], rows[1], rows[0])
        m.d.sync += [
            old.eq(Mux(self.adding.first, 0, held)),
            *(total[n].eq(old[n] + self.sums[n]) for n in range(layout.length)),
        ]
        m.d.comb += self.shown.eq(Mux(self.drained, rows[1], rows[0]))
        return m
