"""What the host does with pixels whose first reader is a convolution with few channels."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Window"]


@dataclass(frozen=True)
class Window:
    """Windows over an image: each makes one row, its pixels side by side.

    ``pad``: value of each channel beyond the edges.
    """

    kernel: int
    stride: int
    padding: int
    height: int
    width: int
    pad: tuple[int, ...]

    @property
    def across(self) -> int:
        """Windows in a row of them."""
        return (self.width + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def down(self) -> int:
        """Rows of windows."""
        return (self.height + 2 * self.padding - self.kernel) // self.stride + 1

    def unfold(self, pixels: np.ndarray) -> np.ndarray:
        """Rows ``[windows, kernel * kernel * channels]`` of ``[height * width, channels]``.

        Elements are in the order (y, x, channel); several images may follow one another.
        """
        channels, edge = len(self.pad), self.padding
        images = pixels.reshape(-1, self.height, self.width, channels)
        size = (len(images), self.height + 2 * edge, self.width + 2 * edge, channels)
        padded = np.broadcast_to(np.array(self.pad, dtype=pixels.dtype), size).copy()
        padded[:, edge : edge + self.height, edge : edge + self.width] = images
        kernel = (self.kernel, self.kernel)
        found = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
        found = found[:, :: self.stride, :: self.stride]  # [image, y, x, channel, ky, kx]
        return found.transpose(0, 1, 2, 4, 5, 3).reshape(-1, self.kernel**2 * channels)
