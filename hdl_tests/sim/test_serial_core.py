"""The serial core against golden: every tensor of a very small network, and what it refuses."""

import random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from golden.execute import execute
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.networks import random_qnetwork
from hdl_tests.harness.pysim import CLOCK_PERIOD
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.compile.lower.serial import check_post
from vitaccel.compile.program import Routine
from vitaccel.errors import ConfigError, DeviceError
from vitaccel.host.driver import Driver
from vitaccel.hw.axi.axi import OKAY, SLVERR
from vitaccel.hw.serial.core import SerialCore
from vitaccel.presets import PRESETS

CONFIG = PRESETS["icebreaker"]
MOST_CYCLES = 200_000


class Transport:
    """Registers and memory of a core in Amaranth's simulator; the memory pauses at random."""

    def __init__(self, ctx: TestbenchContext, core: SerialCore, memory: bytearray) -> None:
        self.ctx, self.core, self.memory = ctx, core, memory

    async def write_register(self, offset: int, value: int) -> None:
        """One AXI4-Lite write."""
        core, ctx = self.core, self.ctx
        ctx.set(core.s_axil_awaddr, offset)
        ctx.set(core.s_axil_wdata, value)
        ctx.set(core.s_axil_wstrb, 15)
        for valid in (core.s_axil_awvalid, core.s_axil_wvalid, core.s_axil_bready):
            ctx.set(valid, 1)
        await ctx.tick()
        for valid in (core.s_axil_awvalid, core.s_axil_wvalid):
            ctx.set(valid, 0)
        await ctx.tick().until(core.s_axil_bvalid)
        await ctx.tick()

    async def read_register(self, offset: int) -> int:
        """One AXI4-Lite read."""
        core, ctx = self.core, self.ctx
        ctx.set(core.s_axil_araddr, offset)
        ctx.set(core.s_axil_arvalid, 1)
        ctx.set(core.s_axil_rready, 1)
        await ctx.tick()
        ctx.set(core.s_axil_arvalid, 0)
        (value,) = await ctx.tick().sample(core.s_axil_rdata).until(core.s_axil_rvalid)
        await ctx.tick()
        return value

    async def read_memory(self, address: int, size: int) -> bytes:
        """What the core wrote."""
        return bytes(self.memory[address : address + size])

    async def write_memory(self, address: int, data: bytes) -> None:
        """For the core to read."""
        self.memory[address : address + len(data)] = data

    async def interrupt(self) -> None:
        """Wait for the end of the run."""
        for _ in range(MOST_CYCLES):
            _, _, raised = await self.ctx.tick().sample(self.core.interrupt)
            if raised:
                return
        raise AssertionError(f"no interrupt within {MOST_CYCLES} cycles")


async def serve(ctx: TestbenchContext, core: SerialCore, memory: bytearray, pause: float) -> None:
    """Answer single beats."""
    rng = random.Random(1)
    while True:
        reads, writes = ctx.get(core.m_axi_arvalid), ctx.get(core.m_axi_awvalid)
        while rng.random() < pause:
            await ctx.tick()
        if reads:
            at = ctx.get(core.m_axi_araddr)
            ctx.set(core.m_axi_arready, 1)
            await ctx.tick()
            ctx.set(core.m_axi_arready, 0)
            inside = at + 4 <= len(memory)
            ctx.set(core.m_axi_rdata, int.from_bytes(memory[at : at + 4], "little"))
            ctx.set(core.m_axi_rresp, OKAY if inside else SLVERR)
            ctx.set(core.m_axi_rvalid, 1)
            await ctx.tick().until(core.m_axi_rready)
            ctx.set(core.m_axi_rvalid, 0)
        elif writes:
            at, word = ctx.get(core.m_axi_awaddr), ctx.get(core.m_axi_wdata)
            ctx.set(core.m_axi_awready, 1)
            ctx.set(core.m_axi_wready, 1)
            await ctx.tick()
            ctx.set(core.m_axi_awready, 0)
            ctx.set(core.m_axi_wready, 0)
            inside = at + 4 <= len(memory)
            if inside:
                memory[at : at + 4] = word.to_bytes(4, "little")
            ctx.set(core.m_axi_bresp, OKAY if inside else SLVERR)
            ctx.set(core.m_axi_bvalid, 1)
            await ctx.tick().until(core.m_axi_bready)
            ctx.set(core.m_axi_bvalid, 0)
        else:
            await ctx.tick()


