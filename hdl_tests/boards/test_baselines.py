"""Boards whose area and clock `make bench-boards` has recorded keep to them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "build" / "baselines" / "boards.json"
BASELINES = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


@pytest.mark.slow
@pytest.mark.synth
@pytest.mark.parametrize("board", BASELINES)
def test_area_and_clock_are_no_worse(board: str) -> None:
    """Within 5 %; takes as long as the build, unless it has been made already."""
    words = [sys.executable, "build/bench/board_builds.py", "--check", board]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
