"""External memories that simulation and estimate know by name."""

from collections.abc import Callable, Mapping

from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi_memory import MemoryTiming

__all__ = ["MEMORIES", "memory_timing"]

MEMORIES: Mapping[str, Callable[[AcceleratorConfig], MemoryTiming]] = {
    # A beat of the bus per cycle, 30 cycles late.
    "bus": lambda config: MemoryTiming(),
    # The ULX3S's 16-bit SDRAM at the core's clock: 2 bytes per cycle, 8192 refreshes in 64 ms (at
    # 100 MHz one in 780 cycles), ISSI IS42S16160G, page 1.
    "sdram": lambda config: MemoryTiming(30, config.axi_bytes // 2, 780, 10),
}


def memory_timing(name: str, config: AcceleratorConfig) -> MemoryTiming:
    """Timing of the memory ``name`` behind the bus of ``config``.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    if name not in MEMORIES:
        raise ConfigError(f"memory must be one of {', '.join(MEMORIES)}, not {name!r}")
    return MEMORIES[name](config)
