"""LUTs, flip-flops, multipliers and memories of an accelerator on the ECP5, without synthesis.

Multipliers and memories are those that the units instantiate, built as Yosys builds them: exact.
LUTs and flip-flops are sums of what is there so many times (a lane, an element of the array, a bit
of a partial sum) times what one of it takes. These coefficients are least squares over synthesis of
the units with Yosys 0.70 (``build/bench/resources.py --fit``); docs/benchmarks/resources.md has
what is left between model and synthesis.
"""

from collections.abc import Callable, Mapping

from amaranth.lib import wiring

from vitaccel.config import AcceleratorConfig
from vitaccel.ecp5 import Resources, words
from vitaccel.flow.census import Census, Storage, census
from vitaccel.hw.memory.scratchpad import Scratchpad
from vitaccel.hw.memory.weight_buffer import WeightBuffer
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.post.post import Post
from vitaccel.hw.shell.shell import Shell
from vitaccel.hw.vector.vector import Vector

__all__ = ["UNITS", "resources", "summary", "summary_lines", "terms"]

UNITS: Mapping[str, Callable[[AcceleratorConfig], wiring.Component]] = {
    "mxu": Mxu,
    "post": Post,
    "vector": Vector,
    "scratchpad": lambda config: Scratchpad(config, n_readers=5, n_writers=3),
    "weight_buffer": WeightBuffer,
    "shell": Shell,
}

# unit -> what there is so many times, see `terms` -> COMB, FF of one
COEFFICIENTS: Mapping[str, Mapping[str, tuple[float, float]]] = {}


def resources(config: AcceleratorConfig) -> dict[str, Resources]:
    """Estimate every unit of the accelerator ``config``."""
    return {name: _unit(name, make, config) for name, make in UNITS.items()}


def _unit(
    name: str, make: Callable[[AcceleratorConfig], wiring.Component], config: AcceleratorConfig
) -> Resources:
    counted = census(make(config))
    built = [
        (words(kind.width, kind.depth, kind.kind), number)
        for kind, number in _used(name, config, counted).items()
    ]
    taken = terms(config, built=counted)[name]
    comb, ff = (
        sum(COEFFICIENTS[name][term][n] * amount for term, amount in taken.items()) for n in (0, 1)
    )
    return Resources(
        comb=round(comb + sum(6 * memory.luts * number for memory, number in built)),
        ff=round(ff),
        dsp=counted.cells.get("MULT18X18D", 0) + _strides(name, config),
        ram=sum(memory.blocks * number for memory, number in built),
    )


def _used(name: str, config: AcceleratorConfig, counted: Census) -> dict[Storage, int]:
    """Memories that synthesis does not find unused."""
    storage = dict(counted.storage)
    if name == "post":
        planes = Storage(8 * config.rows, config.post_words, "block")
        # Nothing to select with one group; exponents are in the lower byte of a multiplier.
        storage[planes] -= (config.groups == 1) + 2 * (config.requant == "shift")
    return storage


def _strides(name: str, config: AcceleratorConfig) -> int:
    """Multipliers that Yosys takes for a stride times ``rows``, unless that is a shift."""
    return int(name in ("mxu", "vector") and config.rows & (config.rows - 1) != 0)
