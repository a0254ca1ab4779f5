"""`AxiNarrow`: bytes and answers of wide bursts over a narrow bus, whoever pauses."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.axi_master import Master, simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, PAGE_BYTES, SLVERR, Ports, expose, read_ports, write_ports
from vitaccel.hw.axi.narrow import NARROW, AxiNarrow, narrow_ports
from vitaccel.hw.memory.axi_ram import AxiRam

WIDTH = 4
SIZE = 2 * PAGE_BYTES


class NarrowRam(Ports, wiring.Component):
    """`AxiNarrow` in front of a memory of `WIDTH` bytes."""

    def __init__(self, bus: int) -> None:
        self.config = AcceleratorConfig(axi_bytes=bus)  # pyright: ignore[reportArgumentType]
        self.narrow = AxiNarrow(self.config, WIDTH)
        self.ram = AxiRam(AcceleratorConfig(axi_bytes=WIDTH), SIZE)
        ports = {**read_ports(self.config), **write_ports(self.config)}
        super().__init__({name: port.flip() for name, port in ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.narrow, m.submodules.ram = self.narrow, self.ram
        expose(m, self, self.narrow, self.signature.members)
        expose(m, self.narrow, self.ram, narrow_ports(self.config, WIDTH), NARROW)
        return m


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
@pytest.mark.parametrize("bus", [4, 8, 16])
def test_bytes_come_back(bus: int, pause: float) -> None:
    dut = NarrowRam(bus)
    master, rng = Master(dut, pause, bus), random.Random(bus)
    model = bytearray(SIZE)

    async def bench(ctx: TestbenchContext) -> None:
        for _ in range(12):
            start, n_beats = rng.randrange(SIZE // 256) * 256, rng.choice([1, 2, 256 // bus])
            beats = [(rng.getrandbits(8 * bus), rng.getrandbits(bus)) for _ in range(n_beats)]
            assert await master.write(ctx, start, beats) == [start >> 2 & 1, OKAY]
            for n, (word, strobe) in enumerate(beats):
                for lane in range(bus):
                    if strobe >> lane & 1:
                        model[start + n * bus + lane] = word >> 8 * lane & 255
            start, n_beats = rng.randrange(SIZE // 256) * 256, rng.choice([1, 2, 256 // bus])
            for n, beat in enumerate(await master.read(ctx, start, n_beats)):
                want = int.from_bytes(model[start + n * bus :][:bus], "little")
                assert beat == [want, OKAY, n == n_beats - 1, start >> 2 & 1]
        first, second = (word for word, *_ in await master.read(ctx, 0, 2))
        for inside in range(1, bus):
            assert [word for word, *_ in await master.read(ctx, inside, 2)] == [first, second]
        assert (await master.write(ctx, SIZE, [(1, 1), (2, 1)]))[1] == SLVERR
        for beat in await master.read(ctx, SIZE, 2):
            assert beat[1] == SLVERR
        assert (await master.read(ctx, 0, 1))[0][1] == OKAY

    simulate(dut, bench)


def test_a_part_per_cycle() -> None:
    """Of the wide beats one in every ``ratio`` cycles, back to back."""
    dut = NarrowRam(16)

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.arlen, 7)
        ctx.set(dut.rready, 1)
        ctx.set(dut.arvalid, 1)
        await ctx.tick()
        ctx.set(dut.arvalid, 0)
        offered = [
            (await ctx.tick().sample(dut.rvalid))[2] for _ in range(AxiRam.READ_LATENCY + 37)
        ]
        assert offered == [0] * (AxiRam.READ_LATENCY - 1) + [0, 0, 0, 1] * 8 + [0] * 6

    simulate(dut, bench)
