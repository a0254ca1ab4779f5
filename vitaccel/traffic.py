"""What a program moves between external memory and the chip, by kind and by layer."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.spans import working_steps

if TYPE_CHECKING:  # the compiler itself times programs
    from vitaccel.compile.program import Program

__all__ = ["Traffic", "bandwidth", "load_kind", "traffic"]


@dataclass(frozen=True)
class Traffic:
    """Bytes of one run.

    Parameters
    ----------
    kinds
        Bytes of ``weights``, ``parameters``, ``image``, ``activations`` (constants and what was
        spilled), ``stored`` and ``program``; all but ``stored`` are read.
    layers
        Bytes that the loads and stores of each layer move.
    """

    kinds: Mapping[str, int]
    layers: Mapping[str, int]


def traffic(program: "Program", config: AcceleratorConfig) -> Traffic:
    """Count what one run of ``program.main`` moves."""
    kinds: Counter[str] = Counter(
        dict.fromkeys(("weights", "parameters", "image", "activations", "stored"), 0)
    )
    layers: dict[str, int] = defaultdict(int)
    for step in working_steps(program):
        if step.op not in (isa.Op.LOAD, isa.Op.STORE):
            continue
        n_bytes = step.fields["n_rows"] * step.fields["n_words"] * config.rows
        kind = "stored" if step.op == isa.Op.STORE else load_kind(program, step.fields)
        kinds[kind] += n_bytes
        layers[step.layer] += n_bytes
    kinds["program"] = len(program.main.labels) * program.instruction_bytes
    return Traffic(kinds, layers)


def load_kind(program: "Program", fields: Mapping[str, int]) -> str:
    """What a LOAD with these fields brings."""
    match fields["space"]:
        case isa.Space.WEIGHT:
            return "weights"
        case isa.Space.ACTIVATION:
            first, region = fields["external"], program.input
            inside = region.address <= first < region.address + region.n_rows * region.stride
            return "image" if inside else "activations"
        case _:
            return "parameters"


def bandwidth(config: AcceleratorConfig, timing: MemoryTiming) -> float:
    """Bytes per cycle that an external memory of ``timing`` gives for long, pauses included."""
    pauses = timing.refresh_cycles / timing.refresh_every if timing.refresh_every else 0.0
    return config.axi_bytes / timing.interval * (1 - pauses)
