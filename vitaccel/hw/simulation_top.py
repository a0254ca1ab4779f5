"""What Verilator simulates: the accelerator and a memory, with a back door to it."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.accelerator import Accelerator
from vitaccel.hw.axi import expose, slave_ports
from vitaccel.hw.axi_memory import AxiMemory

__all__ = ["SimulationTop"]


class SimulationTop(wiring.Component):
    """Accelerator with ``size`` bytes of memory behind its AXI4 port.

    ``door_*`` reads and writes that memory by bus words while the core is idle; a read answers
    two cycles after its address.
    """

    def __init__(self, config: AcceleratorConfig, size: int) -> None:
        self.config = config
        self.size = size
        super().__init__({
            **slave_ports(),
            "interrupt": Out(1),
            "busy": Out(len(isa.Unit)),
            "waiting": Out(len(isa.Unit)),
            "door_address": In(ceil_log2(self.words)),
            "door_write": In(1),
            "door_write_data": In(8 * config.axi_bytes),
            "door_read_data": Out(8 * config.axi_bytes),
        })
