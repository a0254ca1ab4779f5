"""What NORM and SOFTMAX have in common: rows one after the other, zeros behind each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vitaccel.hw.serial.assembler import Assembler, Register
from vitaccel.hw.serial.microinstruction import Condition

__all__ = ["pad", "rows"]


@contextmanager
def rows(asm: Assembler, name: str, f: Mapping[str, Register]) -> Iterator[None]:
    """Go through the rows of an instruction with fields ``f``: ``src``, ``dst`` are its bytes."""
    asm.add(asm["src"], f["src"])
    asm.add(asm["dst"], f["dst"])
    asm.double(asm["src"], 2)
    asm.double(asm["dst"], 2)
    for field in ("src_stride", "dst_stride", "n_words"):
        asm.double(f[field], 2)
    asm.sub(f["n_rows"], f["n_rows"], 1)
    asm.label(f"{name}.row")
    yield
    asm.add(asm["src"], asm["src"], f["src_stride"])
    asm.add(asm["dst"], asm["dst"], f["dst_stride"])
    asm.count(f["n_rows"], f"{name}.row")


def pad(asm: Assembler, name: str, f: Mapping[str, Register]) -> None:
    """Write zeros from byte ``to`` on, behind the elements of a row."""
    asm.sub(asm["left"], f["n_words"], f["length"])
    asm.jump(f"{name}.padded")
    asm.label(f"{name}.zero")
    asm.add(None, 0)
    asm.store(asm["to"], 1)
    asm.label(f"{name}.padded")
    asm.sub(asm["left"], asm["left"], 1, when=Condition.NOT_NEGATIVE, to=f"{name}.zero")
