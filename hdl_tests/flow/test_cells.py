"""`build/bench/cells.py`: recorded figures meet the goals, parts are no larger than they were."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vitaccel.flow.synth import synthesize

ROOT = Path(__file__).parents[2]
FIGURES = json.loads((ROOT / "docs" / "benchmarks" / "cells.json").read_text())
BASELINES = json.loads((ROOT / "build" / "baselines" / "cells.json").read_text())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "build" / "bench"))
    return import_module("cells")


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row["part"])
def test_goals_are_met(row: dict[str, Any]) -> None:
    assert row["of each element or lane"] <= (row["goal"] or float("inf"))
    assert (row["cycles an element"] or 0) <= (row["goal, cycles"] or 0)
    if row["MHz, median"] is not None:
        assert row["MHz, median"] >= (row["goal, MHz"] or 0)


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row["part"])
def test_figures_are_those_of_the_baseline(row: dict[str, Any], bench: Any) -> None:
    assert list(bench.worse(row, BASELINES[row["part"]])) == []


def test_what_became_worse_is_named(bench: Any) -> None:
    baseline = {"COMB": 100, "FF": 100, "DSP": 0, "RAM": 2, "MHz, median": 100.0}
    found = {"part": "lane", "COMB": 106, "FF": 105, "DSP": 1, "RAM": 1, "MHz, median": 94.9}
    assert list(bench.worse(found, baseline)) == [
        "lane: COMB was 100, is 106",
        "lane: DSP was 0, is 1",
        "lane: MHz, median was 100, is 94.9",
    ]


@pytest.mark.synth
@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_parts_are_as_good_as_their_baseline(name: str, bench: Any, tmp_path: Path) -> None:
    report = synthesize(bench.CELLS[name].make(), "part", tmp_path)
    assert list(bench.worse(bench.row(name, report.cells, report), BASELINES[name])) == []
