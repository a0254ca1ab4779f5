"""`flow.report`: one file that says the verdict and loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hdl_tests.harness.networks import random_qnetwork
from vitaccel.account import Cause
from vitaccel.compile import compile_network
from vitaccel.errors import ConfigError
from vitaccel.estimate import estimate
from vitaccel.flow.report import write_report
from vitaccel.flow.roofline import roofline
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.presets import PRESETS
from vitaccel.profile import Profile, profile
from vitaccel.spans import Interval

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
CONFIG = PRESETS["tiny"]
TIMING = MemoryTiming()


@pytest.fixture(scope="module")
def profiled() -> Profile:
    program = compile_network(random_qnetwork(dim=8, heads=2, log2=False, pot=0.0), CONFIG)
    run = estimate(program, CONFIG, TIMING)
    return profile(program, CONFIG, TIMING, run.spans, run.cycles)


TIMELINE: dict[str, list[Interval]] = {
    "MXU": [(0, 10, "waiting", "blocks.0.qkv"), (10, 60, "busy", "blocks.0.qkv")],
    "LOAD": [(0, 100, "busy", "</script>")],
}


class Page(HTMLParser):
    """Text, tags and links of a page; refuses tags that don't nest."""

    VOID = ("meta", "br", "link", "img")
    DRAWN = ("line", "polyline", "circle")  # of SVG, closed at once

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.DRAWN
        self.tags.append(tag)

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


def test_page_says_the_verdict_and_loads_nothing(profiled: Profile, tmp_path: Path) -> None:
    path = write_report(tmp_path, SUMMARY, profiled, TIMELINE, {"head": 7})
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
        "rows 8",
        "abcdef",
    ):
        assert part in text, part


def test_page_accounts_for_every_cycle(profiled: Profile, tmp_path: Path) -> None:
    path = write_report(tmp_path, SUMMARY, profiled, TIMELINE, {"head": 7})
    text = words(Page(path.read_text()))
    totals = profiled.account.totals()
    for cause, cycles in totals.items():
        assert f"{cause} {cycles:,} ".replace(",", " ") in text
    assert f"counts once: {profiled.cycles:,} in all".replace(",", " ") in text
    head = next(row for row in profiled.layers if row["name"] == "head")
    assert f"head linear 1 × {head['shape'][1]} " in text
    assert f"{100 * head['utilization']:.1f} %" in text
    assert re.search(r"head linear .* 7 ", text)
    for kind in profiled.traffic.kinds:
        assert kind in text
    moved = sum(profiled.traffic.kinds.values())
    assert f"{moved / 1e3:.3g} kB to and from external memory" in text
    assert Cause.USEFUL in totals


def test_roofline_has_a_dot_for_every_layer_of_the_array(profiled: Profile) -> None:
    roof = roofline(profiled)
    working = [row["name"] for row in profiled.layers if row["macs"]]
    assert [dot.text.split(":")[0] for dot in roof.dots] == [*working, "whole network"]
    left, top, right, bottom = roof.plot
    for dot in roof.dots:
        assert top <= dot.y <= bottom
        assert dot.resident == (dot.x > right)
        assert dot.x >= left
    ceiling = roof.roof[-1][1]
    assert all(dot.y >= ceiling for dot in roof.dots)  # y goes down
    assert roof.ridge == CONFIG.rows * CONFIG.columns / CONFIG.axi_bytes


def test_an_estimate_claims_no_verdict(profiled: Profile, tmp_path: Path) -> None:
    about = {"cycles_per_image": profiled.cycles, "mac_utilization": 0.5, "config_digest": "ab"}
    about |= {"images_per_second": 12.5, "mhz": 50.0}
    page = Page(write_report(tmp_path, about, profiled, {"MXU": []}).read_text())
    text = words(page)
    assert "Estimated: the program was timed, nothing was simulated." in text
    assert "12.5 images per second at 50.0 MHz" in text
    assert "exact" not in text
    assert "tensors equal" not in text


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="output folder .* cannot be written: File exists"):
        write_report(tmp_path / "file", SUMMARY, None, {})


def test_timeline_data_survive_the_page_in_order(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path, SUMMARY, None, TIMELINE).read_text())
    data = json.loads(page.scripts[0])
    assert list(data) == ["MXU", "LOAD"]
    assert data == {unit: [list(row) for row in rows] for unit, rows in TIMELINE.items()}


def test_a_mismatch_is_not_hidden(tmp_path: Path) -> None:
    bad = SUMMARY | {"bit_exact": False, "mismatches": ["image 3, tensor head: RTL 4, golden 5"]}
    text = words(Page(write_report(tmp_path, bad, None, TIMELINE).read_text()))
    assert "Not bit-exact" in text
    assert "image 3, tensor head: RTL 4, golden 5" in text
    assert "Bit-exact" not in text


@pytest.mark.parametrize(
    ("trained", "said"), [({}, 0), ({"trained": True}, 0), ({"trained": False}, 1)]
)
def test_random_parameters_are_said_to_be_random(
    trained: dict[str, bool], said: int, tmp_path: Path
) -> None:
    text = words(Page(write_report(tmp_path, SUMMARY | trained, None, TIMELINE).read_text()))
    assert text.count("The parameters are random, not those of a trained model.") == said


@pytest.mark.parametrize("seconds", [12.5, {}])
def test_page_of_little_data(seconds: object, tmp_path: Path) -> None:
    optional = ("network", "scheme", "config", "accuracy_held_out", "held_out_images")
    little = {key: value for key, value in SUMMARY.items() if key not in optional}
    page = Page(write_report(tmp_path, little | {"seconds": seconds}, None, {}).read_text())
    assert "vitaccel run" in words(page)
    assert ("in all 12.5 s" in words(page)) == (seconds == 12.5)
