"""AXI4 memory in an SDRAM chip, by LiteDRAM's controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth import ClockSignal, Const, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import Ports, expose, read_ports, write_ports
from vitaccel.hw.axi.narrow import NARROW, AxiNarrow, narrow_ports
from vitaccel.hw.axi.slice import FAR, AxiSlice
from vitaccel.hw.memory.sdram_setup import SdramSetup, Step

__all__ = ["Chip", "Controller", "Sdram"]


@dataclass(frozen=True)
class Chip:
    """An SDRAM, or several side by side.

    Parameters
    ----------
    name
        Of the class in ``litedram.modules`` that knows its timing.
    width
        Bytes of its data bus.
    size
        Bytes in all, a power of two.
    """

    name: str
    width: int
    size: int


@dataclass(frozen=True)
class Controller:
    """LiteDRAM's controller for one chip and clock, as `vitaccel.flow.sdram` makes it.

    Parameters
    ----------
    verilog
        Module ``litedram_core``.
    setup
        What starts it, see `SdramSetup`.
    simulated
        LiteDRAM's model of the chip is inside, instead of pins.
    """

    chip: Chip
    verilog: str
    setup: tuple[Step, ...]
    simulated: bool


class Sdram(Ports, wiring.Component):
    """AXI4 slave with the bytes of ``controller.chip`` from address 0; behind them it wraps.

    Takes no address until the chip is set up. Whatever is made of this needs
    ``controller.verilog`` beside it.

    Parameters
    ----------
    config
        Sets the data bus; bursts have at most `MOST_BEATS` times the bytes of the chip's data bus.
    pins
        Ports of the instance that lead to the chip, ``o_sdram_*`` and ``io_sdram_dq``; none for a
        simulated one.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 channels of a slave. INCR bursts of full beats only; every answer is OKAY.

    Timing
    ------
    That of ``sdram`` in `vitaccel.memories` or a little better.

    Source
    ------
    enjoy-digital, LiteDRAM, ``litedram_gen``.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        controller: Controller,
        pins: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.controller = controller
        self.pins = pins or {}
        ports = {**read_ports(config), **write_ports(config)}
        super().__init__({name: port.flip() for name, port in ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.controller.chip.width
        m.submodules.narrow = narrow = AxiNarrow(self.config, width)
        expose(m, self, narrow, self.signature.members)
        m.submodules.slice = near = AxiSlice(narrow_ports(self.config, width))
        expose(m, narrow, near, near.ports, NARROW)
        m.submodules.setup = setup = SdramSetup(self.controller.setup)
        clocking: dict[str, Any] = {"i_clk": ClockSignal()}
        if self.controller.simulated:
            clocking["i_sim_trace"] = Const(0)
        else:
            clocking["i_rst"] = ResetSignal(allow_reset_less=True)
        m.submodules.controller = Instance(
            "litedram_core",
            **clocking,
            **self._bus(near),
            **self.pins,
            i_wb_ctrl_adr=setup.address,
            i_wb_ctrl_dat_w=setup.data,
            i_wb_ctrl_sel=Const(0b1111, 4),
            i_wb_ctrl_cyc=setup.request,
            i_wb_ctrl_stb=setup.request,
            i_wb_ctrl_we=Const(1),
            i_wb_ctrl_cti=Const(0, 3),
            i_wb_ctrl_bte=Const(0, 2),
            o_wb_ctrl_ack=setup.acknowledged,
        )
        return m

    def _bus(self, near: AxiSlice) -> dict[str, Any]:
        """AXI ports of the instance; its addresses end with the chip, its sizes have four bits."""
        chip = self.controller.chip
        ports: dict[str, Any] = {}
        for name, port in near.ports.items():
            value = getattr(near, FAR + name)
            if name.endswith("addr"):
                value = value[: exact_log2(chip.size)]
            if name.endswith("size"):
                value |= Const(0, 4)
            ports[f"{'i' if port.flow is Out else 'o'}_user_port_bus_{name}"] = value
        return ports
