"""Bytes of the weights and parameters of the depthwise engine."""

import numpy as np

from vitaccel.compile.pack import byte_planes, exponents
from vitaccel.config import AcceleratorConfig
from vitaccel.windows import column_order, column_steps

__all__ = ["pack_scaling", "pack_taps"]

Array = np.ndarray


def pack_taps(weight: Array, stride: int, config: AcceleratorConfig) -> Array:
    """Words of DEPTHWISE_WEIGHT, uint8 ``[n_words * steps, planes, rows]``, in the order of use.

    A step holds ``depthwise_taps`` taps of a column of the kernel, from the lowest upwards; taps
    past the highest are 0. Tap t has the bits ``t * depthwise_bits`` and up of a lane.

    Parameters
    ----------
    weight
        int ``[channels, kernel, kernel]``, channels padded to whole words.
    stride
        Of the windows.
    """
    channels, kernel, _ = weight.shape
    taps, bits, groups = config.depthwise_taps, config.depthwise_bits, column_steps(config, kernel)
    columns = weight[:, ::-1, list(column_order(kernel, stride))]  # [channels, tap, column]
    padded = np.zeros((channels, groups * taps, kernel), dtype=np.int64)
    padded[:, :kernel] = columns & (1 << bits) - 1
    split = padded.reshape(-1, config.rows, groups, taps, kernel)
    shifts = bits * np.arange(taps)
    lanes = (split.transpose(0, 4, 2, 1, 3) << shifts).sum(-1)  # [word, column, group, row]
    planes = byte_planes(lanes.reshape(-1, config.rows), -(-taps * bits // 8))
    return np.stack(planes, axis=1)


def pack_scaling(
    bias: Array, mul: Array, slot: Array, config: AcceleratorConfig, layer: str
) -> Array:
    """Planes of DEPTHWISE_PARAM, uint8 ``[n_words, 7, rows]``, from int ``[channels]`` each.

    Raises
    ------
    ConfigError
        If the gateware scales by shifts alone and a multiplier is no power of two.
    """
    if config.requant == "shift":
        mul = exponents(mul, layer)
    planes = [*byte_planes(bias, 4), *byte_planes(mul, 2), *byte_planes(slot, 1)]
    return np.stack([plane.reshape(-1, config.rows) for plane in planes], axis=1)
