"""A convolutional network with linear attention on the whole accelerator: every tensor."""

from pathlib import Path
from typing import Literal

import pytest

from golden.execute import execute
from golden.qnetwork import QQuotient
from hdl_tests.harness.cases import images_for
from hdl_tests.harness.hybrids import dead, random_hybrid
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


@pytest.mark.parametrize("division", ["log2", "reciprocal"])
def test_divisors_of_zero_give_zeros(
    division: Literal["log2", "reciprocal"], tmp_path: Path
) -> None:
    network = dead(random_hybrid(exact=division == "reciprocal"))
    quotient = next(layer for layer in network.layers if isinstance(layer, QQuotient))
    assert not execute(network, images_for(network, 5))[quotient.name].any()
    compare_every_tensor(network, CONFIG.replace(division=division), tmp_path)
