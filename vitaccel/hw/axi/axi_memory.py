"""AXI4 memory for simulation, with the latency and pauses of a DRAM and a back door."""

from dataclasses import dataclass

from amaranth import ClockSignal, Instance, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from amaranth.utils import ceil_log2, exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import ADDRESS_BITS, OKAY, SLVERR, Ports, read_ports, write_ports
from vitaccel.hw.streams.queue import Queue

__all__ = ["LOADED", "RAM_VERILOG", "SAVED", "AxiMemory", "MemoryTiming"]

# Not an Amaranth memory: those write every initial word into the Verilog, 0.3 ms each, and cannot
# read files, which is how megabytes get in and out in no time.
LOADED, SAVED = "memory-in.hex", "memory-out.hex"
RAM_VERILOG = f"""
module vitaccel_simulation_ram #(parameter WIDTH = 64, DEPTH = 1024, INDEX = 10) (
  input clk,
  input [INDEX-1:0] read_index, write_index,
  input [WIDTH/8-1:0] write_strobe, input [WIDTH-1:0] write_data,
  input load, save, input [INDEX-1:0] first, last,
  output [WIDTH-1:0] read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  integer n;
  assign read_data = words[read_index];
  always @(posedge clk) begin
    for (n = 0; n < WIDTH/8; n = n + 1)
      if (write_strobe[n]) words[write_index][8*n +: 8] <= write_data[8*n +: 8];
    if (load) $readmemh("{LOADED}", words, first, last);
    if (save) $writememh("{SAVED}", words, first, last);
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


class AxiMemory(Ports, wiring.Component):
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
    door_load, door_save : In(1)
        Take bus words from the file `LOADED` of the simulator's folder, or write them to `SAVED`,
        in hexadecimal, while the bus is idle.
    door_first, door_last : In
        Which words.

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
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({
            **{name: member.flip() for name, member in ports.items()},
            "door_load": In(1),
            "door_save": In(1),
            "door_first": In(ceil_log2(self.depth)),
            "door_last": In(ceil_log2(self.depth)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(8 * self.config.axi_bytes)
        reads, writes = Signal(), Signal()  # who has the beat of this cycle
        wants_read, read_address = self._read(m, reads, word)
        wants_write, write_address = self._write(m, writes)
        slot = self._slot(m, reads | writes)
        was_read = Signal()
        with m.If(reads | writes):
            m.d.sync += was_read.eq(reads)
        m.d.comb += [
            reads.eq(slot & wants_read & ~(wants_write & was_read)),
            writes.eq(slot & wants_write & ~reads),
        ]
        legal = writes & self._legal(write_address)
        m.submodules.ram = Instance(
            "vitaccel_simulation_ram",
            p_WIDTH=8 * self.config.axi_bytes,
            p_DEPTH=self.depth,
            p_INDEX=ceil_log2(self.depth),
            i_clk=ClockSignal(),
            i_read_index=self._index(read_address),
            i_write_index=self._index(write_address),
            i_write_strobe=Mux(legal, self.wstrb, 0),
            i_write_data=self.wdata,
            i_load=self.door_load,
            i_save=self.door_save,
            i_first=self.door_first,
            i_last=self.door_last,
            o_read_data=word,
        )
        return m

    def _index(self, address: Value) -> Value:
        return address[exact_log2(self.config.axi_bytes) :][: ceil_log2(self.depth)]

    def _legal(self, address: Value) -> Value:
        return address < self.depth * self.config.axi_bytes

    def _slot(self, m: Module, used: Value) -> Value:
        """Say whether the memory can move a beat in this cycle."""
        timing = self.timing
        wait = Signal(range(timing.interval))
        with m.If(used):
            m.d.sync += wait.eq(timing.interval - 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        if not timing.refresh_every:
            return wait == 0
        phase = Signal(range(timing.refresh_every))
        m.d.sync += phase.eq(Mux(phase == timing.refresh_every - 1, 0, phase + 1))
        return (wait == 0) & (phase < timing.refresh_every - timing.refresh_cycles)

    def _read(self, m: Module, reads: Value, word: Value) -> tuple[Value, Value]:
        """Answer bursts when they are due; return whether a beat is wanted, and its address."""
        shape = data.StructLayout({"address": ADDRESS_BITS, "length": 8, "id": 1, "due": 32})
        m.submodules.asked = asked = Queue(shape, self.BURSTS)
        now = Signal(32)
        n = Signal(8)
        burst = asked.o.p
        address = (burst.address + n * self.config.axi_bytes)[:ADDRESS_BITS]
        ends = n == burst.length
        m.d.comb += [
            asked.i.p.address.eq(self.araddr),
            asked.i.p.length.eq(self.arlen),
            asked.i.p.id.eq(self.arid),
            asked.i.p.due.eq(now + self.timing.latency - 1),
            asked.i.valid.eq(self.arvalid),
            self.arready.eq(asked.i.ready),
            asked.o.ready.eq(reads & ends),
        ]
        m.d.sync += now.eq(now + 1)
        with m.If(reads):
            m.d.sync += [
                n.eq(Mux(ends, 0, n + 1)),
                self.rvalid.eq(1),
                self.rid.eq(burst.id),
                self.rdata.eq(Mux(self._legal(address), word, 0)),
                self.rresp.eq(Mux(self._legal(address), OKAY, SLVERR)),
                self.rlast.eq(ends),
            ]
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
        due = ~(now - burst.due)[31]
        return asked.o.valid & due & (~self.rvalid | self.rready), address

    def _write(self, m: Module, writes: Value) -> tuple[Value, Value]:
        """Take beats once their address is there; return whether one is, and its address."""
        shape = data.StructLayout({"address": ADDRESS_BITS, "length": 8, "id": 1})
        answer = data.StructLayout({"id": 1, "response": 2})
        m.submodules.begun = begun = Queue(shape, self.BURSTS)
        m.submodules.answers = answers = Queue(answer, self.BURSTS)
        n = Signal(8)
        failed = Signal()  # a beat of this burst lay outside
        burst = begun.o.p
        address = (burst.address + n * self.config.axi_bytes)[:ADDRESS_BITS]
        ends = writes & (n == burst.length)
        fails = failed | ~self._legal(address)
        m.d.comb += [
            begun.i.p.address.eq(self.awaddr),
            begun.i.p.length.eq(self.awlen),
            begun.i.p.id.eq(self.awid),
            begun.i.valid.eq(self.awvalid),
            self.awready.eq(begun.i.ready),
            begun.o.ready.eq(ends),
            self.wready.eq(writes),
            answers.i.p.id.eq(burst.id),
            answers.i.p.response.eq(Mux(fails, SLVERR, OKAY)),
            answers.i.valid.eq(ends),
            self.bid.eq(answers.o.p.id),
            self.bresp.eq(answers.o.p.response),
            self.bvalid.eq(answers.o.valid),
            answers.o.ready.eq(self.bready),
        ]
        with m.If(writes):
            m.d.sync += [n.eq(Mux(ends, 0, n + 1)), failed.eq(fails & ~ends)]
        return begun.o.valid & answers.i.ready & self.wvalid, address
