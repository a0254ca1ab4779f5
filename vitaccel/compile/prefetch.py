"""The next image of a batch comes while the one before leaves room for it."""

from collections.abc import Sequence
from itertools import groupby

from vitaccel.compile.instruction import Instruction
from vitaccel.compile.lower.state import Step
from vitaccel.compile.spill import GAP, LATE, alive_words

__all__ = ["prefetch"]

EACH = 24  # steps between LOADs, so that weights get their turn in between
FILLED = 0.9  # of the memory: what is packed tighter may find no place


def prefetch(steps: Sequence[Step], images: Sequence[Instruction], words: int) -> None:
    """Set how far ahead of its use each LOAD of a later image comes, where memory allows.

    Parameters
    ----------
    images
        LOADs that bring images.
    words
        Of the activation memory.
    """
    known = {id(load) for load in images}
    runs = groupby(steps, lambda step: step.late and id(step.instruction) in known)
    groups = [list(group) for late, group in runs if late]
    if not groups:
        return
    alive, first_use = alive_words(steps), _first_uses(steps)
    for group in groups:
        for n, step in enumerate(group):
            (loaded,) = step.instruction.writes
            use = first_use[id(loaded.buffer)]
            begin = stop = max(0, use - LATE)
            most = FILLED * words - loaded.buffer.size
            least = max(0, stop - EACH * (len(group) - n))
            while begin > least and alive[max(0, begin - 1 - GAP)] <= most:
                begin -= 1
            alive[begin:stop] += loaded.buffer.size
            step.ahead = use - begin


def _first_uses(steps: Sequence[Step]) -> dict[int, int]:
    found: dict[int, int] = {}
    for n, step in enumerate(steps):
        for view in step.instruction.reads:
            found.setdefault(id(view.buffer), n)
    return found
