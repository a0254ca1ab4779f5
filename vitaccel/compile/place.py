"""Where buffers of activations lie: first fit by lifetime, mended where it fails."""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction

__all__ = ["Times", "place_activations"]

# Cycles for which memory rests after use, if there is room; below zero: for which its next writer
# may have to wait. None: for as long as it takes.
RESTS = (4_000, 0, -2_000, -20_000, None)
MENDINGS = 60  # attempts from each order: about two milliseconds each
Times = Sequence[tuple[float, float]]  # cycles in which each instruction is at work


class Life(NamedTuple):
    """When a buffer holds something: instructions, and cycles if memory were plenty."""

    first: int
    last: int
    start: float
    end: float


def place_activations(main: Sequence[Instruction], times: Times, words: int) -> int:
    """Give every buffer of activations an address, if there is room; return the words needed.

    First fit in several orders. Where no order fits, what lies too high is placed before a rival
    that was in its way, again and again.
    """
    lives = _lives(main, times)
    buffers, spans = list(lives), list(lives.values())
    sizes, beyond = [b.size for b in buffers], [b.beyond for b in buffers]
    orders = _orders(sizes, spans)
    least = sum(sizes)
    for rest in RESTS:
        hopeless = _most(sizes, spans, rest) > words
        if hopeless and rest is not None:
            continue
        puzzle = _Puzzle(sizes, beyond, _rivals(spans, rest), words)
        for addresses in puzzle.attempts(orders, 0 if hopeless else MENDINGS):
            least = min(least, puzzle.peak(addresses))
            if least <= words:
                for buffer, address in zip(buffers, addresses, strict=True):
                    buffer.address = address
                return least
    return least


def _lives(main: Sequence[Instruction], times: Times) -> Mapping[Buffer, Life]:
    lives: dict[Buffer, Life] = {}
    read_by_gemm: deque[list[Buffer]] = deque()  # until the POST that drains it, which runs beside
    for n, (instruction, (start, end)) in enumerate(zip(main, times, strict=True)):
        views = (*instruction.reads, *instruction.writes)
        used = [view.buffer for view in views if view.buffer.space == isa.Space.ACTIVATION]
        if instruction.op == isa.Op.GEMM:
            read_by_gemm.append(used)
        elif instruction.op == isa.Op.POST:
            used += read_by_gemm.popleft()
        for buffer in used:
            life = lives.get(buffer, Life(n, n, start, end))
            lives[buffer] = Life(life.first, n, min(life.start, start), max(life.end, end))
    return lives


def _orders(sizes: Sequence[int], spans: Sequence[Life]) -> list[list[int]]:
    """Orders in which to place buffers."""

    def lifetime(n: int) -> float:
        return spans[n].end - spans[n].start

    every = range(len(sizes))
    return [
        sorted(every, key=lambda n: -lifetime(n) * sizes[n]),
        sorted(every, key=lambda n: -lifetime(n)),
        sorted(every, key=lambda n: -sizes[n]),
        sorted(every, key=lambda n: spans[n].start),
    ]


def _most(sizes: Sequence[int], spans: Sequence[Life], rest: float | None) -> int:
    """Words in use at once."""
    in_order = [(life.first, life.last + 1) for life in spans]
    in_time = [(life.start, max(life.start, life.end + (rest or 0))) for life in spans]
    return max(_peak(sizes, x) for x in (in_order, in_time if rest is not None else in_order))


def _peak(sizes: Sequence[int], spans: Sequence[tuple[float, float]]) -> int:
    """Largest sum of sizes at a time; what ends when another begins is not beside it."""
    changes = [(end, -size) for size, (_, end) in zip(sizes, spans, strict=True)]
    changes += [(start, size) for size, (start, _) in zip(sizes, spans, strict=True)]
    return max(accumulate(size for _, size in sorted(changes)), default=0)


def _rivals(spans: Sequence[Life], rest: float | None) -> list[list[int]]:
    """For every buffer those that are in use at the same time."""
    rivals: list[list[int]] = [[] for _ in spans]
    for n, x in enumerate(spans):
        for m, y in enumerate(spans[:n]):
            if (x.first <= y.last and y.first <= x.last) or (
                rest is not None and x.start < y.end + rest and y.start < x.end + rest
            ):
                rivals[n].append(m)
                rivals[m].append(n)
    return rivals


@dataclass
class _Puzzle:
    """Blocks to be laid into ``words`` so that no two rivals overlap."""

    sizes: Sequence[int]
    beyond: Sequence[int]
    rivals: Sequence[Sequence[int]]
    words: int

    def attempts(self, orders: Sequence[Sequence[int]], mendings: int) -> Iterator[list[int]]:
        """Addresses that avoid all rivals, but not all of them below ``words``."""
        for order in orders:
            yield self._first_fit(order)
        draw = random.Random(0)
        for order in orders:
            yield from self._mended(order, mendings, draw)

    def peak(self, addresses: Sequence[int]) -> int:
        """Words needed."""
        return max(map(sum, zip(addresses, self.sizes, self.beyond, strict=True)), default=0)

    def _first_fit(self, order: Sequence[int]) -> list[int]:
        """Give each block the lowest place that none before it has."""
        addresses = [-1] * len(self.sizes)
        sizes = self.sizes
        for n in order:
            address = 0
            taken = [(addresses[m], m) for m in self.rivals[n] if addresses[m] >= 0]
            for start, m in sorted(taken):
                if address + sizes[n] <= start:
                    break
                address = max(address, start + sizes[m])
            addresses[n] = address
        return addresses

    def _mended(
        self, order: Sequence[int], mendings: int, draw: random.Random
    ) -> Iterator[list[int]]:
        """First fit in orders near to ``order``: what came too high is placed earlier."""
        order = list(order)
        for _ in range(mendings):
            addresses = self._first_fit(order)
            yield addresses
            place = {n: at for at, n in enumerate(order)}
            for n in list(order):
                if addresses[n] + self.sizes[n] + self.beyond[n] > self.words:
                    before = sorted(place[m] for m in self.rivals[n] if place[m] < place[n])
                    if before:
                        order.remove(n)
                        order.insert(draw.choice(before), n)
