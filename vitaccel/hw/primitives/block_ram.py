"""Memory with one reading and one writing port, for block RAM."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockRam"]


class BlockRam(wiring.Component):
    """Memory whose word is undefined when read in the cycle in which it is written.

    Parameters
    ----------
    shape
        Word.
    depth
        Words.

    Members
    -------
    write : In(1)
        Store ``write_data`` at ``write_address``; read addresses of later cycles see it.
    write_address, read_address : In(range(depth))
        Words.
    write_data : In(shape)
        Word to store.
    read_data : Out(shape)
        The word whose address was driven `LATENCY` cycles ago; not reset.

    Timing
    ------
    One read and one write per cycle. No combinational paths.

    Source
    ------
    Yosys' attribute ``no_rw_check``, which it heeds only where a register follows an asynchronous
    read port. Without it, Yosys 0.70 surrounds ECP5's RAM of 18-bit words by a comparator, a
    multiplexer and registers that bring the old word (for 64 bits: 86 LUT4 and 140 flip-flops).
    """

    write: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    LATENCY = 1

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape = shape
        self.depth = depth
        super().__init__({
            "write": In(1),
            "write_address": In(range(depth)),
            "write_data": In(shape),
            "read_address": In(range(depth)),
            "read_data": Out(shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=self.shape, depth=self.depth, init=[], attrs={"no_rw_check": 1}
        )
        write_port = words.write_port()
        read_port = words.read_port(domain="comb")
        found = Signal(self.shape, reset_less=True)
        m.d.comb += [
            write_port.en.eq(self.write),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            read_port.addr.eq(self.read_address),
            self.read_data.eq(found),
        ]
        m.d.sync += found.eq(read_port.data)
        return m
