"""Verilog of a component, quickly."""

import gc

from amaranth.back import verilog
from amaranth.lib import wiring

__all__ = ["verilog_text"]


def verilog_text(component: wiring.Component, name: str) -> str:
    """Verilog with top module ``name``: the same text in every folder and run.

    The netlist is millions of small objects that live until the end, which the garbage collector
    would go through again and again: without it conversion takes half the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return verilog.convert(component, name=name, emit_src=False)
    finally:
        if collecting:
            gc.enable()
