"""The instruction-level model and the sums that the benches expect are the same GEMM."""

import numpy as np
import pytest

from hdl_tests.harness.emulator import Emulator
from hdl_tests.harness.gemm import expected, modes, random_gemm
from vitaccel import isa
from vitaccel.config import AcceleratorConfig

CONFIGS = [
    AcceleratorConfig(rows=4, columns=4),
    AcceleratorConfig(rows=3, columns=9, pot_columns=3, weight_bits=4, log2_attention=True),
    AcceleratorConfig(rows=2, columns=8, weight_bits=4),
    AcceleratorConfig(rows=3, columns=6, pot_columns=3, pot_bits=5),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.rows}x{c.columns}")
def test_gemm(config: AcceleratorConfig) -> None:
    rng = np.random.default_rng(config.columns)
    emulator = Emulator(config, bytearray())
    memories = emulator.activation, emulator.spaces[isa.Space.WEIGHT]
    small = {"n_rows": 5, "stream_stride": 6, "stationary_stride": 7, "tile_stride": 20}
    for source, columns in modes(config) * 10:
        places = {name: int(rng.integers(256)) for name in ("stream", "stationary")}
        gemm = random_gemm(config, rng, source=source, columns=columns, **small, **places)
        emulator.tiles.clear()
        emulator.gemm(vars(gemm))
        want = list(expected(config, gemm, memories))
        assert len(emulator.tiles) == len(want)
        for got, (filled, sums) in zip(emulator.tiles, want, strict=True):
            assert np.array_equal(got[:, filled], sums), gemm
