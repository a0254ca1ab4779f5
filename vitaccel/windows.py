"""Windows of the depthwise engine: what it multiplies when, and for how long.

Each lane multiplies ``depthwise_taps`` taps of one column of the kernel in a cycle: a *step*. So
many are wanted that the depthwise layer of a block hides behind its pointwise ones. On 16 lanes
the 26.3 M products of EfficientViT-B1 (image 224) take 1.74 M cycles with one tap, 0.69 M with
three and 0.57 M with five, beside 1.93 M of a 16 x 16 array for all other layers. Its worst block,
the second of its first stage, keeps the array busy for 100,352 cycles: three taps (77,088) are
enough, one (227,616) is not.
"""

from collections.abc import Mapping

from vitaccel.config import AcceleratorConfig

__all__ = [
    "KERNELS",
    "STRIDES",
    "column_order",
    "column_steps",
    "padded_size",
    "result_size",
    "steps",
    "sum_bits",
    "walk_cycles",
]

KERNELS = (3, 5)
STRIDES = (1, 2)


def column_steps(config: AcceleratorConfig, kernel: int) -> int:
    """Steps of one column of the kernel."""
    return -(-kernel // config.depthwise_taps)


def steps(config: AcceleratorConfig, kernel: int) -> int:
    """Steps of a window."""
    return kernel * column_steps(config, kernel)


def column_order(kernel: int, stride: int) -> tuple[int, ...]:
    """Columns of the kernel, 0 at the left, in the order in which they are multiplied.

    First those in which pixels have just arrived, then those of the former window.
    """
    return tuple((kernel - stride + n) % kernel for n in range(kernel))


def sum_bits(config: AcceleratorConfig) -> int:
    """Bits of the greatest sum: a window of 255 times the least weight."""
    return 1 + (KERNELS[-1] ** 2 * 255 << config.depthwise_bits - 1).bit_length()


def padded_size(fields: Mapping[str, int]) -> tuple[int, int]:
    """Rows of pixels and pixels of a row, padding included, that a DEPTHWISE walks."""
    height = fields["above"] + fields["height"] + fields["below"]
    return height, fields["width"] + 2 * fields["side"]


def result_size(fields: Mapping[str, int]) -> tuple[int, int]:
    """Rows of its results, and results of a row."""
    kernel, stride = fields["kernel"], fields["stride"]
    height, width = padded_size(fields)
    return (height - kernel) // stride + 1, (width - kernel) // stride + 1


def walk_cycles(config: AcceleratorConfig, fields: Mapping[str, int]) -> int:
    """Cycles of a DEPTHWISE whose pixels are always there.

    A row that ends no window takes a cycle for each of its pixels; another one the steps of its
    windows, and a cycle for each pixel before the first window has all but its last columns.
    """
    kernel, stride = fields["kernel"], fields["stride"]
    height, width = padded_size(fields)
    down, across = result_size(fields)
    left = width - kernel - (across - 1) * stride  # pixels right of the last window
    ends = kernel - stride + across * steps(config, kernel) + left
    return fields["n_words"] * (down * ends + (height - down) * width)
