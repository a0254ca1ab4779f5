"""One self-contained HTML page about a run: verdict, losses, roofline, timeline, layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitaccel.account import Cause
from vitaccel.files import write_files
from vitaccel.flow.pages import render
from vitaccel.flow.roofline import roofline
from vitaccel.profile import Profile
from vitaccel.spans import Interval

__all__ = ["write_report"]


def write_report(
    folder: Path,
    summary: Mapping[str, Any],
    profile: Profile | None,
    timeline: Mapping[str, Sequence[Interval]],
    equal: Mapping[str, int] | None = None,
) -> Path:
    """Write ``folder/report.html``, which needs no network and no other file.

    Parameters
    ----------
    summary
        What ``summary.json`` holds: ``cycles_per_image``, ``mac_utilization`` (a fraction),
        ``config_digest``. Of a simulation also ``bit_exact``, ``images``, ``tensors_compared``,
        optionally ``mismatches``; of an estimate ``images_per_second`` and ``mhz`` instead.
        Of a batch ``batch`` and ``gain``, see `vitaccel.gain`. Optional ``network``, ``scheme``,
        ``config``, ``trained``, ``seconds`` (per step, or in all), ``accuracy`` (``float``,
        ``golden``, ``rtl`` as fractions), ``accuracy_held_out`` with ``held_out_images``,
        ``resources``.
    profile
        Cycles and traffic by layer; without it only the verdict and the timeline are shown.
    timeline
        Per unit its intervals in ascending order, in cycles.
    equal
        Per layer how many of its tensors agreed with the golden model, None without simulation.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    rows = {"array": profile.array(), **timeline} if profile else timeline
    layers = profile.layers if profile else []
    page = render(
        "report.html",
        summary=summary,
        seconds=_steps(summary.get("seconds", {})),
        profile=profile,
        lost=_lost(profile) if profile else [],
        roof=roofline(profile) if profile and any(layer["macs"] for layer in layers) else None,
        layers=layers,
        equal=equal,
        timeline=rows,
        busy=_busy(timeline),
        most_cycles=max((layer["array_cycles"] for layer in layers), default=0),
    )
    write_files(folder, {"report.html": page})
    return folder / "report.html"


def _lost(profile: Profile) -> list[tuple[Cause, int]]:
    """Useful cycles, then losses, largest first."""
    totals = profile.account.totals()
    return sorted(totals.items(), key=lambda item: (item[0] != Cause.USEFUL, -item[1]))


def _steps(seconds: Mapping[str, float] | float) -> Mapping[str, float]:
    return seconds if isinstance(seconds, Mapping) else {"in all": seconds}


def _busy(timeline: Mapping[str, Sequence[Interval]]) -> Mapping[str, float]:
    """Fraction of the whole time that each unit is busy."""
    end = max((last for rows in timeline.values() for _, last, _, _ in rows), default=0)
    return {
        unit: sum(last - first for first, last, state, _ in rows if state == "busy") / max(end, 1)
        for unit, rows in timeline.items()
    }
