"""LOAD and STORE as microprograms."""

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.serial.assembler import Assembler
from vitaccel.hw.serial.memories import parameter_places
from vitaccel.hw.serial.microinstruction import Action, Condition, Special
from vitaccel.isa import FIELDS, Op

__all__ = ["load", "store"]


def load(asm: Assembler, config: AcceleratorConfig) -> None:
    """Words of external memory to one of the memories on chip."""
    f = asm.fields(Op.LOAD, FIELDS[Op.LOAD], asm["field"])
    places = parameter_places(config)
    for space in sorted(space for space in places if space is not None):
        asm.add(asm["place"], 0, places[space])
        asm.sub(f["space"], f["space"], 1, when=Condition.NEGATIVE, to="load.placed")
    asm.label("load.placed")
    asm.double(f["local"], 2)
    asm.double(f["local_stride"], 2)
    asm.add(f["local"], f["local"], asm["place"])
    asm.sub(f["n_rows"], f["n_rows"], 1)
    asm.label("load.row")
    asm.add(asm["from"], f["external"])
    asm.add(asm["to"], f["local"])
    asm.sub(asm["words"], f["n_words"], 1)
    asm.label("load.word")
    asm.read(asm["word"], asm["from"])
    asm.store(asm["to"], 4, Action.STORE_WORD)
    asm.count(asm["words"], "load.word")
    asm.add(f["external"], f["external"], f["external_stride"])
    asm.add(f["local"], f["local"], f["local_stride"])
    asm.count(f["n_rows"], "load.row")


def store(asm: Assembler, config: AcceleratorConfig) -> None:
    """Words of the activation memory to external memory."""
    f = asm.fields(Op.STORE, FIELDS[Op.STORE], asm["field"])
    asm.double(f["local"], 2)
    asm.double(f["local_stride"], 2)
    asm.sub(f["n_rows"], f["n_rows"], 1)
    asm.label("store.row")
    asm.add(asm["from"], f["local"])
    asm.add(asm["to"], f["external"])
    asm.sub(asm["words"], f["n_words"], 1)
    asm.label("store.word")
    asm.load(asm["from"], 4)
    asm.add(None, 0, Special.WORD)
    asm.store(asm["to"], 4, Action.WRITE)
    asm.wait(Condition.BUS_BUSY)
    asm.count(asm["words"], "store.word")
    asm.add(f["external"], f["external"], f["external_stride"])
    asm.add(f["local"], f["local"], f["local_stride"])
    asm.count(f["n_rows"], "store.row")
