"""Memory with two reading ports, one of which also writes, for block RAM."""

from typing import Any

from amaranth import Module, Shape, Signal, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.block_ram import ATTRIBUTES

__all__ = ["DualPortRam"]

# Without the zeros that Amaranth would set every word to at the start.
VERILOG = """
module {name} (
  input clk,
  input [{granules}-1:0] write,
  input [{address_bits}-1:0] address_a,
  input [{address_bits}-1:0] address_b,
  input [{width}-1:0] write_data,
  output reg [{width}-1:0] data_a,
  output reg [{width}-1:0] data_b
);
  (* no_rw_check = 1 *)
  reg [{width}-1:0] words [0:{depth}-1];
  integer n;
  always @(posedge clk) begin
    for (n = 0; n < {granules}; n = n + 1)
      if (write[n])
        words[address_b][n * ({width} / {granules}) +: {width} / {granules}]
          <= write_data[n * ({width} / {granules}) +: {width} / {granules}];
    data_a <= words[address_a];
    data_b <= words[address_b];
  end
endmodule
"""


class DualPortRam(wiring.Component):
    """Memory of two ports: a reads, b reads or writes; true dual-port RAM of an FPGA.

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
    address_a, address_b : In(range(depth))
        Words to read, or with ``write`` the word of port b to write.
    write : In(granules)
        Store these pieces of ``write_data`` at ``address_b``; addresses of later cycles see it.
    write_data : In(shape)
        Word to store.
    data_a, data_b : Out(shape)
        The words whose addresses were driven `LATENCY` cycles ago; not reset. ``data_b`` is
        undefined after a cycle in which anything was written, and so is ``data_a`` if its address
        was the same.

    Timing
    ------
    Two reads, or one read and one write, per cycle. No combinational paths.

    Source
    ------
    As `vitaccel.hw.primitives.block_ram.BlockRam`. Yosys 0.70 recognises the port that two uses
    share by their common address.
    """

    address_a: Signal
    address_b: Signal
    write: Signal
    write_data: Signal
    data_a: Signal
    data_b: Signal

    LATENCY = 1

    def __init__(self, shape: ShapeLike, depth: int, granules: int = 1) -> None:
        self.shape = shape
        self.depth = depth
        self.granules = granules
        super().__init__({
            "address_a": In(range(depth)),
            "address_b": In(range(depth)),
            "write": In(granules),
            "write_data": In(shape),
            "data_a": Out(shape),
            "data_b": Out(shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        m.submodules.words = words = memory.Memory(
            shape=unsigned(width), depth=self.depth, init=[], attrs=ATTRIBUTES
        )
        write_port = words.write_port(granularity=width // self.granules)
        m.d.comb += [
            write_port.en.eq(self.write),
            write_port.addr.eq(self.address_b),
            write_port.data.eq(self.write_data),
        ]
        self._read(m, words, self.address_a, self.data_a)
        self._read(m, words, self.address_b, self.data_b)
        return m

    def _read(self, m: Module, words: memory.Memory, address: Signal, out: Any) -> None:
        port = words.read_port(domain="comb")
        found = Signal.like(out, name=f"found_{address.name}", reset_less=True)
        m.d.comb += [port.addr.eq(address), out.eq(found)]
        m.d.sync += found.eq(port.data)

    def verilog(self, name: str) -> str:
        """Verilog module of this memory, see `vitaccel.hw.shared`."""
        return VERILOG.format(
            name=name,
            width=Shape.cast(self.shape).width,
            depth=self.depth,
            granules=self.granules,
            address_bits=len(self.address_a),
        )
