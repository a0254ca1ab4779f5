"""Tiles of POST keep the rules of streams while their parameters are copied."""

import pytest

from hdl_tests.harness.formal import prove_streams
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.post.tile_params import TileParams

pytestmark = pytest.mark.formal


def test_streams_keep_their_rules() -> None:
    config = AcceleratorConfig(rows=2, columns=4, post_words=4)
    prove_streams(TileParams(config), name="tile_params")
