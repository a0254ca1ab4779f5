"""`flow.report`: one file that says the verdict and loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from vitaccel.flow.report import Interval, write_report

SUMMARY: dict[str, Any] = {
    "network": "a <script> of a name",
    "scheme": "mixed",
    "bit_exact": True,
    "images": 64,
    "tensors_compared": 1234,
    "accuracy": {"float": 0.978, "golden": 0.975, "rtl": 0.9625},
    "accuracy_held_out": {"float": 0.981, "golden": 0.98},
    "held_out_images": 360,
    "cycles_per_image": 21345,
    "mac_utilization": 0.413,
    "config_digest": "abcdef",
    "config": {"rows": 8, "columns": 16},
    "seconds": {"build": 41.5, "simulate": 62.0},
}
LAYERS = [
    {
        "name": "blocks.0.qkv",
        "kind": "linear",
        "shape": [17, 96],
        "macs": 78336,
        "ideal_cycles": 612,
        "busy_cycles": 900,
        "equal": 4,
    },
    {
        "name": "blocks.0.norm",
        "kind": "norm",
        "shape": [17, 32],
        "macs": 0,
        "equal": 3,
        "compared": 4,
    },
]
TIMELINE: dict[str, list[Interval]] = {
    "MXU": [(0, 10, "waiting", "blocks.0.qkv"), (10, 60, "busy", "blocks.0.qkv")],
    "LOAD": [(0, 100, "busy", "</script>")],
}


class Page(HTMLParser):
    """Text, tags and links of a page; refuses tags that don't nest."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text += f" {data}"


def words(page: Page) -> str:
    return re.sub(r"\s+", " ", page.text)


def test_page_says_the_verdict_and_loads_nothing(tmp_path: Path) -> None:
    path = write_report(tmp_path, SUMMARY, LAYERS, TIMELINE)
    assert path == tmp_path / "report.html"
    page = Page(path.read_text())
    assert page.links == []
    assert "http" not in path.read_text()
    text = words(page)
    for part in (
        "a <script> of a name, mixed scheme",
        "Bit-exact: 1 234 tensors compared over 64 images",
        "21 345 cycles per image",
        "41.3 % of the array",
        "float PyTorch 97.8 % 98.1 %",
        "RTL in Verilator 96.2 %",
        "simulate 62.0 s",
        "17 × 96",
        "3 of 4",
        "MXU 1 instruction 50.0 % busy",
        "LOAD 1 instruction 100.0 % busy",
        "rows 8",
        "abcdef",
    ):
        assert part in text, part


def test_timeline_data_survive_the_page_in_order(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path, SUMMARY, LAYERS, TIMELINE).read_text())
    data = json.loads(page.scripts[0])
    assert list(data) == ["MXU", "LOAD"]
    assert data == {unit: [list(row) for row in rows] for unit, rows in TIMELINE.items()}


def test_a_mismatch_is_not_hidden(tmp_path: Path) -> None:
    bad = SUMMARY | {"bit_exact": False, "mismatches": ["image 3, tensor head: RTL 4, golden 5"]}
    text = words(Page(write_report(tmp_path, bad, LAYERS, TIMELINE).read_text()))
    assert "Not bit-exact" in text
    assert "image 3, tensor head: RTL 4, golden 5" in text
    assert "Bit-exact" not in text


@pytest.mark.parametrize(
    ("trained", "said"), [({}, 0), ({"trained": True}, 0), ({"trained": False}, 1)]
)
def test_random_parameters_are_said_to_be_random(
    trained: dict[str, bool], said: int, tmp_path: Path
) -> None:
    text = words(Page(write_report(tmp_path, SUMMARY | trained, LAYERS, TIMELINE).read_text()))
    assert text.count("The parameters are random, not those of a trained model.") == said


@pytest.mark.parametrize("seconds", [12.5, {}])
def test_page_of_little_data(seconds: object, tmp_path: Path) -> None:
    optional = ("network", "scheme", "config", "accuracy_held_out", "held_out_images")
    little = {key: value for key, value in SUMMARY.items() if key not in optional}
    page = Page(write_report(tmp_path, little | {"seconds": seconds}, [], {}).read_text())
    assert "vitaccel run" in words(page)
    assert ("in all 12.5 s" in words(page)) == (seconds == 12.5)
