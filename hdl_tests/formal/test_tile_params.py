"""Tiles of POST keep the rules of streams while their parameters are copied."""

import pytest

from hdl_tests.harness.formal import prove_streams
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.post.tile_params import TileParams

pytestmark = pytest.mark.formal


@pytest.mark.parametrize("cycles", [1, 2])
def test_streams_keep_their_rules(cycles: int) -> None:
    rows = 2 * cycles
    config = AcceleratorConfig(rows=rows, columns=2 * rows, post_words=4, post_cycles=cycles)
    prove_streams(TileParams(config), name=f"tile_params_{cycles}")
