"""Bench run inside Verilator by `test_layernorm.py` and `test_softmax.py`."""

import os
import random

import cocotb
from cocotb.triggers import RisingEdge, gather

from hdl_tests.harness.bench import Dut, collect, drive, start
from hdl_tests.harness.payload import packed
from hdl_tests.harness.vector_rows import Case, NormCase, SoftmaxCase, corner_rows, random_rows
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import WritePort, command_layout, word_layout
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.isa import Op

CONFIG = AcceleratorConfig.model_validate_json(os.environ["VITACCEL_CONFIG"])
OP = Op[os.environ["VITACCEL_OP"]]
N_ROWS = 20


def cases(rng: random.Random) -> list[Case]:
    most = CONFIG.row_words * CONFIG.rows
    found: list[Case] = []
    for n, length in enumerate((most, most - 1, CONFIG.rows + 1, CONFIG.rows - 1, 2)):
        rows = corner_rows(length) + random_rows(rng, length, N_ROWS)
        if OP == Op.NORM:
            found.append(NormCase(config=CONFIG, length=length, rows=rows, seed=n))
        else:
            bits = 0 if CONFIG.log2_attention and n % 2 else 8 - n
            scale = 0.01 * 3**n
            found.append(
                SoftmaxCase(config=CONFIG, length=length, rows=rows, bits=bits, scale=scale)
            )
    return found


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.5])
async def matches_golden(dut: Dut, pause: float) -> None:
    write = WritePort(CONFIG).members["payload"].shape
    rng = random.Random(cocotb.RANDOM_SEED)
    dut.fields.value = 0
    dut.i__payload.value = 0
    dut.write__payload.value = 0
    await start(dut, "i__valid", "o__ready", "write__valid")
    for case in cases(rng):
        writes = [packed(write, {"address": a, "data": word}) for a, word in case.writes()]
        await drive(dut, "write", writes, 0)
        dut.fields.value = packed(command_layout(OP), case.fields())
        for _ in range(3):
            await RisingEdge(dut.clk)
        words = [packed(marked_layout(CONFIG, 8), word) for word in case.marked(rng)]
        want = [packed(word_layout(CONFIG), word) for word in case.results()]
        _, got = await gather(drive(dut, "i", words, pause), collect(dut, "o", len(want), pause))
        for n, (g, w) in enumerate(zip(got, want, strict=True)):
            row = case.rows[n // case.n_words]
            assert g.to_unsigned() == w, f"word {n % case.n_words} of {row}, {case.fields()}"
