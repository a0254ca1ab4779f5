"""How long the depthwise engine takes for EfficientViT-B1 at 224, as `vitaccel.windows` says."""

import pytest

from vitaccel.config import AcceleratorConfig
from vitaccel.windows import walk_cycles

LANES = 16
# (channels, kernel, stride, height and width) of its depthwise layers
LAYERS = [
    (16, 3, 1, 112),
    (64, 3, 2, 112), (128, 3, 1, 56),
    (128, 3, 2, 56), *[(256, 3, 1, 28)] * 2,
    (256, 3, 2, 28), *[(384, 5, 1, 14), (512, 3, 1, 14)] * 3,
    (512, 3, 2, 14), *[(768, 5, 1, 7), (1024, 3, 1, 7)] * 4,
]  # fmt: skip


def cycles(taps: int, channels: int, kernel: int, stride: int, size: int) -> int:
    config = AcceleratorConfig(rows=LANES, columns=LANES, depthwise_taps=taps)
    padding = dict.fromkeys(("above", "below", "side"), kernel // 2)
    shape = {"kernel": kernel, "stride": stride, "height": size, "width": size}
    return walk_cycles(config, shape | padding | {"n_words": channels // LANES})


@pytest.mark.parametrize(("taps", "total"), [(1, 1_743_828), (3, 685_428), (5, 567_828)])
def test_all_of_b1(taps: int, total: int) -> None:
    assert sum(cycles(taps, *layer) for layer in LAYERS) == total


def test_three_taps_hide_behind_the_pointwise_layers_of_the_worst_block() -> None:
    pixels, narrow, wide = 56 * 56, 32, 128
    array = 2 * pixels * narrow * wide // LANES**2  # both pointwise layers
    assert cycles(1, *LAYERS[2]) > 2 * array
    assert cycles(3, *LAYERS[2]) < 0.8 * array
