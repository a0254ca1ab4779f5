"""The whole accelerator after synthesis runs a network like its RTL: every tensor as golden."""

from functools import partial
from pathlib import Path

import pytest

from hdl_tests.harness.netlist import netlist
from hdl_tests.harness.networks import random_qnetwork
from hdl_tests.harness.whole import compare_every_tensor
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

# The smallest preset: the serial core of an iCE40UP5K, with the cells that boards get.
FAMILY, PRESET = "ultraplus", "icebreaker"


def test_every_tensor_matches_golden(tmp_path: Path) -> None:
    network = random_qnetwork(dim=8, heads=2, tokens=5, log2=False, seed=3)
    convert = partial(netlist, family=FAMILY)
    name = f"accelerator_{FAMILY}"
    compare_every_tensor(network, PRESETS[PRESET], tmp_path, name=name, convert=convert)
