"""Bench run inside Verilator by `test_post.py`."""

import os
import random
from collections import deque
from collections.abc import Iterable

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge, gather, with_timeout

from hdl_tests.harness.bench import Dut, collect, drive, start
from hdl_tests.harness.payload import packed
from hdl_tests.harness.post_cases import Case, Memories, random_case
from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, command_layout
from vitaccel.hw.post.post_pipe import columns_layout

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])
COMMAND = command_layout(isa.Op.POST)
WRITE = WritePort(CONFIG).members["payload"].shape
COUNT = 40


def write_bits(writes: Iterable[tuple[int, list[int], int]]) -> list[int]:
    return [packed(WRITE, {"address": a, "data": word, "keep": keep}) for a, word, keep in writes]


async def accumulators(dut: Dut, cases: list[Case], pause: float) -> None:
    """Both banks as one queue of tiles; rows come back two cycles after their address."""
    rng = random.Random(f"drain {cocotb.RANDOM_SEED}")
    tiles = deque(tile.tolist() for case in cases for tile in case.tiles)
    address, full = 0, False
    while True:
        await ReadOnly()
        asked = dut.drain__address.value.to_unsigned()
        release = bool(dut.drain__release.value)
        await RisingEdge(dut.clk)
        if release:
            assert full, "released an empty bank"
            tiles.popleft()
            full = False
        full = full or (bool(tiles) and rng.random() >= pause)
        row = tiles[0][address] if full and not release and address < len(tiles[0]) else None
        dut.drain__data.value = packed(columns_layout(CONFIG), row or [-1] * CONFIG.columns)
        dut.drain__full.value = int(full)
        address = asked


async def activations(dut: Dut, memories: Memories, pause: float) -> None:
    """Answer reads in order, at random."""
    rng = random.Random(f"residual {cocotb.RANDOM_SEED}")
    waiting: deque[int] = deque()
    while True:
        willing = rng.random() >= pause
        dut.residual__request__ready.value = int(willing)
        await ReadOnly()
        if willing and bool(dut.residual__request__valid.value):
            waiting.append(dut.residual__request__payload.value.to_unsigned())
        await RisingEdge(dut.clk)
        answer = bool(waiting) and rng.random() >= pause
        dut.residual__valid.value = int(answer)
        if answer:
            lanes = bytes(int(v) & 255 for v in memories.residual[waiting.popleft()])
            dut.residual__data.value = int.from_bytes(lanes, "little")


async def count_done(dut: Dut, pulses: list[int]) -> None:
    while True:
        await ReadOnly()
        pulses.append(int(dut.done.value))
        await RisingEdge(dut.clk)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def matches_golden(dut: Dut, pause: float) -> None:
    """Random commands, random pauses on all sides."""
    memories = Memories(CONFIG, cocotb.RANDOM_SEED % 2**63)
    rng = random.Random(cocotb.RANDOM_SEED)
    cases = [random_case(rng, memories) for _ in range(COUNT)]
    want = write_bits([write for case in cases for write in case.want])
    await start(
        dut, "command__valid", "param__valid", "table__valid", "drain__full", "residual__valid",
        "residual__request__ready", "out__ready",
    )  # fmt: skip
    await drive(dut, "param", write_bits((*write, 0) for write in memories.param_writes()), 0.0)
    await drive(dut, "table", write_bits((*write, 0) for write in memories.table_writes()), 0.0)
    pulses: list[int] = []
    cocotb.start_soon(accumulators(dut, cases, pause))
    cocotb.start_soon(activations(dut, memories, pause))
    cocotb.start_soon(count_done(dut, pulses))
    sent = [packed(COMMAND, case.fields) for case in cases]
    both = gather(drive(dut, "command", sent, pause), collect(dut, "out", len(want), pause))
    _, got = await with_timeout(both, 2, "ms")
    for n, (g, w) in enumerate(zip(got, want, strict=True)):
        assert g.to_unsigned() == w, f"word {n}"
    for _ in range(3):
        await RisingEdge(dut.clk)
    assert sum(pulses) == COUNT
    assert not bool(dut.busy.value)
    assert dut.fault.value.to_unsigned() == isa.Status.OK
