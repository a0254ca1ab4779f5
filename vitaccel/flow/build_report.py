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

# Cells that nextpnr counts, by what they are called here.
CELLS = {"comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "ram": "DP16KD"}
TITLES = {"comb": "LUT4", "ff": "flip-flops", "dsp": "MULT18X18D", "ram": "DP16KD"}


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
            kind: {
                "used": best.utilization[cell][0],
                "available": best.utilization[cell][1],
                "estimated": asdict(need)[kind],
            }
            for kind, cell in CELLS.items()
        },
        "comb_after_synthesis": comb_of(gateware.cells),
        "cells": dict(gateware.cells),
        "tools": {name: tools.version(name) for name in plan.tools},
    }


def build_lines(about: Mapping[str, Any]) -> list[str]:
    """The report in words."""
    parts = [
        f"{count['used']} of {count['available']} {TITLES[kind]}"
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
    return render("build.html", about=about, titles=TITLES)
