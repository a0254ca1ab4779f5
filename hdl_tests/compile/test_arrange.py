"""`compile.arrange`: where buffers lie, and until when."""

from hdl_tests.harness.cases import CASES
from hdl_tests.harness.networks import random_qnetwork
from vitaccel import isa
from vitaccel.compile import compile_network
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


def test_what_rests_leaves_the_memory_and_comes_back_from_where_it_went() -> None:
    config, build = CASES["spilled"]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    roomy = config.replace(activation_words=2048)
    counts = []
    for chosen in (roomy, config):
        steps = compile_network(network, chosen).main_steps()
        stored = [s.fields["external"] for s in steps if s.op == isa.Op.STORE]
        assert len(stored) == len(set(stored))  # each has a place of its own
        loaded = [s.fields["external"] for s in steps if s.op == isa.Op.LOAD]
        counts.append(len(stored))
        for place in stored[:-1]:  # the last are the logits
            assert loaded.count(place) == 1
    assert counts[0] == 1 < counts[1]


def test_a_gemm_and_its_post_are_not_parted_by_a_load() -> None:
    """It might wait behind LOADs that wait for the GEMM's end."""
    config, build = CASES["spilled"]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    steps = [s for s in compile_network(network, config).main_steps() if s.op != isa.Op.STORE]
    for n, step in enumerate(steps):
        if step.op == isa.Op.GEMM:
            between = steps[n + 1 : next(m for m in range(n, n + 20) if steps[m].op == isa.Op.POST)]
            spaces = [s.fields["space"] for s in between]
            assert isa.Space.ACTIVATION not in spaces
