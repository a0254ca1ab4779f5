"""Rows that follow one another in both memories are one long row, and move in long bursts."""

from vitaccel import isa
from vitaccel.config import AcceleratorConfig

__all__ = ["joined_rows"]


def joined_rows(op: isa.Op, fields: dict[str, int], config: AcceleratorConfig) -> dict[str, int]:
    """Fields of the same LOAD or STORE, in one row if none of its rows ends with a gap.

    A burst does not go on from one row to the next, and few are under way at once: on a memory that
    answers after 30 cycles, 32 bytes of a row take 9 cycles on a bus of 8, 4 of them beats. In
    external memory each row begins with the first beat after the former one, see `link`.
    """
    if op not in (isa.Op.LOAD, isa.Op.STORE):
        return fields
    words, whole = fields["n_words"], fields["n_rows"] * fields["n_words"]
    gaps = fields["local_stride"] != words or words * config.rows % config.axi_bytes
    if gaps or whole >> isa.FIELDS[op]["n_words"]:
        return fields
    return fields | {"n_rows": 1, "n_words": whole}
