"""Per-channel parameters of LayerNorm."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.memory.plane_memory import PlaneMemory
from vitaccel.hw.ports import WritePort

__all__ = ["NormParams"]

# Parameter: first plane in the address map of `isa.Space.VECTOR_PARAM`, bits.
PLANES = {"gain": (0, 16), "offset": (2, 32), "shift": (6, 2), "shift_again": (6, 2)}


class NormParams(wiring.Component):
    """Gain, offset and shift of every channel, each with a read address of its own.

    They are used in different stages, so one wide memory would need registers to keep them aligned.
    The shift is used twice.

    Parameters
    ----------
    config
        ``vector_words`` words of R lanes.

    Members
    -------
    write : In(WritePort)
        As `isa.Space.VECTOR_PARAM` says. Always ready.
    gain_address, offset_address, shift_address, shift_again_address : In(range(vector_words))
        Words to read.
    gain, offset, shift, shift_again : Out(R lanes of unsigned(16), unsigned(32), twice unsigned(2))
        What the words hold, `LATENCY` cycles after their addresses.

    Timing
    ------
    As `PlaneMemory`.
    """

    gain_address: Signal
    offset_address: Signal
    shift_address: Signal
    shift_again_address: Signal
    gain: data.View
    offset: data.View
    shift: data.View
    shift_again: data.View

    LATENCY = PlaneMemory.LATENCY

    write: stream.Interface

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        members = {"write": In(WritePort(config))}
        for name, (_, bits) in PLANES.items():
            members[f"{name}_address"] = In(range(config.vector_words))
            members[name] = Out(data.ArrayLayout(unsigned(bits), config.rows))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plane = self.write.p.address[:3]
        word = self.write.p.address[3:]
        m.d.comb += self.write.ready.eq(1)
        for name, (first, bits) in PLANES.items():
            memory = PlaneMemory(self.config, self.config.vector_words, bits)
            m.submodules[name] = memory
            planes = -(-bits // 8)
            local = Signal(range(planes), name=f"{name}_plane")
            m.d.comb += [
                local.eq(plane - first),
                memory.write.p.address.eq(Cat(local, word)),
                memory.write.p.data.eq(self.write.p.data),
                memory.write.valid.eq(
                    self.write.valid & (plane >= first) & (plane < first + planes)
                ),
                memory.address.eq(getattr(self, f"{name}_address")),
                getattr(self, name).eq(memory.data),
            ]
        return m
