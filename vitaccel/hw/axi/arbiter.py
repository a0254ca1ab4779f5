"""One memory for two AXI4 masters."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import Ports, PortTable, read_ports, write_ports

__all__ = ["MASTERS", "Arbiter"]

MASTERS = ("first_", "second_")


class Turns(wiring.Component):
    """Say whose turn it is, and whether his next address may pass.

    Parameters
    ----------
    outstanding
        Bursts that may be under way.

    Members
    -------
    offered : In(2)
        Address valid, of each master.
    ready : In(1)
        The memory takes an address.
    answered : In(1)
        It has answered a burst.
    owner : Out(1)
        Whose turn it is.
    passes : Out(1)
        The owner's address may pass; does not fall while one is offered.
    under_way : Out
        Bursts that lack their answer, all of them the owner's.
    """

    offered: Signal
    ready: Signal
    answered: Signal
    owner: Signal
    passes: Signal
    under_way: Signal

    def __init__(self, outstanding: int) -> None:
        self.outstanding = outstanding
        super().__init__({
            "offered": In(2),
            "ready": In(1),
            "answered": In(1),
            "owner": Out(1),
            "passes": Out(1),
            "under_way": Out(range(outstanding + 1)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        closed = Signal()  # the owner gets no further address through
        under_way = self.under_way
        offers, other_wants = Signal(), Signal()
        m.d.comb += [
            self.passes.eq(~closed & (under_way != self.outstanding)),
            offers.eq(Mux(self.owner, self.offered[1], self.offered[0]) & self.passes),
            other_wants.eq(Mux(self.owner, self.offered[0], self.offered[1])),
        ]
        m.d.sync += under_way.eq(under_way + (offers & self.ready) - self.answered)
        with m.If(closed & (under_way == 0)):
            m.d.sync += [self.owner.eq(~self.owner), closed.eq(0)]
        with m.Elif(other_wants & (~offers | self.ready)):
            m.d.sync += closed.eq(1)
        return m


class Arbiter(Ports, wiring.Component):
    """Let one of two masters at the memory until it has all its answers and the other one wants.

    Reads and writes are arbitrated separately. IDs pass unchanged, so the memory need not know
    how many masters there are. A master may offer the data of a burst together with its address,
    not before.

    Parameters
    ----------
    config
        Sets the data bus.

    Members
    -------
    first_*, second_*
        AXI4 channels of a slave, for the masters; the first has the memory after reset.
    ar*, r*, aw*, w*, b*
        AXI4 channels of a master, to the memory.

    Timing
    ------
    No latency while the memory stays with one master; 2 cycles from its last answer to the other's
    address. When both want, they take turns burst by burst. Up to `OUTSTANDING` bursts under way
    in each direction.
    """

    OUTSTANDING = 31

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.reads, self.writes = Turns(self.OUTSTANDING), Turns(self.OUTSTANDING)
        # Bursts whose data the memory lacks; -1: it has those of an address not yet taken.
        self.owed = Signal(signed(bits_for(self.OUTSTANDING) + 1))
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({
            **ports,
            **{prefix + name: port.flip() for prefix in MASTERS for name, port in ports.items()},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reads = reads = self.reads
        m.submodules.writes = writes = self.writes
        for turns, channel, names in (
            (reads, "ar", read_ports(self.config)),
            (writes, "aw", write_ports(self.config)),
        ):
            self._share(m, turns.owner, names)
            self._offer(m, turns.owner, channel, turns.passes)
            m.d.comb += [
                turns.offered.eq(Cat(getattr(self, f"{p}{channel}valid") for p in MASTERS)),
                turns.ready.eq(getattr(self, f"{channel}ready")),
            ]
        self._offer(m, writes.owner, "w", self._owed(m))
        for turns, channel in ((reads, "r"), (writes, "b")):
            for n, prefix in enumerate(MASTERS):
                answer = getattr(self, f"{channel}valid") & (turns.owner == n)
                m.d.comb += getattr(self, f"{prefix}{channel}valid").eq(answer)
        m.d.comb += [
            reads.answered.eq(self.rvalid & self.rready & self.rlast),
            writes.answered.eq(self.bvalid & self.bready),
        ]
        return m

    def _share(self, m: Module, owner: Value, names: PortTable) -> None:
        """Join everything but the handshakes that depend on whose turn it is."""
        for name, port in names.items():
            ours = getattr(self, name)
            theirs = [getattr(self, prefix + name) for prefix in MASTERS]
            if name in {"arvalid", "awvalid", "wvalid", "arready", "awready", "wready"}:
                continue
            if port.flow is Out:
                m.d.comb += ours.eq(Mux(owner, theirs[1], theirs[0]))
            elif name not in {"rvalid", "bvalid"}:
                m.d.comb += [target.eq(ours) for target in theirs]

    def _offer(self, m: Module, owner: Value, channel: str, passes: Value) -> None:
        """Let what the owner offers through while it ``passes``."""
        valid, ready = (getattr(self, channel + end) for end in ("valid", "ready"))
        offers = [getattr(self, f"{prefix}{channel}valid") for prefix in MASTERS]
        m.d.comb += valid.eq(Mux(owner, offers[1], offers[0]) & passes)
        for n, prefix in enumerate(MASTERS):
            taken = ready & passes & (owner == n)
            m.d.comb += getattr(self, f"{prefix}{channel}ready").eq(taken)

    def _owed(self, m: Module) -> Value:
        """Return whether the memory knows, or is offered, the address that data belong to."""
        owed = self.owed
        begun, ended = Signal(), Signal()
        m.d.comb += [
            begun.eq(self.awvalid & self.awready),
            ended.eq(self.wvalid & self.wready & self.wlast),
        ]
        m.d.sync += owed.eq(owed + begun - ended)
        return (owed > 0) | self.awvalid
