"""A convolutional network with linear attention on the whole accelerator: every tensor."""

from pathlib import Path
from typing import Literal

import pytest

from hdl_tests.harness.hybrids import random_hybrid
from hdl_tests.harness.whole import compare_every_tensor
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

CONFIG = PRESETS["tiny"].replace(hybrid=True, table_slots=8, activation_words=2048)


@pytest.mark.parametrize("division", ["log2", "reciprocal"])
def test_every_tensor_matches_golden(
    division: Literal["log2", "reciprocal"], tmp_path: Path
) -> None:
    network = random_hybrid(exact=division == "reciprocal")
    compare_every_tensor(network, CONFIG.replace(division=division), tmp_path)
