"""Accumulators of the array: two banks, one filled by beats while the other is drained."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulator_bundle import AccumulatorBundle, tap_layout
from vitaccel.hw.mxu.array import columns_of
from vitaccel.hw.mxu.column import Column, physical_columns, sums_layout
from vitaccel.hw.mxu.skew import Skew
from vitaccel.hw.ports import DrainPort
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.shared import Shared

__all__ = ["Accumulators", "accumulators_latency", "beat_layout", "bundles"]

RAM_BITS = 36
MOST_BUNDLED = 3  # each waits in registers for the last


def beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Where the sums of a beat go."""
    return data.StructLayout({
        "valid": 1,
        "first": 1,  # overwrite instead of add
        "last": 1,  # nothing else comes to this bank
        "address": range(config.accumulator_rows),
    })


def accumulators_latency(config: AcceleratorConfig) -> int:
    """Cycles from the last beat of a bank to its last write, in the last column."""
    return _read_delay(config) + physical_columns(config) - 1 + Accumulators.HAZARD


def _read_delay(config: AcceleratorConfig) -> int:
    """Cycles from a beat to the first read: its row is read three cycles before its sum arrives."""
    return Skew.LATENCY + config.rows + Column.LATENCY - AccumulatorBundle.READ_AHEAD


def bundles(config: AcceleratorConfig) -> list[range]:
    """Physical columns whose accumulators share a memory per bank.

    As many as fill the 36 bits of ECP5's block RAMs best (Lattice FPGA-TN-02204, table 4): three
    with 24 bits each. The sums of all wait for those of the last.
    """

    def share(size: int) -> float:
        """RAMs for each of ``size`` columns."""
        bits = size * config.accumulator_bits * (2 if config.packed else 1)
        return -(-bits // RAM_BITS) / size

    size = min(range(1, MOST_BUNDLED + 1), key=share)
    found = []
    n_wide = config.wide_groups * config.rows
    for start, stop in ((0, n_wide), (n_wide, physical_columns(config))):
        found += [range(p, min(p + size, stop)) for p in range(start, stop, size)]
    return found


class Accumulators(wiring.Component):
    """Add the sums of beats to rows of a bank; show rows of the other to POST.

    The beat travels from column to column like its lanes, ahead of its sums: a bundle of columns
    reads its row, adds, writes. So each bundle has addresses of its own; nothing is stalled.

    Parameters
    ----------
    config
        Columns, ``accumulator_rows``, ``accumulator_bits``.

    Members
    -------
    beat : In(beat_layout)
        In the cycle in which its lanes enter `Skew`.
    sums : In(array of signed(accumulator_bits))
        From `Array`.
    claim : In(1)
        A beat that begins a bank is about to come; only while `free`.
    free : Out(1)
        One bank at least is neither claimed nor waiting for `release`.
    drain : In(DrainPort)
        ``full`` means that the last writes of all columns have landed.

    Timing
    ------
    Beats to the same row of a bank must be `HAZARD` cycles apart. `full` rises
    `latency` cycles after the last beat of a bank.

    Numerics
    --------
    Additions are modulo ``2**accumulator_bits``.
    """

    beat: data.View
    sums: data.View
    claim: Signal
    free: Signal
    drain: Any

    HAZARD = AccumulatorBundle.READ_AHEAD + 2

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.read_delay = _read_delay(config)
        self.latency = accumulators_latency(config)
        super().__init__({
            "beat": In(beat_layout(config)),
            "sums": In(sums_layout(config, config.columns)),
            "claim": In(1),
            "free": Out(1),
            "drain": In(DrainPort(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taps = self._taps(m)
        drained = self._banks(m, taps[-1])
        for bundle in bundles(self.config):
            reading, _, adding, _, landing = taps[self.read_delay + bundle[-1] :][: self.HAZARD]
            sums = {
                column: delayed(m, self.sums[column], bundle[-1] - physical, f"sum_{column}")
                for physical in bundle
                for column in columns_of(self.config, physical)
            }
            rows = AccumulatorBundle(self.config, len(sums))
            m.submodules[f"rows_{bundle[0]}"] = Shared(rows)
            m.d.comb += [
                rows.reading.eq(reading),
                rows.adding.eq(adding),
                rows.landing.eq(landing),
                rows.sums.eq(Cat(sums.values())),
                rows.address.eq(self.drain.address),
                rows.drained.eq(drained),
                *(self.drain.data[column].eq(rows.shown[n]) for n, column in enumerate(sums)),
            ]
        return m

    def _taps(self, m: Module) -> list[data.View]:
        """Return the beat as every column sees it, delayed by 0 to ``latency - 1`` cycles."""
        bank = Signal()  # that beats are added to
        with m.If(self.beat.valid & self.beat.last):
            m.d.sync += bank.eq(~bank)
        taps = [Signal(tap_layout(self.config), name="tap_0")]
        m.d.comb += [
            taps[0].use.eq(Mux(self.beat.valid, Mux(bank, 0b10, 0b01), 0)),
            taps[0].first.eq(self.beat.first),
            taps[0].last.eq(self.beat.last),
            taps[0].address.eq(self.beat.address),
        ]
        for n in range(1, self.latency):
            tap = Signal(tap_layout(self.config), name=f"tap_{n}")
            m.d.sync += tap.eq(taps[-1])
            taps.append(tap)
        return taps

    def _banks(self, m: Module, end: data.View) -> Signal:
        """Count banks in use; return the one that is drained."""
        n_claimed, n_full = Signal(range(3)), Signal(range(3))
        drained = Signal()
        release = self.drain.release
        m.d.sync += [
            n_claimed.eq(n_claimed + self.claim - release),
            n_full.eq(n_full + (end.use.any() & end.last) - release),
            drained.eq(drained ^ release),
        ]
        m.d.comb += [self.free.eq(n_claimed != 2), self.drain.full.eq(n_full != 0)]
        return drained
