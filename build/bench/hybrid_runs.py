"""EfficientViTs on accelerators by the estimate: quantised once, compiled, timed, profiled."""

from dataclasses import dataclass
from functools import cached_property

import torch
from record import OUT

from golden.qnetwork import QNetwork
from golden.quantize import quantize
from golden.scheme import SCHEMES, Scheme
from golden.storage import load, save
from vitaccel.compile import Program, compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.energy import energy
from vitaccel.estimate import Timeline, estimate
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS
from vitaccel.profile import Profile, profile
from vitaccel.sources import load_network

__all__ = ["B1", "MHZ", "SMALL", "Run", "described", "run"]

MHZ = 100
B1 = "efficientvit_b1", PRESETS["efficientvit-16x16"]  # its preset: uniform columns only
SMALL = "cifar10", PRESETS["efficientvit"].replace(columns=8, pot_columns=0)


@dataclass(frozen=True)
class Run:
    """A compiled network and its estimate; all figures are per image."""

    config: AcceleratorConfig
    memory: str
    program: Program
    timed: Timeline

    @property
    def cycles(self) -> int:
        """Cycles of an image."""
        return round(self.timed.cycles / self.program.batch)

    @property
    def images_per_second(self) -> float:
        """At `MHZ`."""
        return MHZ * 1e6 * self.program.batch / self.timed.cycles

    @cached_property
    def profile(self) -> Profile:
        """Where cycles and bytes of the whole run went."""
        timing = memory_timing(self.memory, self.config)
        return profile(self.program, self.config, timing, self.timed.spans, self.timed.cycles)

    @property
    def megabytes(self) -> float:
        """Moved over the bus."""
        return sum(self.profile.traffic.kinds.values()) / self.program.batch / 1e6

    @property
    def microjoules(self) -> float:
        """By the table of `vitaccel.energy`."""
        spent = energy(self.program, self.config)
        return spent.summary(self.program.batch, 1.0)["uj_per_image"]


def described(config: AcceleratorConfig) -> str:
    """Array and engine in few words."""
    pot = f" + {config.pot_columns} pot" if config.pot_columns else ""
    taps = f"{config.depthwise_taps} taps of {config.depthwise_bits} bits"
    engine = taps if config.depthwise_taps else "no engine"
    array = f"{config.rows} x {config.columns - config.pot_columns}{pot}"
    return f"{array}, {config.accumulator_rows} rows, {engine}"


def run(
    model: str, scheme: str, config: AcceleratorConfig, memory: str = "bus", batch: int = 1
) -> Run:
    """Compile a network with ``scheme`` for ``config`` and time it."""
    timing = memory_timing(memory, config)
    program = compile_network(_network(model, scheme, config), config, timing=timing, batch=batch)
    return Run(config, memory, program, estimate(program, config, timing))


def _network(model: str, scheme: str, config: AcceleratorConfig) -> QNetwork:
    """Without the steps that only accuracy needs: they change no cycle; kept for the next run."""
    wanted = Scheme.for_config(scheme, config).replace(
        rounding="nearest", correction="none", observers=SCHEMES["naive"].observers
    )
    folder = OUT / "bench" / "hybrid" / f"{model}-{wanted.digest()}"
    if not folder.exists():
        network = load_network(model)
        draw = torch.Generator().manual_seed(0)
        save(quantize(network, torch.rand(1, *network.layers[0].shape, generator=draw), wanted),
             folder)  # fmt: skip
    return load(folder)
