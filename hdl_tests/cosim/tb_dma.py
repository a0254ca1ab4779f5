"""Bench run inside Verilator by `test_dma.py`."""

import os
import random

import cocotb
from cocotb.triggers import RisingEdge, Timer

from hdl_tests.harness.bench import Dut
from hdl_tests.harness.host import MEMORY_BASE, Host, instruction
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.shell.spaces import depths
from vitaccel.isa import Op, Space, Unit

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])
DATA = MEMORY_BASE + 0x8000  # behind the program
RESULTS = MEMORY_BASE + 0x2_0000
FROM_LOAD, FROM_STORE = 1 << Unit.LOAD, 1 << Unit.STORE


def rows_of(rng: random.Random, most_words: int) -> dict[str, int]:
    n_rows, n_words = rng.randint(1, 5), rng.randint(1, most_words)
    stride = -(-n_words * CONFIG.rows // 64) * 64
    return {"n_rows": n_rows, "n_words": n_words, "external_stride": stride}


async def stalls(dut: Dut, pause: float) -> None:
    rng = random.Random(cocotb.RANDOM_SEED)
    while True:
        dut.stall.value = int(rng.random() < pause)
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.5])
async def there_and_back(dut: Dut, pause: float) -> None:
    """Rows through the activation memory and out again; what lies between rows stays."""
    rng = random.Random(cocotb.RANDOM_SEED)
    host = Host(dut)
    await host.begin(pause)
    cocotb.start_soon(stalls(dut, pause))
    inside = rng.randbytes(0x4000)
    host.ram.write(DATA, inside)
    host.ram.write(RESULTS, b"\x55" * 0x8000)
    want = bytearray(b"\x55" * 0x8000)
    program, target = [], 0
    for n in range(16):
        rows = rows_of(rng, 40)
        size, span = rows["n_words"] * CONFIG.rows, rows["external_stride"]
        source = 64 * rng.randrange((len(inside) - rows["n_rows"] * span) // 64)
        half = n % 2 * CONFIG.activation_words // 2
        fields = rows | {"local": half + rng.randrange(8), "local_stride": rows["n_words"] + 1}
        program.append(
            instruction(
                Op.LOAD,
                FROM_STORE if n > 1 else 0,
                FROM_STORE,
                external=DATA + source,
                space=Space.ACTIVATION,
                **fields,
            )  # fmt: skip
        )
        program.append(
            instruction(Op.STORE, FROM_LOAD, FROM_LOAD, external=RESULTS + target, **fields)
        )
        for row in range(rows["n_rows"]):
            piece = inside[source + row * span :][:size]
            want[target + row * span :][:size]
            want[target + row * span : target + row * span + size] = piece
        target += rows["n_rows"] * span
    await host.run([*program, instruction(Op.HALT)])
    assert host.ram.read(RESULTS, len(want)) == want
    assert not host.outside


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.5])
async def every_space(dut: Dut, pause: float) -> None:
    """LOAD fills each memory from its first to its last word."""
    rng = random.Random(cocotb.RANDOM_SEED)
    host = Host(dut)
    await host.begin(pause)
    cocotb.start_soon(stalls(dut, pause))
    program, memories, at = [], {}, DATA
    for space, depth in depths(CONFIG).items():
        memories[space] = rng.randbytes(min(depth, 300) * CONFIG.rows)
        host.ram.write(at, memories[space])
        program.append(
            instruction(
                Op.LOAD,
                external=at,
                local=depth - min(depth, 300),
                n_rows=1,
                n_words=min(depth, 300),
                space=space,
            )  # fmt: skip
        )
        at += -(-len(memories[space]) // 64) * 64
    await host.run([*program, instruction(Op.HALT)])
    for space, depth in depths(CONFIG).items():
        for n in range(min(depth, 300)):
            dut.space.value = space
            dut.address.value = depth - min(depth, 300) + n
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            await Timer(1, "ns")
            word = memories[space][n * CONFIG.rows :][: CONFIG.rows]
            assert dut.word.value.to_unsigned() == int.from_bytes(word, "little"), (space, n)
