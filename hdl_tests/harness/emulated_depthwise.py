"""DEPTHWISE as docs/architecture.md has it, for the emulator."""

import numpy as np

from vitaccel import isa
from vitaccel.config import AcceleratorConfig

__all__ = ["convolve"]

Spaces = dict[isa.Space, np.ndarray]


def convolve(config: AcceleratorConfig, spaces: Spaces, f: dict[str, int]) -> None:
    """Execute DEPTHWISE with fields ``f``."""
    activation = spaces[isa.Space.ACTIVATION]
    k, stride, side, rows = f["kernel"], f["stride"], f["side"], config.rows
    inside = np.arange(f["height"] * f["width"]) * f["src_stride"]
    for word in range(f["n_words"]):
        pixels = activation[f["src"] + word + inside].reshape(f["height"], -1, rows)
        size = (f["above"] + f["height"] + f["below"], f["width"] + 2 * side, rows)
        image = np.broadcast_to(activation[f["pad"] + word], size).copy()
        image[f["above"] : f["above"] + f["height"], side : side + f["width"]] = pixels
        x = image.astype(np.int64) if f["unsigned"] else image.view(np.int8).astype(np.int64)
        weight = _taps(config, spaces[isa.Space.DEPTHWISE_WEIGHT], f, word)
        down, across = ((n - k) // stride + 1 for n in size[:2])
        acc = np.zeros((down, across, rows), dtype=np.int64)
        for i in range(k):
            for j in range(k):
                acc += weight[i, j] * x[i::stride, j::stride][:down, :across]
        at = f["dst"] + word + np.arange(down * across) * f["dst_stride"]
        activation[at] = _scaled(config, spaces, f, word, acc.reshape(-1, rows)) & 255


def _taps(config: AcceleratorConfig, words: np.ndarray, f: dict[str, int], word: int) -> np.ndarray:
    """Kernel of every lane, int64 [k, k, rows], from the steps of its windows."""
    c, k = config, f["kernel"]
    groups = -(-k // c.depthwise_taps)
    weight = np.zeros((k, k, c.rows), dtype=np.int64)
    for n in range(k):
        for group in range(groups):
            step = f["weights"] + (word * k + n) * groups + group
            planes = words[step * 8 : step * 8 + 8]
            lanes = [int.from_bytes(planes[:, r].tobytes(), "little") for r in range(c.rows)]
            for t in range(c.depthwise_taps):
                up = group * c.depthwise_taps + t  # rows above the lowest
                value = np.array(lanes, dtype=object) >> t * c.depthwise_bits
                sign = 1 << c.depthwise_bits - 1
                if up < k:
                    column = (k - f["stride"] + n) % k
                    low = (value & 2 * sign - 1).astype(np.int64)
                    weight[k - 1 - up, column] = (low ^ sign) - sign
    return weight


def _scaled(
    config: AcceleratorConfig, spaces: Spaces, f: dict[str, int], word: int, acc: np.ndarray
) -> np.ndarray:
    first = (f["param"] + word) * 8
    raw = spaces[isa.Space.DEPTHWISE_PARAM][first : first + 8].astype(np.int64)
    bias = raw[0] | raw[1] << 8 | raw[2] << 16 | (raw[3] ^ 128) - 128 << 24
    mul = raw[4] | raw[5] << 8
    if config.requant == "shift":
        mul = np.where(mul == 255, 0, 1 << mul.clip(0, 15))
    t = (acc + bias) >> f["pre_shift"]
    assert np.abs(t).max() < 1 << 17
    y = ((t * mul + (1 << f["post_shift"] - 1)) >> f["post_shift"]) + f["zero_point"]
    y = y.clip(f["low"], f["high"])
    if not f["use_table"]:
        return y
    lanes = np.arange(config.rows)
    return spaces[isa.Space.TABLE][(f["table"] + raw[6] << 8) + (y & 255), lanes]
