"""Bench run inside Verilator by `test_mxu.py`."""

import os
import random
from collections import deque
from collections.abc import Iterator

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from hdl_tests.harness import bench
from hdl_tests.harness.gemm import (
    Gemm,
    Ints,
    Words,
    columns_of_bits,
    expected,
    modes,
    random_gemm,
    random_memories,
    word_bits,
)
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import DRAIN_LATENCY

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])


async def memory(dut: bench.Dut, port: str, words: Words, pause: float) -> None:
    """Answer reads in order, at once or some cycles later."""
    rng = random.Random(f"{port} {cocotb.RANDOM_SEED}")
    ready, request = dut[f"{port}__request__ready"], dut[f"{port}__request__payload"]
    asked, valid, data = dut[f"{port}__request__valid"], dut[f"{port}__valid"], dut[f"{port}__data"]
    waiting: deque[tuple[int, int]] = deque()  # (cycle it is due, word)
    cycle = 0
    while True:
        willing = rng.random() >= pause
        due = bool(waiting) and waiting[0][0] <= cycle
        ready.value, valid.value = willing, due
        if due:
            data.value = waiting.popleft()[1]
        await ReadOnly()
        if willing and bool(asked.value):
            delay = rng.randrange(1, 14) if pause else 5
            word = words[int(request.value) % len(words)]
            waiting.append((cycle + delay, word_bits(word)))
        await RisingEdge(dut.clk)
        cycle += 1


async def post(dut: bench.Dut, want: Iterator[tuple[slice, Ints]], pause: float) -> None:
    """Drain every bank and compare it."""
    rng = random.Random(f"post {cocotb.RANDOM_SEED}")
    for n, (filled, sums) in enumerate(want):
        dut.drain__release.value = 0
        ready = False
        while not ready:
            await RisingEdge(dut.clk)
            await ReadOnly()
            ready = bool(dut.drain__full.value) and rng.random() >= pause
        for row in range(len(sums) + DRAIN_LATENCY):
            await RisingEdge(dut.clk)
            dut.drain__address.value = row % len(sums)
            dut.drain__release.value = row == len(sums) + DRAIN_LATENCY - 1
            await ReadOnly()
            if row >= DRAIN_LATENCY:
                got = columns_of_bits(CONFIG, int(dut.drain__data.value))[filled]
                assert np.array_equal(got, sums[row - DRAIN_LATENCY]), f"tile {n}, row {row}"
        await RisingEdge(dut.clk)


async def count(dut: bench.Dut, done: list[int]) -> None:
    while True:
        await ReadOnly()
        done[0] += bool(dut.done.value)
        done[1] += bool(dut.beat.value)
        assert not int(dut.fault.value)
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.5])
async def random_commands(dut: bench.Dut, pause: float) -> None:
    """Every source and kind of columns, back to back, against numpy."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED % 2**32)
    memories = random_memories(CONFIG, rng)
    gemms = [random_gemm(CONFIG, rng, source=s, columns=c) for s, c in modes(CONFIG)]
    gemms += [random_gemm(CONFIG, rng) for _ in range(5)]
    gemms += [Gemm(n_rows=CONFIG.accumulator_rows, k_tiles=9, n_tiles=2)]
    await bench.start(dut, "command__valid", "drain__release")
    for port, words in zip(
        ("stream", "stationary", "weights"), (*memories[:1], *memories), strict=True
    ):
        cocotb.start_soon(memory(dut, port, words, pause))
    done = [0, 0]
    cocotb.start_soon(count(dut, done))
    cocotb.start_soon(bench.drive(dut, "command", [g.as_bits() for g in gemms], pause))
    want = (tile for gemm in gemms for tile in expected(CONFIG, gemm, memories))
    await post(dut, want, pause)
    assert done == [len(gemms), sum(g.n_rows * g.k_tiles * g.n_tiles for g in gemms)]
