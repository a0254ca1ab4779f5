"""Everything that can be told of a network on an accelerator before synthesis and simulation."""

from pathlib import Path
from typing import Any

from golden.qnetwork import QNetwork
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.energy import energy
from vitaccel.estimate import estimate
from vitaccel.flow.report import write_report
from vitaccel.gain import gain
from vitaccel.memories import memory_timing
from vitaccel.profile import profile
from vitaccel.resources import resource_lines, resource_summary, resources

__all__ = ["estimate_all"]


def estimate_all(
    network: QNetwork,
    config: AcceleratorConfig,
    memory: str,
    mhz: float,
    folder: Path | None,
    batch: int = 1,
) -> tuple[dict[str, Any], list[str]]:
    """Cycles, traffic, energy and resources, as JSON takes them and in words.

    Parameters
    ----------
    memory
        Name of the external memory, see `vitaccel.memories`.
    mhz
        Clock of the core.
    folder
        Receives ``report.html`` if given.
    batch
        Images that one run computes.

    Raises
    ------
    ConfigError
        If the network cannot be mapped, or there is no such memory, or the folder is no good.
    """
    timing = memory_timing(memory, config)
    program = compile_network(network, config, timing=timing, batch=batch)
    run = estimate(program, config, timing)
    figures = profile(program, config, timing, run.spans, run.cycles)
    about = run.summary(program, config, mhz) | figures.summary()
    about |= {"resources": resource_summary(resources(config))}
    spent = energy(program, config)
    about |= {"energy": spent.summary(batch, about["cycles_per_image"] / (mhz * 1e6))}
    lines = run.lines(about)
    if batch > 1:
        alone = compile_network(network, config, timing=timing)
        gained = gain(program, run.cycles, alone, estimate(alone, config, timing).cycles, config)
        about |= {"gain": gained.summary()}
        lines += [gained.line(), f"a run of {batch} images:"]
    lines += [*figures.lines(), spent.line(about["energy"]), *resource_lines(about["resources"])]
    if folder is not None:
        page = about | {"network": network.name, "config": config.model_dump()}
        page |= {"config_digest": config.digest()}
        path = write_report(folder, page, figures, run.timeline())
        lines.append(f"report: {path}")
    return about, lines
