"""Depthwise convolutions between pointwise ones, on the whole accelerator in RTL."""

from pathlib import Path

import pytest
import torch

from hdl_tests.harness.images import image_qnetwork
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

MODELS = Path("build/out/models")
CONFIG = PRESETS["tiny"].replace(
    accumulator_rows=16,
    table_slots=3,
    depthwise_taps=3,
    depthwise_cycles=2,
    depthwise_width=16,
    depthwise_words=8,
    depthwise_steps=128,
)


def test_every_tensor_is_bit_exact() -> None:
    network = image_qnetwork(size=(9, 7), slots=3)
    images = 200 * torch.rand((3, 3, 9, 7), generator=torch.Generator().manual_seed(1))
    verdict = verify(network, CONFIG, images, MODELS, Stopwatch(), traced=2)
    assert verdict.bit_exact, verdict.lines()
    assert verdict.tensors == {"expand": 2, "small": 2, "large": 2, "project": 3}
    assert verdict.counters["BUSY_DEPTHWISE"] > 0
