"""From QNetwork to program: layouts, tiling, memory map, schedule, encoding."""

from vitaccel.compile.compiler import compile_network
from vitaccel.compile.program import Program

__all__ = ["Program", "compile_network"]
