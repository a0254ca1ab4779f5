"""AXI4 and AXI4-Lite ports with the flat names that IP integrators and bus models expect."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig

__all__ = [
    "ADDRESS_BITS",
    "INCR",
    "OKAY",
    "PAGE_BYTES",
    "SLVERR",
    "PortTable",
    "Ports",
    "burst_layout",
    "expose",
    "lite_ports",
    "master_ports",
    "max_beats",
    "read_ports",
    "slave_ports",
    "write_ports",
]

ADDRESS_BITS = 32
LITE_ADDRESS_BITS = 12
PAGE_BYTES = 4096  # no burst crosses a multiple of it
INCR = 1
OKAY, SLVERR = 0, 2

PortTable = Mapping[str, wiring.Member]


class Ports:
    """Base of components whose ports come from a table: tells type checkers that they exist."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def max_beats(config: AcceleratorConfig) -> int:
    """Beats of the longest burst: a power of two, so that aligned bursts stay in their page."""
    limit = min(config.burst_beats, PAGE_BYTES // config.axi_bytes)
    return 1 << (limit.bit_length() - 1)


def burst_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One burst inside a row.

    ``length`` is beats - 1, as on the bus; ``tail`` is bytes - 1 in the last beat that belong to
    the row; ``last`` marks the last burst of a command.
    """
    return data.StructLayout({
        "address": ADDRESS_BITS,
        "length": 8,
        "tail": exact_log2(config.axi_bytes),
        "last": 1,
    })


def read_ports(config: AcceleratorConfig) -> PortTable:
    """Channels AR and R of a master, without prefix."""
    return {
        "arid": Out(1),
        "araddr": Out(ADDRESS_BITS),
        "arlen": Out(8),
        "arsize": Out(3),
        "arburst": Out(2),
        "arvalid": Out(1),
        "arready": In(1),
        "rid": In(1),
        "rdata": In(8 * config.axi_bytes),
        "rresp": In(2),
        "rlast": In(1),
        "rvalid": In(1),
        "rready": Out(1),
    }


def write_ports(config: AcceleratorConfig) -> PortTable:
    """Channels AW, W and B of a master, without prefix."""
    return {
        "awid": Out(1),
        "awaddr": Out(ADDRESS_BITS),
        "awlen": Out(8),
        "awsize": Out(3),
        "awburst": Out(2),
        "awvalid": Out(1),
        "awready": In(1),
        "wdata": Out(8 * config.axi_bytes),
        "wstrb": Out(config.axi_bytes),
        "wlast": Out(1),
        "wvalid": Out(1),
        "wready": In(1),
        "bid": In(1),
        "bresp": In(2),
        "bvalid": In(1),
        "bready": Out(1),
    }


def lite_ports() -> PortTable:
    """AXI4-Lite slave, 32-bit data, without prefix."""
    return {
        "awaddr": In(LITE_ADDRESS_BITS),
        "awvalid": In(1),
        "awready": Out(1),
        "wdata": In(32),
        "wstrb": In(4),
        "wvalid": In(1),
        "wready": Out(1),
        "bresp": Out(2),
        "bvalid": Out(1),
        "bready": In(1),
        "araddr": In(LITE_ADDRESS_BITS),
        "arvalid": In(1),
        "arready": Out(1),
        "rdata": Out(32),
        "rresp": Out(2),
        "rvalid": Out(1),
        "rready": In(1),
    }


def master_ports(config: AcceleratorConfig) -> PortTable:
    """Members ``m_axi_*``: the AXI4 master of the core."""
    ports = {**read_ports(config), **write_ports(config)}
    return {f"m_axi_{name}": member for name, member in ports.items()}


def slave_ports() -> PortTable:
    """Members ``s_axil_*``: the AXI4-Lite slave of the core."""
    return {f"s_axil_{name}": member for name, member in lite_ports().items()}


def expose(m: Module, outer: Any, inner: Any, names: Iterable[str], prefix: str = "") -> None:
    """Hand members ``names`` of ``inner`` on as members ``prefix + name`` of ``outer``."""
    for name in names:
        there, here = getattr(outer, prefix + name), getattr(inner, name)
        driven = inner.signature.members[name].flow is Out
        m.d.comb += there.eq(here) if driven else here.eq(there)
