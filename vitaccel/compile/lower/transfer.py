"""LOADs and STOREs of activations."""

from dataclasses import replace

from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.pieces import even_blocks

__all__ = ["detour", "transfer"]


def transfer(op: isa.Op, name: str, view: View) -> Instruction:
    """LOAD or STORE of a view of activation memory; the caller places its other end."""
    fields = {"local_stride": view.buffer.words, "n_rows": view.rows, "n_words": view.words}
    made = Instruction(op, name, fields, {"local": view})
    if op == isa.Op.LOAD:
        made.fields["space"] = int(isa.Space.ACTIVATION)
        made.writes = (view,)
    else:
        made.reads = (view,)
    return made


def detour(source: View, target: View, most: int) -> tuple[Instruction, list[Instruction]]:
    """STORE of ``source`` and LOADs of the same into ``target``, by way of external memory.

    Each LOAD brings about ``most`` words, so that others can come in between.
    """
    name = source.buffer.name
    outside = View.whole(Buffer(name, None, source.rows, source.words))
    store = transfer(isa.Op.STORE, name, source)
    store.places["external"], store.writes = outside, (outside,)
    loads, row = [], 0
    for rows in even_blocks(source.rows, max(1, most // source.words)):
        load = transfer(isa.Op.LOAD, name, replace(target, row=target.row + row, rows=rows))
        part = replace(outside, row=row, rows=rows)
        load.places["external"], load.reads = part, (part,)
        loads.append(load)
        row += rows
    return store, loads
