"""How a picture of any size becomes an image that a model takes."""

from typing import Annotated, Literal

from pydantic import Field

from vitaccel.config import Config

__all__ = ["Filter", "Pixels", "Preprocess"]

Pixels = Annotated[int, Field(ge=1, le=1 << 16)]
Filter = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]  # Pillow's names


class Preprocess(Config):
    """Resize, then cut the model's size out of the centre; colours are the model's own affair.

    ``resize`` is the length of the shorter side, height and width, or None to keep the size.
    """

    resize: Pixels | tuple[Pixels, Pixels] | None = None
    resample: Filter = "bicubic"

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to resize a picture to; a longer side is rounded down."""
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        short = min(height, width)
        return self.resize * height // short, self.resize * width // short
