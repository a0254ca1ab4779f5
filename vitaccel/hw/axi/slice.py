"""Registers in all channels of an AXI4 bus."""

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from vitaccel.hw.axi.axi import Ports, PortTable
from vitaccel.hw.streams.skid import Skid

__all__ = ["FAR", "AxiSlice"]

FAR = "far_"
_CHANNELS = ("ar", "r", "aw", "w", "b")


class AxiSlice(Ports, wiring.Component):
    """Keep the paths of a master and a slave apart.

    Parameters
    ----------
    ports
        Channels of a master, without prefix.

    Members
    -------
    ar*, r*, aw*, w*, b*
        AXI4 channels of a slave.
    far_*
        The same channels of a master.

    Timing
    ------
    Each channel is delayed by `Skid.LATENCY` cycles, a transfer per cycle; all outputs are
    registers.
    """

    def __init__(self, ports: PortTable) -> None:
        self.ports = ports
        super().__init__({
            **{name: port.flip() for name, port in ports.items()},
            **{FAR + name: port for name, port in ports.items()},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for channel in _CHANNELS:
            valid, ready = f"{channel}valid", f"{channel}ready"
            fields = [
                name
                for name in self.ports
                if name.startswith(channel) and name not in {valid, ready}
            ]
            layout = {name: self.ports[name].shape for name in fields}
            m.submodules[channel] = skid = Skid(data.StructLayout(layout))
            near_first = self.ports[valid].flow is Out
            source, sink = ("", FAR) if near_first else (FAR, "")
            m.d.comb += [
                skid.i.valid.eq(getattr(self, source + valid)),
                getattr(self, source + ready).eq(skid.i.ready),
                getattr(self, sink + valid).eq(skid.o.valid),
                skid.o.ready.eq(getattr(self, sink + ready)),
            ]
            for name in fields:
                m.d.comb += [
                    skid.i.p[name].eq(getattr(self, source + name)),
                    getattr(self, sink + name).eq(skid.o.p[name]),
                ]
        return m
