"""Memory with one reading and one writing port, for block RAM."""

from typing import Any

from amaranth import Module, Shape, Signal, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockRam"]

ATTRIBUTES: Any = {"no_rw_check": 1}  # the stubs know strings only

# Without the zeros that Amaranth would set every word to at the start.
VERILOG = """
module {name} (
  input clk,
  input [{granules}-1:0] write,
  input read,
  input [{address_bits}-1:0] write_address,
  input [{width}-1:0] write_data,
  input [{address_bits}-1:0] read_address,
  output reg [{width}-1:0] read_data
);
  (* no_rw_check = 1 *)
  reg [{width}-1:0] words [0:{depth}-1];
  integer n;
  always @(posedge clk) begin
    for (n = 0; n < {granules}; n = n + 1)
      if (write[n])
        words[write_address][n * ({width} / {granules}) +: {width} / {granules}]
          <= write_data[n * ({width} / {granules}) +: {width} / {granules}];
    if (read) read_data <= words[read_address];
  end
endmodule
"""


class BlockRam(wiring.Component):
    """Memory whose word is undefined when read in the cycle in which it is written.

    Parameters
    ----------
    shape
        Word.
    depth
        Words.
    granules
        Equal pieces of a word that are written separately.

    Members
    -------
    write : In(granules)
        Store these pieces of ``write_data`` at ``write_address``; read addresses of later cycles
        see it.
    read : In(1)
        Replace ``read_data``; 1 if left open.
    write_address, read_address : In(range(depth))
        Words.
    write_data : In(shape)
        Word to store.
    read_data : Out(shape)
        The word whose address was driven `LATENCY` cycles ago, or when ``read`` was 1 the last
        time; not reset.

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
    read: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    LATENCY = 1

    def __init__(self, shape: ShapeLike, depth: int, granules: int = 1) -> None:
        self.shape = shape
        self.depth = depth
        self.granules = granules
        super().__init__({
            "write": In(granules),
            "read": In(1, init=1),  # pyright: ignore[reportCallIssue]
            "write_address": In(range(depth)),
            "write_data": In(shape),
            "read_address": In(range(depth)),
            "read_data": Out(shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        m.submodules.words = words = memory.Memory(
            shape=unsigned(width), depth=self.depth, init=[], attrs=ATTRIBUTES
        )
        write_port = words.write_port(granularity=width // self.granules)
        read_port = words.read_port(domain="comb")
        found = Signal(self.shape, reset_less=True)
        m.d.comb += [
            write_port.en.eq(self.write),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            read_port.addr.eq(self.read_address),
            self.read_data.eq(found),
        ]
        with m.If(self.read):
            m.d.sync += found.eq(read_port.data)
        return m

    def verilog(self, name: str) -> str:
        """Verilog module of this memory, see `vitaccel.hw.shared`."""
        return VERILOG.format(
            name=name,
            width=Shape.cast(self.shape).width,
            depth=self.depth,
            granules=self.granules,
            address_bits=len(self.read_address),
        )
