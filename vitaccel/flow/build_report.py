"""What a build tells of itself."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from boards.clocking import Pll
from boards.design import Design
from vitaccel.ecp5 import Resources
from vitaccel.flow import tools
from vitaccel.flow.gateware import Gateware
from vitaccel.flow.pages import render
from vitaccel.flow.plan import Plan
from vitaccel.flow.synth import comb_of

__all__ = ["build_lines", "build_page", "build_summary"]


def build_summary(
    design: Design, pll: Pll, plan: Plan, gateware: Gateware, need: Resources
) -> dict[str, Any]:
    """Area, clock and tools, as ``report.json`` holds them.

    ``resources`` per kind: ``used`` and ``available`` after placement (what was taken as routing
    or as part of another cell included), ``estimated`` before synthesis.
    """
    best = gateware.best
    return {
        "board": design.board.name,
        "fpga": design.board.fpga,
        "config_digest": design.config.digest(),
        "config": design.config.model_dump(),
        "memory_bytes": design.memory_bytes,
        "sdram": design.sdram,
        "clock_mhz": round(pll.mhz, 4),
        "baud": design.board.link.baud(pll.mhz * 1e6),
        "fmax_mhz": {str(seed): r.fmax_mhz for seed, r in gateware.routings.items()},
        "fmax_median_mhz": round(gateware.median_mhz, 1),
        "fmax_worst_mhz": gateware.worst_mhz,
        "seed": gateware.seed,
        "critical_path": best.critical_path,
        "clocks": {name: list(clock) for name, clock in best.clocks.items()},
        "resources": {
            kind: _count(design, gateware, kind) | {"estimated": estimated}
            for kind, estimated in asdict(need).items()
        },
        "titles": {
            kind: title.partition(" (")[0] for kind, title in design.board.family.names.items()
        },
        "comb_after_synthesis": comb_of(gateware.cells),
        "cells": dict(gateware.cells),
        "tools": {name: tools.version(name) for name in plan.tools},
    }


def _count(design: Design, gateware: Gateware, kind: str) -> dict[str, int]:
    """Cells after placement; of those that nextpnr packs into others, after synthesis."""
    cell = design.board.family.cells[kind]
    if cell in gateware.best.utilization:
        used, available = gateware.best.utilization[cell]
    else:
        used = sum(n for name, n in gateware.cells.items() if name.startswith(cell))
        available = asdict(design.board.budget)[kind]
    return {"used": used, "available": available}


def build_lines(about: Mapping[str, Any]) -> list[str]:
    """The report in words."""
    parts = [
        f"{count['used']} of {count['available']} {about['titles'][kind]}"
        for kind, count in about["resources"].items()
    ]
    seeds = ", ".join(f"{mhz:g}" for mhz in about["fmax_mhz"].values())
    return [
        f"{about['fpga']}: {', '.join(parts)}",
        (
            f"clock {about['clock_mhz']:g} MHz; routed for {seeds} MHz, median "
            f"{about['fmax_median_mhz']:g}, worst {about['fmax_worst_mhz']:g}"
        ),
        f"longest path: {about['critical_path']}",
        (
            f"about {about['estimated_cycles_per_image']} cycles per image, "
            f"{about['estimated_images_per_second']:g} images per second"
        ),
    ]


def build_page(about: Mapping[str, Any]) -> str:
    """The report as HTML."""
    return render("build.html", about=about, titles=about["titles"])
