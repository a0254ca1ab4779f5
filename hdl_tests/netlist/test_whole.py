"""The whole accelerator after synthesis runs a network like its RTL: every tensor as golden."""

from functools import partial
from pathlib import Path

import pytest

from hdl_tests.harness.netlist import netlist
from hdl_tests.harness.networks import random_qnetwork
from hdl_tests.harness.whole import compare_every_tensor
from vitaccel.presets import PRESETS

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

# The smallest presets: the serial core of an iCE40UP5K, and units side by side on an ECP5 12F, with
# the cells that boards get.
CASES = {
    "ultraplus": ("icebreaker", {}),
    "ecp5": ("small", {"weight_bits": 4, "pot": 0.0}),
}


@pytest.mark.parametrize("family", CASES)
def test_every_tensor_matches_golden(family: str, tmp_path: Path) -> None:
    preset, scheme = CASES[family]
    network = random_qnetwork(dim=8, heads=2, tokens=5, log2=False, seed=3, **scheme)
    convert = partial(netlist, family=family)
    name = f"accelerator_{family}"
    compare_every_tensor(network, PRESETS[preset], tmp_path, name=name, convert=convert)
