"""LUTs, flip-flops, multipliers and memories of an accelerator on the ECP5, without synthesis.

Multipliers and memories are those that the units instantiate, built as Yosys builds them: exact.
LUTs and flip-flops are sums of what is there so many times (a lane, an element of the array, a bit
of a partial sum) times what one of it takes, which is in ``resources.json``: least squares over
units synthesised with Yosys 0.70, by ``build/bench/resources.py``. docs/benchmarks/resources.md
has what is left between model and synthesis.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import gcd
from pathlib import Path
from typing import Any

from amaranth import Shape
from amaranth.lib import wiring

from vitaccel.census import Storage, census
from vitaccel.config import AcceleratorConfig, Products
from vitaccel.ecp5 import DEVICES, Resources, Words, words
from vitaccel.hw.accelerator import scratchpad
from vitaccel.hw.memory.weight_buffer import WeightBuffer
from vitaccel.hw.mxu.column import lane_values, products_of
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.post.post import Post
from vitaccel.hw.shell.shell import Shell
from vitaccel.hw.vector.vector import Vector

__all__ = [
    "COEFFICIENTS",
    "UNITS",
    "fixed",
    "resource_lines",
    "resource_summary",
    "resources",
    "terms",
]

UNITS: Mapping[str, Callable[[AcceleratorConfig], wiring.Component]] = {
    "mxu": Mxu,
    "post": Post,
    "vector": Vector,
    "scratchpad": scratchpad,
    "weight_buffer": WeightBuffer,
    "shell": Shell,
}
COEFFICIENTS = Path(__file__).with_suffix(".json")  # unit -> term -> COMB, FF

Terms = dict[str, float]


def resources(config: AcceleratorConfig) -> dict[str, Resources]:
    """Estimate every unit of the accelerator ``config``; the serial core has none of them."""
    if config.core == "serial":
        return {}
    known = json.loads(COEFFICIENTS.read_text())
    return {name: _unit(name, config, known[name]) for name in UNITS}


def _unit(name: str, config: AcceleratorConfig, known: Mapping[str, Any]) -> Resources:
    exact, built = fixed(name, config)
    comb, ff = (
        sum(known[term][n] * amount for term, amount in terms(name, config, built).items())
        for n in (0, 1)
    )
    return exact + Resources(comb=max(0, round(comb)), ff=max(0, round(ff)))


def fixed(
    name: str, config: AcceleratorConfig
) -> tuple[Resources, dict[Storage, tuple[Words, int]]]:
    """Multipliers, memory blocks and LUTs of memories, exact; and how each memory is built."""
    counted = census(UNITS[name](config))
    built = {storage: (words(storage), number) for storage, number in counted.storage.items()}
    exact = Resources(
        comb=sum(6 * memory.luts * number for memory, number in built.values()),
        dsp=counted.cells.get("MULT18X18D", 0),
        ram=sum(memory.blocks * number for memory, number in built.values()),
    )
    return exact, built


def terms(
    name: str, config: AcceleratorConfig, built: Mapping[Storage, tuple[Words, int]]
) -> Terms:
    """What unit ``name`` has so many times, beside multipliers and memories.

    ``built`` says how its memories are built.
    """
    lanes = config.rows
    muxes = sum(memory.muxes * number for memory, number in built.values() if memory.blocks)
    match name:
        case "mxu":
            return _mxu_terms(config, built)
        case "post":
            return _post_terms(config)
        case "vector":
            return _vector_terms(config)
        case "scratchpad":
            bank = config.activation_words // config.activation_banks
            return {
                "unit": 1,
                "lane": lanes,
                "bit of a bank's address": (bank - 1).bit_length(),
                "bit chosen among blocks": muxes,
            }
        case "weight_buffer":
            return {"unit": 1, "lane": lanes, "bit chosen among blocks": muxes}
        case _:
            granules = max(lanes, config.axi_bytes) // gcd(lanes, config.axi_bytes)
            return {
                "unit": 1,
                "lane": lanes,
                "byte of the bus": config.axi_bytes,
                "granule of a gearbox": granules * (granules > 1),
            }


def _post_terms(config: AcceleratorConfig) -> Terms:
    lanes = config.post_lanes
    bits = lanes * config.accumulator_bits
    return {
        "unit": 1,
        "lane": lanes,
        "lane of packed columns": lanes * config.packed,
        "lane that shifts only": lanes * (config.requant == "shift"),
        "bit that selects a part": bits * config.groups * (config.post_cycles - 1),
        "bit that selects a group": bits * (config.groups - 1),
        **_product_terms(config.post_products, lanes * (config.requant != "shift")),
    }


def _vector_terms(config: AcceleratorConfig) -> Terms:
    lanes = config.vector_lanes
    return {
        "unit": 1,
        "lane": lanes,
        "lane with log2 attention": lanes * config.log2_attention,
        "lane of other parts": config.rows - lanes,
        "unit with narrow products in LUTs": config.vector_products != "blocks",
        **_product_terms(config.vector_products, lanes),
    }


def _product_terms(where: Products, lanes: int) -> Terms:
    return {
        "lane with narrow products in LUTs": lanes * (where != "blocks"),
        "lane with wide products in LUTs": lanes * (where == "luts"),
    }


def _mxu_terms(config: AcceleratorConfig, built: Mapping[Storage, tuple[Words, int]]) -> Terms:
    lanes = lane_values(config)
    uniform = config.rows * config.wide_groups
    weights = [range(-8, 16), range(-8, 8)] if config.packed else [range(-128, 128)]
    sums = uniform * sum(_sum_bits(config, products_of(lanes, w)) for w in weights)
    shifts = (1 << config.pot_bits - 1) - 2
    product = range(lanes[0] << shifts, lanes[-1] << shifts)
    if config.log2_attention:
        product = range(-128 << 14, 128 << 14)
    in_blocks = any(
        memory.blocks for storage, (memory, _) in built.items() if storage.kind != "queue"
    )
    pot = config.rows * config.pot_columns
    of_luts = config.rows * uniform * (config.array_products == "luts")
    return {
        "unit": 1,
        "lane": config.rows,
        "register of the transposer": config.rows**2,
        "bit of a streamed lane": (config.activation_bits + 1)
        * config.rows
        * (uniform + config.pot_columns),
        "bit of a partial sum": sums + config.pot_columns * _sum_bits(config, product),
        "uniform element": config.rows * uniform * (not config.packed),
        "packed element": config.rows * uniform * config.packed,
        "uniform element of LUTs": of_luts * (not config.packed),
        "packed element of LUTs": of_luts * config.packed,
        "power-of-two element": pot,
        "power-of-two element with log2": pot * config.log2_attention,
        "accumulator in LUTs": config.columns * (not in_blocks),
        "accumulator in blocks": config.columns * in_blocks,
    }


def _sum_bits(config: AcceleratorConfig, product: range) -> int:
    """Bits of the partial sums of one column, rows together."""
    return sum(
        min(Shape.cast(range(product[0] * n, product[-1] * n + 1)).width, config.accumulator_bits)
        for n in range(1, config.rows + 1)
    )


def resource_summary(units: Mapping[str, Resources]) -> dict[str, Any]:
    """What `resources` told, summed and as shares of each device, as JSON takes it."""
    total = sum(units.values(), Resources())
    shares = {
        device: {kind: round(n / getattr(has, kind), 4) for kind, n in asdict(total).items()}
        for device, has in DEVICES.items()
    }
    return {
        "units": {name: asdict(unit) for name, unit in units.items()},
        "total": asdict(total),
        "shares": shares,
    }


def resource_lines(about: Mapping[str, Any]) -> list[str]:
    """The same in words."""
    total = about["total"]
    lines = [
        (
            f"ECP5: {total['comb']} LUT4, {total['ff']} flip-flops, {total['dsp']} MULT18X18D, "
            f"{total['ram']} DP16KD"
        )
    ]
    for device, shares in about["shares"].items():
        parts = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())
        lines.append(f"{device}: {parts}{'' if max(shares.values()) <= 1 else ': too small'}")
    return lines
