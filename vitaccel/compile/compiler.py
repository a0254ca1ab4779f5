"""QNetwork and configuration to program."""

from collections.abc import Sequence
from typing import NamedTuple

from golden.qnetwork import QNetwork
from vitaccel import estimate  # which itself reads programs: so by module, not by name
from vitaccel.compile.arrange import arrange
from vitaccel.compile.check import check_schedule
from vitaccel.compile.garbage import uncollected
from vitaccel.compile.link import link
from vitaccel.compile.lower import Lowering, Packs, lower, strategies
from vitaccel.compile.program import Program
from vitaccel.compile.schedule import schedule
from vitaccel.compile.spill import most_alive
from vitaccel.compile.unsupported import refuse_unsupported
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.traffic import bandwidth

__all__ = ["compile_network", "finish"]

FRUGAL = 2  # ways that are tried with spilling
BUSY = 0.75  # of its time that a memory is at work for the array to wait for it


@uncollected()
def compile_network(
    network: QNetwork,
    config: AcceleratorConfig,
    *,
    keep: bool = False,
    timing: MemoryTiming | None = None,
    batch: int = 1,
) -> Program:
    """Map ``network`` onto the accelerator ``config``, in the fastest of several ways.

    Parameters
    ----------
    keep
        Also store every intermediate tensor to external memory, to compare or to debug.
    timing
        Of the external memory, by default a beat per cycle: it decides which way is the fastest.
    batch
        Images that one run computes.

    Raises
    ------
    ConfigError
        If ``batch`` is below 1, or a layer cannot be mapped: names the layer, the reason, and what
        would work.
    """
    if batch < 1:
        raise ConfigError(f"batch must be 1 or more, not {batch}")
    refuse_unsupported(network)
    packs: Packs = {}
    ways = strategies(network, config, batch)
    lowered = [lower(network, config, keep, way, packs, batch) for way in ways]
    if not lowered[0].input_loads:
        raise ConfigError(f"network {network.name} has no patch embedding; its input has no use")
    alive = {lowering: most_alive(lowering.steps) for lowering in lowered}
    frugal = sorted(lowered, key=alive.__getitem__)
    fitting = [x for x in lowered if alive[x] <= config.activation_words]
    # What must be spilled takes longer than what need not; the most frugal ways lose least by it.
    found, refused = _finish_all(fitting, timing, spilling=False)
    if not found:
        found, refused = _finish_all(frugal[:FRUGAL], timing, spilling=True)
    if not found:
        if batch == 1:
            raise refused[-1]
        compile_network(network, config, keep=keep, timing=timing)  # says what it lacks itself
        raise ConfigError(f"a batch of {batch} does not fit: {refused[-1]}, or take fewer images")
    best = min(found, key=lambda made: made.cycles)
    while best.waits_for_memory:  # then meeting weights less often may be worth some spilling
        together = best.lowering.strategy.together
        larger = [x for x in frugal if x.strategy.together > together][:1]
        found, _ = _finish_all(larger, timing, spilling=True)
        if not found or found[0].cycles >= best.cycles:
            break
        best = found[0]
    return best.program


class _Made(NamedTuple):
    """A program, and what the estimate says of it."""

    lowering: Lowering
    program: Program
    cycles: int
    waits_for_memory: bool


def _finish_all(
    lowered: Sequence[Lowering], timing: MemoryTiming | None, spilling: bool
) -> tuple[list[_Made], list[ConfigError]]:
    """Programs of those lowerings that fit, and why the others do not."""
    made, refused = [], []
    for lowering in lowered:
        try:
            program = finish(lowering, timing, spilling)
        except ConfigError as error:
            refused.append(error)
            continue
        known = timing or MemoryTiming()
        run = estimate.estimate(program, lowering.config, known)
        least = (run.loaded + run.stored) / bandwidth(lowering.config, known)
        made.append(_Made(lowering, program, run.cycles, least > BUSY * run.cycles))
    return made, refused


def finish(
    lowering: Lowering, timing: MemoryTiming | None = None, spilling: bool = True
) -> Program:
    """Make a program of a network as it was lowered.

    Raises
    ------
    ConfigError
        If it does not fit; without ``spilling`` also if it would with it.
    """
    arrangement = arrange(lowering, timing or MemoryTiming(), spilling)
    schedule(arrangement.setup)
    schedule(arrangement.main)
    for routine in (arrangement.setup, arrangement.main):
        problems = check_schedule(routine, lowering.config.queue_depth)
        assert not problems, problems[0]
    return link(lowering, arrangement)
