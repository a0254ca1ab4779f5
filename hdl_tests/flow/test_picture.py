"""`build/bench/picture.py`: what of a run is drawn, and where."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROWS = {
    "array": [(0, 100, "busy", "first"), (100, 150, "waiting", "second"), (150, 400, "busy", "x")],
    "POST": [(50, 60, "busy", "first"), (60, 300, "busy", "first"), (500, 600, "busy", "last")],
    "VECTOR": [],
}


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "build" / "bench"))
    return import_module("picture")


def bars(svg: str) -> list[tuple[str, float, float, str]]:
    found = re.findall(
        r'<rect class="(\w+)" x="([\d.]+)" .*?width="([\d.]+)" .*?<title>(.*?)</title>', svg
    )
    return [(shade, float(x), float(width), text) for shade, x, width, text in found]


def test_bars_are_cut_joined_and_shaded(picture: Any) -> None:
    svg = picture.timeline_svg(ROWS, 50, 450)
    scale = (picture.WIDTH - picture.LEFT - picture.RIGHT) / 400
    want = [
        ("a", 0, 50, "first: busy, 50 cycles"),
        ("lost", 50, 50, "second: waiting, 50 cycles"),
        ("b", 100, 250, "x: busy, 250 cycles"),
        ("a", 0, 250, "first: busy, 250 cycles"),
    ]
    assert [(shade, text) for shade, _, _, text in bars(svg)] == [(w[0], w[3]) for w in want]
    for (_, x, width, _), (_, start, length, _) in zip(bars(svg), want, strict=True):
        assert x == pytest.approx(picture.LEFT + start * scale, abs=0.06)
        assert width == pytest.approx(length * scale, abs=0.06)
    assert "VECTOR" not in svg


def test_numbers_stand_in_wide_bars_of_work(picture: Any) -> None:
    numbers = {"first": 1, "second": 2, "x": 3}
    svg = picture.timeline_svg(ROWS, 0, 400, numbers)
    assert re.findall(r'class="n"[^>]*>(\d+)<', svg) == ["1", "3", "1"]
    assert 'class="n"' not in picture.timeline_svg(ROWS, 0, 20_000, numbers)
