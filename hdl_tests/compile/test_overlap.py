"""Array and depthwise engine at work on one block: which parts come when."""

import pytest
import torch

from golden.qnetwork import QConv, QInput, QLayer, QLinear, QNetwork, QPatches, QTensor
from hdl_tests.harness.images import image_qnetwork
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.layout import channel_layouts
from vitaccel.compile.lower.overlap import Overlap, overlaps
from vitaccel.compile.order import depthwise_first
from vitaccel.compile.program import Program
from vitaccel.config import AcceleratorConfig
from vitaccel.presets import PRESETS

CONFIG = PRESETS["w8a8"].replace(
    depthwise_taps=3, depthwise_width=32, depthwise_steps=128, depthwise_words=8, queue_depth=16
)


def convolution(kernel: int, stride: int, side: int = 20, channels: int = 16) -> QConv:
    across = (side + 2 * (kernel // 2) - kernel) // stride + 1
    return QConv(
        name="depthwise", out=QTensor(shape=(across**2, channels)), x="expand", height=side,
        width=side, kernel=kernel, stride=stride, padding=kernel // 2, groups=channels,
    )  # fmt: skip


def block(layer: QConv, width: int = 8) -> QNetwork:
    """Expand, depthwise, project: shapes alone."""
    n_in, n_out = layer.height * layer.width, layer.out.shape[0]
    image = QTensor(shape=(width, layer.height, layer.width))
    layers: list[QLayer] = [
        QInput(name="image", out=image),
        QPatches(name="pixels", out=QTensor(shape=(n_in, width)), x="image", size=1),
        QLinear(name="expand", out=QTensor(shape=(n_in, layer.groups)), x="pixels"),
        layer,
        QLinear(name="project", out=QTensor(shape=(n_out, width)), x="depthwise"),
    ]
    return QNetwork(name="block", layers=tuple(layers), tensors={}, classes=(), scheme="")


def overlap(layer: QConv, config: AcceleratorConfig) -> dict[str, Overlap]:
    network = block(layer)
    layers = {each.name: each for each in network.layers}
    return overlaps(layers, channel_layouts(network, config), {}, config)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_rows_come_before_the_first_band_that_reads_them(kernel: int, stride: int) -> None:
    layer = convolution(kernel, stride, side=50)
    found = overlap(layer, CONFIG.replace(accumulator_rows=64))["depthwise"]
    assert len(found.bands) > 2
    ends = [sum(found.bands[: n + 1]) for n in range(len(found.bands))]
    for row in range(layer.height):
        # Bands whose windows end below the row; the last rows may be read by none.
        below = [n for n, end in enumerate(ends) if (end - 1) * stride + kernel // 2 >= row]
        first = below[0] if below else len(ends) - 1
        for pixel in (0, layer.width - 1):
            assert found.before(1, 0, row * layer.width + pixel, 0) == first - 0.5
    across = 50 if stride == 1 else 25
    for row in range(ends[-1]):
        own = next(n for n, end in enumerate(ends) if row < end)
        assert found.after(1, 0, row * across + across - 1) == own + 2.25


def test_images_follow_one_another() -> None:
    found = overlap(convolution(3, 1), CONFIG.replace(accumulator_rows=64))["depthwise"]
    n = len(found.bands)
    assert [found.part(3, image, 0, 0) for image in range(3)] == [0, n, 2 * n]


def test_channels_are_divided_where_rows_are_not() -> None:
    one_band = overlap(convolution(3, 1, side=5, channels=512), CONFIG)
    assert set(one_band) == {"expand", "depthwise"}  # what comes after needs all channels
    assert (one_band["depthwise"].by_words, one_band["depthwise"].words) == (True, 4)
    large = CONFIG.replace(accumulator_rows=64, weight_words=64)
    assert overlap(convolution(3, 1, channels=64), large)["depthwise"].by_words
    resident = overlap(convolution(3, 1), CONFIG.replace(accumulator_rows=64))
    assert set(resident) == {"expand", "depthwise", "project"}
    assert not resident["depthwise"].by_words


def compiled(config: AcceleratorConfig) -> Program:
    return compile_network(image_qnetwork(size=(24, 10), channels=16), config)


def test_bands_take_turns_with_the_products_before_them() -> None:
    steps = compiled(CONFIG.replace(accumulator_rows=32)).main_steps()
    order = [s.layer for s in steps if s.op in (isa.Op.GEMM, isa.Op.DEPTHWISE)]
    before = order[: len(order) - order[::-1].index("small")]
    assert before.count("small") == 4  # six rows each
    # Rows 0 to 6 are under the first band: three blocks of three rows, then two for each band.
    runs = "".join("e" if layer == "expand" else "d" for layer in before)
    assert runs == "eeedeedeeded"


def test_words_take_turns_where_there_is_one_band() -> None:
    steps = compiled(CONFIG.replace(accumulator_rows=256)).main_steps()
    order = [s.layer for s in steps if s.op in (isa.Op.GEMM, isa.Op.DEPTHWISE)]
    assert order[:4] == ["expand", "small", "expand", "small"]
    parts = [s.fields for s in steps if s.op == isa.Op.DEPTHWISE and s.layer == "small"]
    assert [f["n_words"] for f in parts] == [1, 1]
    for name, apart in (("src", 1), ("dst", 1), ("pad", 1), ("param", 1), ("weights", 3)):
        assert parts[1][name] - parts[0][name] == apart


def test_what_reads_depthwise_convolutions_waits_for_the_rest() -> None:
    out = QTensor(shape=(4, 8))
    layers: list[QLayer] = [
        QInput(name="x", out=QTensor(shape=(8, 2, 2))),
        QPatches(name="p", out=out, x="x", size=1),
    ]
    for name in "ab":
        layers += [
            QLinear(name=name, out=out, x="p"),
            QConv(
                name=f"{name}.deep", out=out, x=name, height=2, width=2, kernel=3, stride=1,
                padding=1, groups=8,
            ),
            QLinear(name=f"{name}.last", out=out, x=f"{name}.deep"),
        ]  # fmt: skip
    layers.append(QLinear(name="near", out=out, x="b"))
    layers.append(QLinear(name="sum", out=out, x="b.last", residual="a.last"))
    network = QNetwork(
        name="two", layers=tuple(layers), tensors={"t": torch.zeros(1)}, classes=(), scheme=""
    )
    order = [layer.name for layer in depthwise_first(network).layers]
    assert order == ["x", "p", "a", "a.deep", "b", "b.deep", "near", "a.last", "b.last", "sum"]
