"""Verb of the command line that shows a shipped network at work."""

from pathlib import Path
from typing import Annotated

import typer

from vitaccel import console
from vitaccel.cli_options import OUT, Changes, ConfigOrOwn, Json, Out
from vitaccel.errors import MismatchError
from vitaccel.timing import Stopwatch

__all__ = ["app"]

app = typer.Typer()


@app.command()
def demo(
    network: Annotated[str, typer.Option(help="digits or efficientvit")] = "digits",
    config: ConfigOrOwn = None,
    changes: Changes = None,
    scheme: Annotated[str | None, typer.Option(help="how to quantise; else what suits")] = None,
    count: Annotated[
        int | None, typer.Option(min=2, max=360, help="images to run in RTL; else as many as suit")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="CIFAR-10's binary version, for efficientvit")
    ] = None,
    out: Out = OUT / "demo",
    as_json: Json = False,
) -> None:
    """Take a shipped network from float to bit-exact RTL."""
    from vitaccel.demo import demo as run
    from vitaccel.demo_networks import find_demo
    from vitaccel.load_config import load_config

    own = find_demo(network)
    chosen = load_config(config or own.config, changes or ())
    with console.steps() as show:
        about, verdict = run(
            own.model,
            chosen,
            scheme or own.scheme,
            count or own.n_images,
            out,
            Stopwatch(show),
            images,
        )
    accuracy, seconds = about["accuracy"], about["seconds"]
    meaning = "accuracy" if about["labelled"] else "no labels; same class as in float"
    lines = [
        *verdict.lines(),
        f"{meaning}: " + ", ".join(f"{name} {value:.1%}" for name, value in accuracy.items()),
        "seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()),
        f"report: {out / 'report.html'}",
    ]
    console.show(about, as_json, lines)
    if not verdict.bit_exact:
        raise MismatchError(str(verdict.mismatches[0]))
