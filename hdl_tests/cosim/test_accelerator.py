"""The whole accelerator as Verilog, with cocotbext-axi's memory: every intermediate tensor."""

from pathlib import Path
from typing import Any

import pytest

from hdl_tests.harness.cases import CASES, SERIAL
from hdl_tests.harness.networks import random_qnetwork
from hdl_tests.harness.whole import compare_every_tensor

pytestmark = pytest.mark.cosim

QUICK = ("tiny",)
EVERY = CASES | {"serial": SERIAL}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EVERY],
)
def test_every_tensor_matches_golden(name: str, tmp_path: Path) -> None:
    config, build = EVERY[name]
    network = random_qnetwork(**(dict[str, Any](log2=False, seed=3) | build))
    compare_every_tensor(network, config, tmp_path)
