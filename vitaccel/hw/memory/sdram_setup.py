"""Start of an SDRAM: what software would write to its controller's registers."""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SdramSetup", "Step"]


class Step(NamedTuple):
    """One register to write.

    ``address`` counts words of 32 bits; ``wait`` is cycles before the next step.
    """

    address: int
    data: int
    wait: int


class SdramSetup(wiring.Component):
    """Master of a Wishbone bus that takes every step once after reset.

    Parameters
    ----------
    steps
        At least one.

    Members
    -------
    address : Out(30)
        Of a word.
    data : Out(32)
        To be written.
    request : Out(1)
        Cycle and strobe; steady until ``acknowledged``.
    acknowledged : In(1)
        The register has it.
    """

    address: Signal
    data: Signal
    request: Signal
    acknowledged: Signal

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        super().__init__({
            "address": Out(30),
            "data": Out(32),
            "request": Out(1),
            "acknowledged": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n = Signal(range(len(self.steps)))
        wait = Signal(range(max(step.wait for step in self.steps) + 1))
        pause = Signal.like(wait)
        with m.Switch(n):
            for number, step in enumerate(self.steps):
                with m.Case(number):
                    m.d.comb += [
                        self.address.eq(step.address),
                        self.data.eq(step.data),
                        pause.eq(step.wait),
                    ]
        with m.FSM():
            with m.State("WRITE"):
                m.d.comb += self.request.eq(1)
                with m.If(self.acknowledged):
                    m.d.sync += wait.eq(pause)
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.d.sync += n.eq(n + 1)
                    m.next = "WRITE"
                    with m.If(n == len(self.steps) - 1):
                        m.next = "DONE"
            with m.State("DONE"):
                pass
        return m
