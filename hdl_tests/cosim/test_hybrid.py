"""A convolutional network with linear attention on the whole accelerator: every tensor."""

from pathlib import Path

import pytest

from hdl_tests.harness.hybrids import random_hybrid
from hdl_tests.harness.whole import compare_every_tensor
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

CONFIG = PRESETS["tiny"].replace(hybrid=True, table_slots=8, activation_words=2048)


def test_every_tensor_matches_golden(tmp_path: Path) -> None:
    compare_every_tensor(random_hybrid(), CONFIG, tmp_path)
