"""Verbs of the command line that concern boards."""

from pathlib import Path
from typing import Annotated

import typer

from vitaccel import console
from vitaccel.cli_options import OUT, Changes, Json, Out
from vitaccel.errors import ConfigError
from vitaccel.timing import Stopwatch

__all__ = ["app"]

app = typer.Typer()


@app.command()
def boards(as_json: Json = False) -> None:
    """List the boards, what they have, and which presets fit."""
    from vitaccel.flow.board_list import board_list

    with console.steps() as show:
        found = board_list(OUT / "resources", Stopwatch(show))
    if as_json:
        console.show({"boards": found}, True)
        return
    rows = [
        (
            about["name"],
            about["fpga"],
            about["multipliers"],
            about["ram_kib"],
            about["memory"],
            f"{about['link']}, {about['baud'] / 1e6:g} Mbaud",
            ", ".join(about["presets"]) or "none",
        )
        for about in found
    ]
    header = ("board", "FPGA", "DSP", "RAM, KiB", "memory", "link", "presets that fit")
    console.show_table("Boards", header, rows)


@app.command()
def build(
    network: Annotated[Path, typer.Argument(help="folder that quantize wrote")],
    out: Out,
    board: Annotated[str, typer.Option(help="see boards")],
    config: Annotated[
        str | None, typer.Option(help="preset or TOML file; default: the board's own")
    ] = None,
    changes: Changes = None,
    mhz: Annotated[
        float | None, typer.Option(min=0.001, help="clock of the core; default: the board's own")
    ] = None,
    pll: Annotated[bool, typer.Option("--pll", help="find the fastest clock that closes")] = False,
    seeds: Annotated[str, typer.Option(help="seeds of the placer, comma-separated")] = "1,2,3",
    as_json: Json = False,
) -> None:
    """Make the bitstream of a network on a board."""
    from boards.catalogue import find_board
    from golden.storage import load
    from vitaccel.flow.build import Options
    from vitaccel.flow.build import build as run
    from vitaccel.load_config import load_config

    if pll and mhz is not None:
        raise ConfigError("mhz and pll exclude each other: pll looks for the clock by itself")
    target = find_board(board)
    accelerator = load_config(config or target.preset, changes or ())
    options = Options(OUT / "boards", _seeds(seeds), mhz, pll)
    integers = load(network)
    with console.steps() as show:
        about, lines = run(
            integers, target, accelerator, options, out, Stopwatch(show), console.note
        )
    console.show(about, as_json, [*lines, *integers.remarks])


@app.command()
def flash(
    folder: Annotated[Path, typer.Argument(help="folder that build wrote")],
    spi: Annotated[
        bool, typer.Option("--spi", help="into the SPI flash, to stay when the power goes")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be run")] = False,
    as_json: Json = False,
) -> None:
    """Load a bitstream into the board on the cable."""
    from vitaccel.flow.flash import flash as run

    with console.steps() as show, Stopwatch(show)("loading"):
        about = run(folder, spi, dry_run)
    done = about["command"] if dry_run else f"{about['board']}: loaded into its {about['into']}"
    console.show(about, as_json, [done])


def _seeds(text: str) -> tuple[int, ...]:
    seeds = [part.strip() for part in text.split(",")]
    if not all(seed.isdecimal() for seed in seeds):
        raise ConfigError(f"seeds must be whole numbers separated by commas, not {text!r}")
    return tuple(dict.fromkeys(int(seed) for seed in seeds))
