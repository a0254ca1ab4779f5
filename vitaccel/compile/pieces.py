"""A tensor in activation memory: blocks of rows, each a view of some buffer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitaccel.compile.instruction import Buffer, View

__all__ = [
    "Stored",
    "aligned",
    "cut",
    "cut_each",
    "even_blocks",
    "halves",
    "in_blocks",
    "joined",
    "runs",
]


@dataclass(frozen=True)
class Stored:
    """A tensor, or one head of it: blocks of its rows in order, and the channel of each lane.

    The rows of several images follow one another.
    """

    pieces: tuple[View, ...]
    channels: np.ndarray

    @property
    def whole(self) -> View:
        """All rows, of a tensor that lies in one buffer."""
        first = self.pieces[0]
        assert all(piece.buffer is first.buffer for piece in self.pieces)
        return replace(first, rows=sum(piece.rows for piece in self.pieces))

    def split(self, images: int) -> "list[Stored]":
        """The tensor of each image."""
        n_rows = sum(piece.rows for piece in self.pieces) // images
        return [
            Stored(cut(self.pieces, n * n_rows, (n + 1) * n_rows), self.channels)
            for n in range(images)
        ]


def even_blocks(n_rows: int, most: int, unit: int = 1) -> list[int]:
    """Rows of each of the fewest blocks of at most ``most`` rows, as equal as can be.

    Blocks are of whole ``unit`` rows where these are not more than ``most``.
    """
    if 1 < unit <= most and n_rows % unit == 0:
        return [unit * rows for rows in even_blocks(n_rows // unit, most // unit)]
    step = -(-n_rows // -(-n_rows // most))
    return [min(step, n_rows - row) for row in range(0, n_rows, step)]


def in_blocks(buffer: Buffer, most: int, unit: int = 1) -> tuple[View, ...]:
    """All of ``buffer`` in blocks, see `even_blocks`."""
    blocks = even_blocks(buffer.rows, most, unit)
    return tuple(
        View(buffer, sum(blocks[:n]), rows, 0, buffer.words) for n, rows in enumerate(blocks)
    )


def cut(pieces: Sequence[View], start: int, stop: int) -> tuple[View, ...]:
    """Rows ``start`` to ``stop`` of a tensor."""
    found, row = [], 0
    for piece in pieces:
        first, last = max(start, row), min(stop, row + piece.rows)
        if first < last:
            found.append(replace(piece, row=piece.row + first - row, rows=last - first))
        row += piece.rows
    return tuple(found)


def cut_each(pieces: Sequence[View], images: int, start: int, stop: int) -> tuple[View, ...]:
    """Rows ``start`` to ``stop`` of the tensor of each image."""
    n_rows = sum(piece.rows for piece in pieces) // images
    firsts = range(0, images * n_rows, n_rows)
    return tuple(piece for n in firsts for piece in cut(pieces, n + start, n + stop))


def aligned(*tensors: Sequence[View]) -> Iterator[tuple[View, ...]]:
    """Blocks that are in one piece in each of several tensors of as many rows."""
    ends = sorted({end for pieces in tensors for end in _ends(pieces)})
    for start, stop in zip([0, *ends], ends, strict=False):
        yield tuple(piece for pieces in tensors for piece in cut(pieces, start, stop))


def joined(pieces: Sequence[View]) -> list[View]:
    """The same rows in as few pieces as the buffers allow."""
    found: list[View] = []
    for piece in pieces:
        if found and found[-1].buffer is piece.buffer:
            found[-1] = replace(found[-1], rows=found[-1].rows + piece.rows)
        else:
            found.append(piece)
    return found


def halves(pieces: Sequence[View], blocks: Sequence[tuple[View, ...]]) -> list[int]:
    """Whether each block (0 or 1) is in the first or second half of ``pieces``, of the same rows.

    No block may begin in one half and end in the other.
    """
    found, row, middle = [], 0, sum(piece.rows for piece in pieces[: -(-len(pieces) // 2)])
    for first, *_ in blocks:
        found.append(int(row >= middle))
        row += first.rows
    return found


def runs(start: int, rows: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut ``rows`` results from ``start`` on where a row of pixels begins or ends within them."""
    stop = start + rows
    ends = sorted({min(stop, -(-start // width) * width), max(start, stop // width * width), stop})
    for end in ends:
        if end > start:
            yield start, end - start
            start = end


def _ends(pieces: Sequence[View]) -> Iterator[int]:
    row = 0
    for piece in pieces:
        row += piece.rows
        yield row
