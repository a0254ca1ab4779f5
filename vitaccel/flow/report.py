"""One self-contained HTML page about a run: verdict, accuracy, utilisation over time, layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

__all__ = ["Interval", "write_report"]

Interval = tuple[int, int, str, str]  # first cycle, cycle after the last, "busy"|"waiting", label


def write_report(
    folder: Path,
    summary: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    timeline: Mapping[str, Sequence[Interval]],
) -> Path:
    """Write ``folder/report.html``, which needs no network and no other file.

    Parameters
    ----------
    summary
        What ``summary.json`` holds: ``bit_exact``, ``images``, ``tensors_compared``, ``accuracy``
        (``float``, ``golden``, ``rtl`` as fractions), ``cycles_per_image``, ``mac_utilization``
        (a fraction), ``config_digest``, ``seconds`` (per step, or in all); optional ``network``,
        ``scheme``, ``config``, ``mismatches``, ``trained``, ``accuracy_held_out`` with
        ``held_out_images``.
    layers
        Per layer ``name``, ``kind``, ``shape``, ``macs``, ``busy_cycles`` and ``equal``, how
        many of its tensors agreed; optional ``ideal_cycles``, and ``compared`` if not all agreed.
    timeline
        Per unit its intervals in ascending order, in cycles.
    """
    here = jinja2.PackageLoader("vitaccel.flow")
    environment = jinja2.Environment(
        loader=here, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # units keep their order
    environment.filters |= {"number": _number, "percent": _percent}
    page = environment.get_template("report.html").render(
        summary=summary,
        seconds=_steps(summary.get("seconds", {})),
        layers=layers,
        timeline=timeline,
        busy=_busy(timeline),
        most_cycles=max((layer.get("busy_cycles") or 0 for layer in layers), default=0),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}".replace(",", "\u2009") if value >= 100 else f"{value:.3g}"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def _steps(seconds: Mapping[str, float] | float) -> Mapping[str, float]:
    return seconds if isinstance(seconds, Mapping) else {"in all": seconds}


def _busy(timeline: Mapping[str, Sequence[Interval]]) -> Mapping[str, float]:
    """Fraction of the whole time that each unit is busy."""
    end = max((last for rows in timeline.values() for _, last, _, _ in rows), default=0)
    return {
        unit: sum(last - first for first, last, state, _ in rows if state == "busy") / max(end, 1)
        for unit, rows in timeline.items()
    }
