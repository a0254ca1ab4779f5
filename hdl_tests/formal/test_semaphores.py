"""Semaphores neither run empty nor over."""

import pytest
from amaranth import Value

from hdl_tests.harness.formal import prove
from vitaccel.hw.shell.semaphores import Semaphores
from vitaccel.isa import Unit

pytestmark = pytest.mark.formal


def test_tokens_stay_in_range() -> None:
    dut = Semaphores(Unit)
    ports = [Value.cast(value) for _, _, value in dut.signature.flatten(dut)]
    prove(dut, name="semaphores", ports=ports)
