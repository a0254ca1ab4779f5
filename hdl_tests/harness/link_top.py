"""The board's end of the link, fed from a file: millions of bytes without waking Python."""

from amaranth import ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, SLVERR, Ports, expose, lite_ports, read_ports, write_ports
from vitaccel.hw.axi.axi_memory import AxiMemory, MemoryTiming
from vitaccel.hw.link.access import CONTROL, MEMORY
from vitaccel.hw.link.bridge import Bridge

__all__ = ["BYTE", "FED", "HEARD", "LINE_VERILOG", "WAIT", "WAIT_CYCLES", "LinkTop"]

FED, HEARD = "fed.bin", "heard.hex"
BYTE, WAIT = 0, 1  # what an entry of FED is: two bytes, this and a value
WAIT_CYCLES = 16  # times the value
QUIET = 5000  # cycles without a byte after which nothing more is expected
LINE_VERILOG = f"""
module vitaccel_test_line (
  input clk, rst, input [7:0] pause,
  output reg valid, output reg [7:0] payload, input ready,
  input heard, input [7:0] byte_heard, output reg willing, output reg finished
);
  integer fed = 0, out = 0, kind, value;
  reg [31:0] random = 32'h12345678;
  reg [31:0] wait_left = 0, quiet = 0;
  reg over = 0;
  always @(posedge clk) begin
    random = random ^ (random << 13);
    random = random ^ (random >> 17);
    random = random ^ (random << 5);
    willing <= random[15:8] >= pause;
    if (rst) begin
      valid <= 0;
      finished <= 0;
      if (fed == 0) fed = $fopen("{FED}", "rb");
      if (out == 0) out = $fopen("{HEARD}", "w");
    end else begin
      if (heard) $fwrite(out, "%02x\\n", byte_heard);
      quiet <= heard || !over ? 0 : quiet + 1;
      if (quiet == {QUIET} && !finished) begin
        finished <= 1;
        $fclose(out);
      end
      if (!valid || ready) begin
        valid <= 0;
        if (wait_left != 0) wait_left <= wait_left - 1;
        else if (!over && random[7:0] >= pause) begin
          kind = $fgetc(fed);
          value = $fgetc(fed);
          if (kind < 0) over <= 1;
          else if (kind == {WAIT}) wait_left <= value * {WAIT_CYCLES};
          else begin
            valid <= 1;
            payload <= value[7:0];
          end
        end
      end
    end
  end
endmodule
"""


class Registers(Ports, wiring.Component):
    """AXI4-Lite memory that refuses addresses from ``good`` on, and is slow now and then."""

    def __init__(self, good: int) -> None:
        self.good = good
        super().__init__(dict(lite_ports()))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=32, depth=self.good // 4, init=[])
        write, read = words.write_port(granularity=8), words.read_port(domain="comb")
        slow = Signal(5)
        m.d.sync += slow.eq(slow * 5 + 3)
        asked, wanted = Signal(12), Signal()
        both = self.awvalid & self.wvalid & ~self.bvalid & slow[4]
        good = self.awaddr < self.good
        m.d.comb += [
            self.awready.eq(both),
            self.wready.eq(both),
            write.addr.eq(self.awaddr[2:]),
            write.data.eq(self.wdata),
            write.en.eq(Mux(both & good, self.wstrb, 0)),
            self.arready.eq(~wanted & ~self.rvalid),
            read.addr.eq(asked[2:]),
        ]
        with m.If(both):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(Mux(good, OKAY, SLVERR))]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(self.arvalid & self.arready):
            m.d.sync += [asked.eq(self.araddr), wanted.eq(1)]
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(wanted & slow[3]):
            m.d.sync += [
                wanted.eq(0),
                self.rvalid.eq(1),
                self.rdata.eq(read.data),
                self.rresp.eq(Mux(asked < self.good, OKAY, SLVERR)),
            ]
        return m


class LinkTop(Ports, wiring.Component):
    """`Bridge` with memory twice as large as it may use, fed from `FED`; replies go to `HEARD`.

    ``pause`` of 256 cycles both ends of the line hold back; ``finished`` when all is fed and heard.
    """

    DOOR = ("door_load", "door_save", "door_first", "door_last")

    def __init__(
        self, config: AcceleratorConfig, memory_bytes: int, good_registers: int, timeout: int
    ) -> None:
        timing = MemoryTiming(latency=3, refresh_every=64, refresh_cycles=20)
        self.bridge = Bridge(config, memory_bytes, timeout=timeout)
        self.memory = AxiMemory(config, 2 * memory_bytes, timing)
        self.registers = Registers(good_registers)
        doors = {name: self.memory.signature.members[name] for name in self.DOOR}
        super().__init__({"pause": In(8), "finished": Out(1), **doors})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bridge, m.submodules.memory = self.bridge, self.memory
        m.submodules.registers = self.registers
        bridge, config = self.bridge, self.bridge.config
        expose(m, self, self.memory, self.DOOR)
        expose(m, bridge, self.memory, {**read_ports(config), **write_ports(config)}, MEMORY)
        expose(m, bridge, self.registers, lite_ports(), CONTROL)
        m.submodules.line = Instance(
            "vitaccel_test_line",
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_pause=self.pause,
            o_valid=bridge.rx.valid,
            o_payload=bridge.rx.payload,
            i_ready=bridge.rx.ready,
            i_heard=bridge.tx.valid & bridge.tx.ready,
            i_byte_heard=bridge.tx.payload,
            o_willing=bridge.tx.ready,
            o_finished=self.finished,
        )
        return m
