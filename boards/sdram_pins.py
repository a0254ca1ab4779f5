"""Pins of an SDRAM chip, as LiteDRAM's controller drives them."""

from typing import Any

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import io

__all__ = ["CLOCK_DOMAIN", "sdram_pins"]

# A quarter of a cycle late: commands and data are stable around its edge.
CLOCK_DOMAIN = "sdram"
# LiteDRAM's name and ours. Its signals are low when active, like the pins.
_OUTPUTS = (
    ("a", "a"),
    ("ba", "ba"),
    ("cas_n", "cas"),
    ("cke", "clk_en"),
    ("cs_n", "cs"),
    ("dm", "dqm"),
    ("ras_n", "ras"),
    ("we_n", "we"),
)


def sdram_pins(m: Module, platform: Any) -> dict[str, Any]:
    """Drive the chip's clock from `CLOCK_DOMAIN`, defined here; return ``pins`` of `Sdram`."""
    m.domains += ClockDomain(CLOCK_DOMAIN, reset_less=True)
    port = platform.request("sdram", 0, dir="-")
    clock: Any = io.DDRBuffer(io.Direction.Output, port.clk, o_domain=CLOCK_DOMAIN)
    m.submodules.sdram_clock = clock
    m.d.comb += [clock.o[0].eq(1), clock.o[1].eq(0)]
    pins: dict[str, Any] = {"io_sdram_dq": port.dq.io}
    for theirs, ours in _OUTPUTS:
        raw = getattr(port, ours)
        straight = io.SingleEndedPort(raw.io, direction=raw.direction)
        m.submodules[f"sdram_{theirs}"] = buffer = io.Buffer(io.Direction.Output, straight)
        signal = Signal(len(raw), name=f"sdram_{theirs}")
        m.d.comb += buffer.o.eq(signal)
        pins[f"o_sdram_{theirs}"] = signal
    return pins
