"""Options that several verbs of the command line share."""

from pathlib import Path
from typing import Annotated

import typer

from vitaccel.files import check_folder

__all__ = ["OUT", "Batch", "Changes", "Config", "ConfigOrOwn", "Json", "Memory", "Out", "Strict"]

OUT = Path("build/out")
Config = Annotated[str, typer.Option("--config", help="preset (see configs) or TOML file")]
ConfigOrOwn = Annotated[
    str | None, typer.Option("--config", help="preset or TOML file; else what suits")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="change a parameter: name=value, repeatable")
]
Memory = Annotated[
    str, typer.Option(help="external memory: bus (a beat per cycle) or sdram (16 bits, refreshed)")
]
Strict = Annotated[bool, typer.Option(help="refuse pictures of another size: do not resize")]
Out = Annotated[
    Path, typer.Option("-o", "--out", callback=check_folder, help="folder to write into")
]
Batch = Annotated[int, typer.Option(help="images that one run computes")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
