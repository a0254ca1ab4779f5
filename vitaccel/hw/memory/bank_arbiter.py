"""Which requester may use which bank of a memory this cycle."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["BankArbiter"]


class BankArbiter(wiring.Component):
    """Grant every bank to the first of its requesters; now and then to one further back.

    Requester r is granted unless one of smaller index wants the same bank. Every `PATIENCE` cycles
    the next requester of 1 to n-1 in turn comes before all others for one cycle, so that none
    waits for more than ``PATIENCE * (n_requesters - 1)`` cycles, and requester 0 loses at most one
    cycle in `PATIENCE`, and only to one that wants the same bank.

    Parameters
    ----------
    n_requesters
        How many there are.
    n_banks
        Banks, a power of two.

    Members
    -------
    valid : In(n_requesters)
        Bit r: requester r wants its bank; held until granted.
    bank : In(array of n_requesters)
        The bank it wants.
    grant : Out(n_requesters)
        Bit r: it has it.

    Timing
    ------
    Combinational.
    """

    valid: Signal
    bank: data.View
    grant: Signal

    PATIENCE = 8

    def __init__(self, n_requesters: int, n_banks: int) -> None:
        self.n_requesters = n_requesters
        super().__init__({
            "valid": In(n_requesters),
            "bank": In(data.ArrayLayout(exact_log2(n_banks), n_requesters)),
            "grant": Out(n_requesters),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        everyone = range(self.n_requesters)
        favoured = self._favoured(m)
        for r in everyone:
            beaten = Signal(self.n_requesters, name=f"beaten_{r}")
            for j in everyone:
                if j != r:
                    before = favoured[j] | (~favoured[r] if j < r else 0)
                    same = self.bank[j] == self.bank[r]
                    m.d.comb += beaten[j].eq(self.valid[j] & same & before)
            m.d.comb += self.grant[r].eq(self.valid[r] & ~beaten.any())
        return m

    def _favoured(self, m: Module) -> Signal:
        """One of the requesters but the first in one cycle of PATIENCE, none in the others."""
        favoured = Signal(self.n_requesters)
        if self.n_requesters == 1:
            return favoured
        round_cycles = self.PATIENCE * (self.n_requesters - 1)
        clock = Signal(range(round_cycles))
        m.d.sync += clock.eq(Mux(clock == round_cycles - 1, 0, clock + 1))
        starts = range(0, round_cycles, self.PATIENCE)
        m.d.sync += favoured.eq(Cat(Const(0, 1), (clock == start for start in starts)))
        return favoured
