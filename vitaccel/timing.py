"""Wall time of named steps, told to whoever shows progress."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Stopwatch"]


class Stopwatch:
    """Seconds per step; ``show(step, share)`` is told of beginnings, shares done and ends."""

    def __init__(
        self, show: Callable[[str, float | None], None] = lambda step, share: None
    ) -> None:
        self.seconds: dict[str, float] = {}
        self.show = show
        self.step = ""

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a step; steps follow one another."""
        began = time.monotonic()
        self.step = step
        self.show(step, None)
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - began
        self.show(step, 1.0)

    def tell(self, share: float) -> None:
        """Share of the present step that is done, 0 to 1."""
        self.show(self.step, share)
