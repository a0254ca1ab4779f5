"""What computing several images in one run gains over one image at a time."""

from typing import Any, NamedTuple

from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.traffic import traffic

__all__ = ["Gain", "gain"]


class Gain(NamedTuple):
    """Cycles, and bytes to and from external memory, an image takes in a batch and alone."""

    batch: int
    cycles: int
    cycles_alone: int
    moved: int
    moved_alone: int

    def summary(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "cycles_per_image": self.cycles,
            "cycles_per_image_alone": self.cycles_alone,
            "bytes_per_image": self.moved,
            "bytes_per_image_alone": self.moved_alone,
        }

    def line(self) -> str:
        """In words."""
        return (
            f"batch of {self.batch}: {self.cycles} cycles per image, alone {self.cycles_alone} "
            f"({self.cycles / self.cycles_alone - 1:+.1%}); {self.moved} bytes per image to and "
            f"from memory, alone {self.moved_alone} ({self.moved / self.moved_alone - 1:+.1%})"
        )


def gain(
    program: Program, cycles: int, alone: Program, cycles_alone: int, config: AcceleratorConfig
) -> Gain:
    """Compare runs of ``program`` and of ``alone``, which computes one image."""
    moved, moved_alone = (sum(traffic(p, config).kinds.values()) for p in (program, alone))
    batch = program.batch
    return Gain(batch, round(cycles / batch), cycles_alone, round(moved / batch), moved_alone)
