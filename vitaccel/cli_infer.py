"""Verb of the command line that classifies a picture on a board."""

from pathlib import Path
from typing import Annotated

import typer

from vitaccel import console
from vitaccel.cli_options import OUT, Json, Strict
from vitaccel.errors import ConfigError
from vitaccel.timing import Stopwatch

__all__ = ["app"]

app = typer.Typer()


@app.command()
def infer(
    folder: Annotated[Path, typer.Argument(help="folder that build or compile wrote")],
    picture: Annotated[Path, typer.Argument(help="a picture, or one image in a .npy")],
    port: Annotated[
        str | None, typer.Option(help="serial port of the board, such as /dev/ttyUSB0")
    ] = None,
    sim: Annotated[bool, typer.Option("--sim", help="use the simulated board")] = False,
    baud: Annotated[
        int | None, typer.Option(min=1, help="of the port; default: what the board was built for")
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Classify a picture on a board, or on the simulated one by the same bytes."""
    from vitaccel.infer import infer as run

    if sim == (port is not None):
        raise ConfigError("infer needs either --port, the board's serial port, or --sim")
    with console.steps() as show:
        found = run(folder, picture, port, baud, strict, OUT / "models", Stopwatch(show))
    if as_json:
        console.show(found.summary(), True)
        return
    rows = [(name, f"{p:.1%}", logit) for name, p, logit in found.top]
    console.show_table(f"{picture}", ("class", "probability", "logit"), rows)
    console.show({}, False, [*found.lines(), *found.deployment.network.remarks])
