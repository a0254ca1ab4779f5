"""Stream rules of the gearbox, and that granules never fall on each other."""

import pytest

from hdl_tests.harness.formal import prove_streams
from vitaccel.hw.streams.gearbox import Gearbox

pytestmark = pytest.mark.formal


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 3), (3, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("pads", [False, True], ids=["load", "store"])
def test_gearbox(inputs: int, outputs: int, pads: bool) -> None:
    most = inputs + outputs - 1 if pads else inputs
    name = f"gearbox_{inputs}_{outputs}_{most}"
    prove_streams(Gearbox(2, inputs, outputs, most), name=name)
