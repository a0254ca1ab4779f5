"""Energy by the table: counted by hand for single instructions."""

import pytest

from hdl_tests.harness.networks import random_qnetwork
from vitaccel import energy as model
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.program import Decoded
from vitaccel.config import AcceleratorConfig
from vitaccel.presets import PRESETS
from vitaccel.traffic import traffic

DEMO = PRESETS["demo"]  # 8 x 16, 8 of them power-of-two columns
PACKED = PRESETS["w4a8"]
GEMM = {"n_rows": 10, "k_tiles": 3, "n_tiles": 2, "source": isa.Stationary.WEIGHT}


def step(op: isa.Op, **fields: int) -> Decoded:
    return Decoded(op, dict.fromkeys((*isa.HEADER, *isa.FIELDS[op]), 0) | fields, "layer")


@pytest.mark.parametrize(
    ("config", "columns", "multiplied", "shifted", "picojoules"),
    [
        (DEMO, isa.Columns.ALL, 8, 8, 0.2),
        (DEMO, isa.Columns.UNIFORM, 8, 0, 0.2),
        (DEMO, isa.Columns.POT, 0, 8, 0.2),
        (PACKED, isa.Columns.ALL, 16, 0, 0.1),
        (PACKED, isa.Columns.UNIFORM, 8, 0, 0.2),
        (PACKED, isa.Columns.PACKED, 16, 0, 0.1),
    ],
)
def test_array(
    config: AcceleratorConfig,
    columns: isa.Columns,
    multiplied: int,
    shifted: int,
    picojoules: float,
) -> None:
    spent = model._gemm(step(isa.Op.GEMM, columns=columns, **GEMM), config)
    macs = 10 * 3 * 2 * config.rows
    assert spent["multiply"] == pytest.approx(macs * multiplied * picojoules)
    assert spent["shift"] == pytest.approx(macs * shifted * 0.024)
    assert spent["add"] == pytest.approx(
        macs * (multiplied + shifted) * 0.1 * config.accumulator_bits / 32
    )


def test_memories() -> None:
    spent = model._gemm(step(isa.Op.GEMM, columns=isa.Columns.UNIFORM, **GEMM), DEMO)
    bank = 4096 * 8 // 4  # just 8 kB: 10 pJ for 64 bits
    assert DEMO.activation_words * DEMO.rows // DEMO.activation_banks == bank
    assert spent["activations"] == pytest.approx(60 * 10)
    assert spent["weights"] == pytest.approx(6 * 8 * 10 * (2048 * 8 / 8192) ** 0.5)
    sums = 2 * 10 * 3 * 2 - 10 * 2  # no sum is read for the first word of a row
    assert spent["sums"] == pytest.approx(sums * 8 * 32 * 10 / 64 * (2 * 32 * 4 / 8192) ** 0.5)
    in_memory = GEMM | {"source": isa.Stationary.ROWS, "columns": isa.Columns.UNIFORM}
    spent = model._gemm(step(isa.Op.GEMM, **in_memory), DEMO)
    assert (spent["activations"], spent["weights"]) == (pytest.approx((60 + 48) * 10), 0)


def test_other_units() -> None:
    size = {"n_rows": 5, "n_words": 4}
    plain, added = (model._post(step(isa.Op.POST, use_residual=n, **size), DEMO) for n in (0, 1))
    assert (plain["activations"], added["activations"]) == (pytest.approx(200), pytest.approx(400))
    wide = model._post(step(isa.Op.POST, wide=1, **size), DEMO)
    assert wide["sums"] == pytest.approx(2 * plain["sums"])
    assert model._vector(step(isa.Op.NORM, **size), DEMO)["activations"] == pytest.approx(400)
    load, store = (model._transfer(step(op, **size), DEMO) for op in (isa.Op.LOAD, isa.Op.STORE))
    assert load["external"] == store["external"] == pytest.approx(20 * 1300)
    into = {"space": isa.Space.WEIGHT}
    assert set(model._transfer(step(isa.Op.LOAD, **size, **into), DEMO)) == {"external", "weights"}


def test_a_program_is_the_sum() -> None:
    program = compile_network(random_qnetwork(), DEMO)
    spent = model.energy(program, DEMO).parts
    moved = sum(traffic(program, DEMO).kinds.values())
    assert spent["external"] == pytest.approx(moved / 8 * 1300)
    assert spent["multiply"] / 0.2 >= sum(layer["macs"] for layer in program.layers)


def test_an_image_of_a_batch() -> None:
    spent = model.Energy({"multiply": 6e6, "shift": 0.0, "external": 2e6})
    about = spent.summary(batch=2, seconds=0.5)
    assert about["uj_per_image"] == 4
    assert about["energy_delay_uj_s"] == 2
    assert model.Energy.line(about) == (
        "energy by a 45 nm table: 4 uJ per image (multiply 75%, external 25%); "
        "energy x delay 2 uJ s"
    )


def test_depthwise() -> None:
    """One word of 3 x 3 pixels with padding: 9 windows of 9 taps."""
    config = DEMO.replace(depthwise_taps=3, depthwise_width=8, depthwise_steps=256)
    size = {"height": 3, "width": 3, "above": 1, "below": 1, "side": 1, "kernel": 3, "stride": 1}
    spent = model._depthwise(step(isa.Op.DEPTHWISE, n_words=1, **size), config)
    macs = 9 * 9 * 8
    assert spent["multiply"] == pytest.approx(macs * 0.1)  # 4 bits of 8
    assert spent["add"] == pytest.approx(macs * 17 * 0.1 / 32)
    assert spent["rescale"] == pytest.approx(9 * 8 * 17 * 16 * 0.2 / 64)
    column = 5 * 8 * 8  # bits
    lines = (9 * 3 + 25) * column * 10 / 64 * (8 * column / 8 / 8192) ** 0.5
    assert spent["activations"] == pytest.approx((25 + 9) * 10 + lines)
    assert spent["weights"] == pytest.approx(macs * 4 * 10 / 64 * (256 * 3 * 8 / 2 / 8192) ** 0.5)
