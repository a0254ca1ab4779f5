"""Memory with one port, for the large memories of an iCE40 UltraPlus."""

from amaranth import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.hw.primitives.block_ram import BlockRam

__all__ = ["SPRAM_WORDS", "SinglePortRam", "on_ultraplus"]

SPRAM_WORDS = 16384  # of 16 bits


def on_ultraplus(platform: object) -> bool:
    """Whether cells of the iCE40 UltraPlus may be instantiated: its name, or a board with one."""
    return platform == "ultraplus" or str(getattr(platform, "device", "")) == "iCE40UP5K"


# Without the zeros that Amaranth would set every word to at the start.
VERILOG = """
module {name} (
  input clk,
  input [13:0] address,
  input [3:0] write,
  input [31:0] write_data,
  output reg [31:0] read_data
);
  reg [31:0] words [0:{depth}-1];
  integer n;
  always @(posedge clk) begin
    for (n = 0; n < 4; n = n + 1)
      if (write[n]) words[address][8 * n +: 8] <= write_data[8 * n +: 8];
    read_data <= words[address];
  end
endmodule
"""


class SinglePortRam(wiring.Component):
    """Words of 32 bits, one read or written per cycle.

    Parameters
    ----------
    depth
        Words, at most `SPRAM_WORDS`; on an iCE40 UltraPlus there are as many in any case.

    Members
    -------
    address : In(14)
        Word.
    write : In(4)
        Store these bytes of ``write_data``.
    write_data : In(32)
        Word to store.
    read_data : Out(32)
        The word whose address was driven a cycle ago; undefined after a cycle that wrote.

    Timing
    ------
    One access per cycle. No combinational paths.

    Source
    ------
    Lattice FPGA-TN-02022 (iCE40 SPRAM usage guide): two SB_SPRAM256KA side by side.
    """

    address: Signal
    write: Signal
    write_data: Signal
    read_data: Signal

    def __init__(self, depth: int = SPRAM_WORDS) -> None:
        self.depth = depth
        super().__init__({
            "address": In(range(SPRAM_WORDS)),
            "write": In(4),
            "write_data": In(32),
            "read_data": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if on_ultraplus(platform):
            for half in range(2):
                m.submodules[f"half_{half}"] = self._cell(half)
            return m
        m.submodules.words = words = BlockRam(32, self.depth, granules=4)
        m.d.comb += [
            words.write.eq(self.write),
            words.write_address.eq(self.address),
            words.write_data.eq(self.write_data),
            words.read_address.eq(self.address),
            self.read_data.eq(words.read_data),
        ]
        return m

    def _cell(self, half: int) -> Instance:
        enables = self.write.word_select(half, 2)
        return Instance(
            "SB_SPRAM256KA",
            i_ADDRESS=self.address,
            i_DATAIN=self.write_data.word_select(half, 16),
            i_MASKWREN=enables[0].replicate(2) | enables[1].replicate(2) << 2,
            i_WREN=enables.any(),
            i_CHIPSELECT=Const(1),
            i_CLOCK=ClockSignal(),
            i_STANDBY=Const(0),
            i_SLEEP=Const(0),
            i_POWEROFF=Const(1),  # active low
            o_DATAOUT=self.read_data.word_select(half, 16),
        )

    def verilog(self, name: str) -> str:
        """Verilog module of this memory, see `vitaccel.hw.shared`."""
        return VERILOG.format(name=name, depth=self.depth)
