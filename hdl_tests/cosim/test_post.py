"""`hw.post.post` as Verilog, in Verilator."""

import pytest

from hdl_tests.harness.cosim import simulate
from vitaccel.hw.post.post import Post
from vitaccel.presets import PRESETS

pytestmark = pytest.mark.cosim


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["demo", "w4a8"])
def test_post(preset: str) -> None:
    config = PRESETS[preset]
    simulate(
        Post(config),
        name=f"post_{preset}",
        bench="hdl_tests.cosim.tb_post",
        env={"VITACCEL_CONFIG": config.model_dump_json()},
    )
