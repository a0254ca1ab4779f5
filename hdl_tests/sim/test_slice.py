"""`AxiSlice`: bytes, answers and their order, whoever pauses; every output is a register."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim._async import TestbenchContext

from hdl_tests.harness.axi_master import Master, simulate
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, PAGE_BYTES, Ports, expose, read_ports, write_ports
from vitaccel.hw.axi.slice import FAR, AxiSlice
from vitaccel.hw.memory.axi_ram import AxiRam
from vitaccel.hw.streams.skid import Skid

BUS = 4
SIZE = 2 * PAGE_BYTES


class SlicedRam(Ports, wiring.Component):
    """`AxiSlice` in front of a memory."""

    def __init__(self) -> None:
        config = AcceleratorConfig(axi_bytes=BUS)
        self.ports = {**read_ports(config), **write_ports(config)}
        self.slice = AxiSlice(self.ports)
        self.ram = AxiRam(config, SIZE)
        super().__init__({name: port.flip() for name, port in self.ports.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slice, m.submodules.ram = self.slice, self.ram
        expose(m, self, self.slice, self.ports)
        expose(m, self.slice, self.ram, self.ports, FAR)
        return m


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_bytes_come_back(pause: float) -> None:
    dut = SlicedRam()
    master, rng = Master(dut, pause, BUS), random.Random(1)
    model = bytearray(SIZE)

    async def bench(ctx: TestbenchContext) -> None:
        for _ in range(12):
            start, n_beats = rng.randrange(SIZE // 256) * 256, rng.choice([1, 2, 64])
            beats = [(rng.getrandbits(8 * BUS), rng.getrandbits(BUS)) for _ in range(n_beats)]
            assert await master.write(ctx, start, beats) == [start >> 2 & 1, OKAY]
            for n, (word, strobe) in enumerate(beats):
                for lane in range(BUS):
                    if strobe >> lane & 1:
                        model[start + n * BUS + lane] = word >> 8 * lane & 255
            start, n_beats = rng.randrange(SIZE // 256) * 256, rng.choice([1, 2, 64])
            for n, beat in enumerate(await master.read(ctx, start, n_beats)):
                want = int.from_bytes(model[start + n * BUS :][:BUS], "little")
                assert beat == [want, OKAY, n == n_beats - 1, start >> 2 & 1]

    simulate(dut, bench)


def test_a_beat_per_cycle() -> None:
    dut = SlicedRam()

    async def bench(ctx: TestbenchContext) -> None:
        ctx.set(dut.arlen, 15)
        ctx.set(dut.rready, 1)
        ctx.set(dut.arvalid, 1)
        await ctx.tick()
        ctx.set(dut.arvalid, 0)
        latency = AxiRam.READ_LATENCY + 2 * Skid.LATENCY
        offered = [(await ctx.tick().sample(dut.rvalid))[2] for _ in range(latency + 16)]
        first = offered.index(1)
        assert first <= latency
        assert offered[first : first + 16] == [1] * 16

    simulate(dut, bench)
