"""All of a board's gateware but memory, clock and pins; simulated boards have it too."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator
from vitaccel.hw.axi.arbiter import MASTERS, Arbiter
from vitaccel.hw.axi.axi import PortTable, lite_ports, read_ports, write_ports
from vitaccel.hw.link.access import CONTROL, MEMORY
from vitaccel.hw.link.bridge import Bridge
from vitaccel.hw.link.uart import Uart
from vitaccel.isa import Unit

__all__ = ["LIGHTS", "BoardCore"]

LIGHTS = 2 + len(Unit)
_HEARTBEAT_BITS = 25  # of a counter at the core's clock: a second or so


class BoardCore(wiring.Component):
    """Accelerator and its memory, both reached over a serial line.

    Parameters
    ----------
    config
        Of the accelerator.
    memory
        AXI4 slave for both: `vitaccel.hw.memory.axi_ram.AxiRam`, or one of these ports.
    memory_bytes
        Of it.
    divisor
        See `Uart`.

    Members
    -------
    rx : In(1)
        Serial line from the host, asynchronous.
    tx : Out(1)
        Serial line to the host.
    lights : Out(LIGHTS)
        Heartbeat, interrupt, then the units (`isa.Unit`), whose brightness is the share of the time
        they work. Registers.
    """

    rx: Signal
    tx: Signal
    lights: Signal

    QUEUE_BYTES = 2048  # of requests: one block RAM of ECP5

    def __init__(
        self, config: AcceleratorConfig, memory: Any, memory_bytes: int, divisor: int
    ) -> None:
        self.config = config
        self.memory = memory
        self.memory_bytes = memory_bytes
        self.divisor = divisor
        super().__init__({
            "rx": In(1, init=1),  # pyright: ignore[reportCallIssue]
            "tx": Out(1, init=1),  # pyright: ignore[reportCallIssue]
            "lights": Out(LIGHTS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = core = Accelerator(self.config)
        m.submodules.bridge = bridge = Bridge(
            self.config, self.memory_bytes, queue_bytes=self.QUEUE_BYTES
        )
        m.submodules.arbiter = arbiter = Arbiter(self.config)
        m.submodules.memory = memory = self.memory
        m.submodules.uart = uart = Uart(self.divisor)
        bus = {**read_ports(self.config), **write_ports(self.config)}
        _join(m, bus, (core, "m_axi_"), (arbiter, MASTERS[0]))
        _join(m, bus, (bridge, MEMORY), (arbiter, MASTERS[1]))
        _join(m, bus, (arbiter, ""), (memory, ""))
        control = {name: member.flip() for name, member in lite_ports().items()}
        _join(m, control, (bridge, CONTROL), (core, "s_axil_"))
        wiring.connect(m, uart.received, bridge.rx)
        wiring.connect(m, bridge.tx, uart.sent)
        beat = Signal(_HEARTBEAT_BITS)
        m.d.comb += [
            uart.rx.eq(self.rx),
            self.tx.eq(uart.tx),
            bridge.interrupt.eq(core.interrupt),
        ]
        m.d.sync += [
            beat.eq(beat + 1),
            self.lights.eq(Cat(beat[-1], core.interrupt, core.busy)),
        ]
        return m


def _join(
    m: Module, ports: PortTable, master: tuple[object, str], slave: tuple[object, str]
) -> None:
    """Connect two components, each with the prefix of its members; ``ports`` as of the master."""
    for name, member in ports.items():
        here, there = (getattr(part, prefix + name) for part, prefix in (master, slave))
        m.d.comb += there.eq(here) if member.flow is Out else here.eq(there)
