"""A network on a board: bitstream, program and report in one folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards.board import Board
from boards.clocking import Pll
from boards.design import Design
from boards.fit import check_fit, fit_line
from golden.qnetwork import QNetwork
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import BuildError, TimingError
from vitaccel.estimate import estimate
from vitaccel.files import write_files
from vitaccel.flow.board_memory import choose_memory
from vitaccel.flow.build_report import build_lines, build_page, build_summary
from vitaccel.flow.gateware import Gateware, build_gateware, pack
from vitaccel.flow.nextpnr import Routing
from vitaccel.flow.plan import Plan
from vitaccel.flow.sdram import make_controller
from vitaccel.host.deployment import Deployment
from vitaccel.timing import Stopwatch

__all__ = ["Options", "build"]

ROUNDS = 4  # clocks that --pll tries
STRETCH_MHZ = 100.0  # what it begins with


@dataclass(frozen=True)
class Options:
    """Wishes of the user.

    Parameters
    ----------
    cache
        Folder that keeps netlists and routed designs between calls.
    seeds
        Of the placer; the fastest one makes the bitstream.
    mhz
        Clock of the core; None is the board's own.
    fastest
        Find the fastest clock that closes instead.
    """

    cache: Path
    seeds: tuple[int, ...] = (1, 2, 3)
    mhz: float | None = None
    fastest: bool = False


def build(
    network: QNetwork,
    board: Board,
    config: AcceleratorConfig,
    options: Options,
    folder: Path,
    watch: Stopwatch,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, Any], list[str]]:
    """Write bitstream, program, network, ``board.json`` and report into ``folder``.

    Parameters
    ----------
    tell
        Gets a line on what the design needs, before anything takes long.

    Returns
    -------
    tuple
        The report, and the same in words.

    Raises
    ------
    ConfigError
        If the network does not map, or it or the accelerator does not fit the board.
    ToolError, BuildError
        If a tool is missing or fails.
    TimingError
        If no seed reaches the clock.
    """
    with watch("fit"):
        check_fit(board, config)
    with watch("compile"):
        memory = choose_memory(network, board, config)
    program = memory.program
    tell(fit_line(board, memory.need, memory.sdram))
    design = Design(board, config, memory.size, memory.sdram)
    pll = design.nearest(STRETCH_MHZ if options.fastest else options.mhz or board.mhz)
    rounds = ROUNDS if options.fastest else 1
    pll, plan, gateware = _close(design, options, watch, pll, rounds)
    with watch("packing"):
        bitstream = pack(plan, gateware, board.fpga)
    cycles = estimate(program, config, memory.timing).cycles
    about = build_summary(design, pll, plan, gateware, memory.need)
    about |= {
        "network": network.name,
        "trained": network.trained,
        "estimated_cycles_per_image": cycles,
        "estimated_images_per_second": round(pll.mhz * 1e6 / cycles, 1),
    }
    name = f"{board.name}{Path(plan.packing[-1]).suffix}"
    write_files(
        folder,
        {
            name: bitstream,
            "report.json": json.dumps(about, indent=1),
            "report.html": build_page(about),
        },
    )
    deployment = Deployment(
        board.name, config, program, network, memory.size, about["baud"], pll.mhz, memory.sdram
    )
    deployment.save(folder, bitstream=name)
    return about, [*build_lines(about), f"bitstream: {folder / name}"]


def _close(
    design: Design, options: Options, watch: Stopwatch, pll: Pll, rounds: int
) -> tuple[Pll, Plan, Gateware]:
    """Route at the clock of ``pll``, and at ever slower ones, until one of ``rounds`` closes."""
    with watch("netlist"):
        chip, controller = design.board.sdram, None
        if design.sdram and chip is not None:
            controller = make_controller(chip, pll.mhz * 1e6, options.cache / "controllers")
        plan = design.plan(pll, controller)
    cache = options.cache / f"{design.board.name}-{design.config.digest()}"
    gateware = build_gateware(plan, cache, options.seeds, watch)
    _check_clocks(gateware.best, pll)
    if gateware.best.fmax_mhz >= pll.mhz:
        return pll, plan, gateware
    slower = design.below(gateware.best.fmax_mhz)
    if slower is None or rounds == 1:
        raise TimingError(_missed(design, options, pll, gateware))
    return _close(design, options, watch, slower, rounds - 1)


def _check_clocks(routing: Routing, pll: Pll) -> None:
    """See that nextpnr knew of every clock: others it takes for slow ones."""
    for name, (_, wanted) in routing.clocks.items():
        if abs(wanted / pll.mhz - 1) > 0.001:
            raise BuildError(
                f"clock {name} was routed for {wanted:g} MHz, not for {pll.mhz:g}; this is a bug: "
                "the design has a clock without a constraint"
            )


def _missed(design: Design, options: Options, pll: Pll, gateware: Gateware) -> str:
    best = gateware.best
    seeds = ", ".join(map(str, options.seeds))
    advice = ["more --seeds"]
    slower = design.below(best.fmax_mhz)
    if slower is not None and not options.fastest:
        advice = [f"--mhz {slower.mhz:.4g}", "--pll", *advice]
    if best.wiring > 0.6:
        advice.append("a smaller array: most of that path is wiring")
    return (
        f"{design.board.name} reaches {best.fmax_mhz:g} of {pll.mhz:.4g} MHz with the best of "
        f"seeds {seeds}; longest path: {best.critical_path}; try {', '.join(advice)}"
    )
