"""AXI4 memory for simulation, with the latency and pauses of a DRAM and a back door."""

from dataclasses import dataclass

from amaranth import ClockSignal, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi import read_ports, write_ports

__all__ = ["RAM_VERILOG", "AxiMemory", "MemoryTiming"]

# Not an Amaranth memory: those write every initial word into the Verilog, 0.3 ms each.
RAM_VERILOG = """
module vitaccel_simulation_ram #(parameter WIDTH = 64, DEPTH = 1024, INDEX = 10) (
  input clk,
  input [INDEX-1:0] read_index, write_index, door_index,
  input [WIDTH/8-1:0] write_strobe, input [WIDTH-1:0] write_data,
  input door_write, input [WIDTH-1:0] door_write_data,
  output [WIDTH-1:0] read_data, output reg [WIDTH-1:0] door_read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  integer n;
  assign read_data = words[read_index];
  always @(posedge clk) begin
    for (n = 0; n < WIDTH/8; n = n + 1)
      if (write_strobe[n]) words[write_index][8*n +: 8] <= write_data[8*n +: 8];
    if (door_write) words[door_index] <= door_write_data;
    door_read_data <= words[door_index];
  end
endmodule
"""


@dataclass(frozen=True)
class MemoryTiming:
    """How slow the memory is, in cycles of the core."""

    latency: int = 30  # from a read address to its first beat, at least 3
    interval: int = 1  # between beats, reads and writes together
    refresh_every: int = 0  # a pause begins every so many cycles; 0: never
    refresh_cycles: int = 16  # and lasts so many


class AxiMemory(wiring.Component):
    """AXI4 slave with ``size`` bytes from address 0; bursts beyond them answer SLVERR.

    Reads come back in the order of their addresses, whatever their IDs; reads and writes share
    the beats. Verilog made from this needs `RAM_VERILOG` appended.

    Parameters
    ----------
    config
        Sets the data bus.
    size
        Bytes, a multiple of the bus width.
    timing
        See `MemoryTiming`.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 channels of a slave.
    door_address, door_write, door_write_data : In
        Bus word to write, while the bus is idle.
    door_read_data : Out
        Bus word at ``door_address`` one cycle ago.

    Timing
    ------
    Up to `BURSTS` reads and writes under way each; INCR bursts of full beats only.
    """

    BURSTS = 8

    def __init__(
        self, config: AcceleratorConfig, size: int, timing: MemoryTiming | None = None
    ) -> None:
        self.config = config
        self.depth = max(2, -(-size // config.axi_bytes))
        self.timing = timing or MemoryTiming()
        width = 8 * config.axi_bytes
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({
            **{name: member.flip() for name, member in ports.items()},
            "door_address": In(ceil_log2(self.depth)),
            "door_write": In(1),
            "door_write_data": In(width),
            "door_read_data": Out(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slot = self._slots(m)
        wants, reads = Signal(), Signal()
        turn = Signal()  # of writes, when both want the beat
        shift = exact_log2(self.config.axi_bytes)
        read_address = self._read(m, wants, reads)
        write_address, writes = self._write(m, slot & ~(wants & ~turn))
        m.d.comb += reads.eq(wants & slot & ~writes)
        m.d.sync += turn.eq(Mux(reads, 1, Mux(writes, 0, turn)))
        legal = write_address[shift:] < self.depth
        m.submodules.ram = Instance(
            "vitaccel_simulation_ram",
            p_WIDTH=8 * self.config.axi_bytes,
            p_DEPTH=self.depth,
            p_INDEX=ceil_log2(self.depth),
            i_clk=ClockSignal(),
            i_read_index=read_address[shift:][: ceil_log2(self.depth)],
            i_write_index=write_address[shift:][: ceil_log2(self.depth)],
            i_write_strobe=Mux(writes & legal, self.wstrb, 0),
            i_write_data=self.wdata,
            i_door_index=self.door_address,
            i_door_write=self.door_write,
            i_door_write_data=self.door_write_data,
            o_read_data=self._read_data,
            o_door_read_data=self.door_read_data,
        )
        return m
