"""`compile.arrange`: where buffers lie, and until when."""

from vitaccel import isa
from vitaccel.compile.arrange import _Ring
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.place import place_activations
from vitaccel.config import AcceleratorConfig

CONFIG = AcceleratorConfig(activation_words=64)


def buffer(name: str, words: int) -> Buffer:
    return Buffer(name, isa.Space.ACTIVATION, 1, words)


def test_operands_of_a_product_outlive_its_post() -> None:
    """POST writes while GEMM still reads: it must not write over the operands."""
    x, y = buffer("x", 40), buffer("y", 20)
    gemm = Instruction(isa.Op.GEMM, "product", reads=(View.whole(x),))
    post = Instruction(isa.Op.POST, "product", writes=(View.whole(y),))
    load = Instruction(isa.Op.LOAD, "x", writes=(View.whole(x),))
    place_activations([load, gemm, post], CONFIG)
    assert not View.whole(x).overlaps(View.whole(y))


def test_a_ring_aligns_buffers_so_that_each_overlaps_one_former() -> None:
    """40 of 100 after 30 and 30: at 50, where it waits for the second, not at 60 .. 100, 0."""
    sizes = [30, 30, 40, 30]
    pending = [buffer(str(n), size) for n, size in enumerate(sizes)]
    steps = {b: n for n, b in enumerate(pending)}
    ring = _Ring(100, "weight_words", list(pending), dict(steps), dict(steps))
    addresses = []
    for now in range(len(sizes)):
        placed = ring.take(max(0, 2 * now))
        addresses.append(placed.address if placed else None)
    assert addresses == [0, 50, 0, 50]