def run(bench: Any, size: int, pause: float = 0.0) -> None:
    """Run ``bench(driver)`` on a core with ``size`` bytes of memory."""
    core, memory = SerialCore(CONFIG), bytearray(size)

    async def drive(ctx: TestbenchContext) -> None:
        await bench(Driver(Transport(ctx, core, memory)))

    async def answer(ctx: TestbenchContext) -> None:
        await serve(ctx, core, memory, pause)

    simulator = Simulator(core)
    simulator.add_clock(CLOCK_PERIOD)
    simulator.add_testbench(drive)
    simulator.add_testbench(answer, background=True)
    simulator.run()


@pytest.mark.parametrize("pause", [0.0, 0.5], ids=["free", "paused"])
def test_every_tensor_matches_golden(pause: float) -> None:
    network = random_qnetwork(tokens=3, dim=8, heads=2, log2=False, seed=4, classes=3)
    tensors = execute(network, images_for(network, 5))
    program = compile_network(network, CONFIG, keep=True)
    formats = {layer.name: layer.out for layer in network.layers}

    async def bench(driver: Driver) -> None:
        await driver.load(program)
        await driver.write_input(program, tensors[program.input.tensor][0].numpy())
        await driver.run(program.main)
        for out, raw in zip(program.outputs, await driver.read_outputs(program), strict=True):
            got = out.read(bytes(out.address) + raw, formats[out.tensor].signed)
            want = out.of(tensors[out.tensor][0].numpy().astype(np.int64))
            assert (got == want).all(), f"{out.tensor} {out.head}:\n{got}\n{want}"

    run(bench, program.size, pause)


def test_an_illegal_opcode_ends_the_run() -> None:
    async def bench(driver: Driver) -> None:
        await driver.transport.write_memory(0, bytes(isa.SERIAL_BYTES))
        with pytest.raises(DeviceError) as caught:
            await driver.run(Routine(0, ("first",)))
        assert str(caught.value) == (
            "the core stopped with ILLEGAL_OPCODE in SEQUENCER at instruction 0 (layer first)"
        )

    run(bench, 256)


def test_an_answer_that_is_none_ends_the_run() -> None:
    async def bench(driver: Driver) -> None:
        with pytest.raises(DeviceError) as caught:
            await driver.run(Routine(4096, ("first",)))
        assert str(caught.value) == (
            "the core stopped with READ_SLVERR in SEQUENCER at instruction 0 (layer first)"
        )
        halt = encode(Instruction(isa.Op.HALT, ""), isa.SERIAL_BYTES)
        await driver.transport.write_memory(0, halt)
        await driver.run(Routine(0, ("",)))  # and the next one works

    run(bench, 256)


def test_heads_that_share_words_are_refused() -> None:
    network = random_qnetwork(tokens=3, dim=12, heads=2, log2=False, seed=4, classes=3)
    with pytest.raises(ConfigError) as caught:
        compile_network(network, CONFIG)
    assert str(caught.value) == (
        "layer blocks.0.attn.qk has heads of 6 channels, but core = 'serial' takes multiples of "
        "4; take a network with other heads, or core = 'parallel'"
    )


def test_a_zero_point_shifted_too_far_is_refused() -> None:
    check_post("fc1", {"zero_point": 3, "post_shift": 27})
    check_post("fc1", {"zero_point": 0, "post_shift": 32})
    with pytest.raises(ConfigError) as caught:
        check_post("fc1", {"zero_point": 3, "post_shift": 28})
    assert str(caught.value) == (
        "layer fc1 has a zero point and post_shift 28, but core = 'serial' shifts by 27 at most "
        "then; quantise without zero points, or take core = 'parallel'"
    )
