"""`compile.arrange`: where buffers lie, and until when."""

import random
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest

from hdl_tests.harness.cases import CASES
from hdl_tests.harness.networks import random_qnetwork
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.arrange import _Ring
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.place import place_activations


def buffer(name: str, words: int) -> Buffer:
    return Buffer(name, isa.Space.ACTIVATION, 1, words)


def test_operands_of_a_product_outlive_its_post() -> None:
    """POST writes while GEMM still reads: it must not write over the operands."""
    x, y = buffer("x", 40), buffer("y", 20)
    gemm = Instruction(isa.Op.GEMM, "product", reads=(View.whole(x),))
    post = Instruction(isa.Op.POST, "product", writes=(View.whole(y),))
    load = Instruction(isa.Op.LOAD, "x", writes=(View.whole(x),))
    place_activations([load, gemm, post], [(0, 1), (1, 2), (2, 3)], 64)
    assert not View.whole(x).overlaps(View.whole(y))


def used(blocks: Sequence[tuple[int, int, int]]) -> tuple[list[Buffer], list[Instruction]]:
    """Buffers of (words, first, last), and instructions that read each from first to last."""
    buffers = [buffer(str(n), words) for n, (words, _, _) in enumerate(blocks)]
    main = []
    for now in range(1 + max(last for _, _, last in blocks)):
        alive = [
            b for b, (_, first, last) in zip(buffers, blocks, strict=True) if now in (first, last)
        ]
        main.append(Instruction(isa.Op.STORE, "", reads=tuple(View.whole(b) for b in alive)))
    return buffers, main


@pytest.mark.parametrize("seed", range(12))
def test_no_two_buffers_in_use_overlap_and_holes_are_mended(seed: int) -> None:
    """Memory is cut into blocks at random, which then must find room in a little more."""
    draw, words, blocks = random.Random(seed), 96, []
    strips = [(0, words)]
    for now in range(0, 120, 6):
        if now % 24 == 0:  # all anew
            cuts = sorted(draw.sample(range(8, words, 8), 3))
            strips = list(pairwise([0, *cuts, words]))
        for start, stop in strips:
            blocks.append((stop - start, now + draw.randrange(3), now + 5))
    buffers, main = used(blocks)
    peak = place_activations(main, [(n, n + 1) for n in range(len(main))], words + 8)
    assert peak <= words + 8
    for (a, (_, a0, a1)), (b, (_, b0, b1)) in combinations(zip(buffers, blocks, strict=True), 2):
        if a0 <= b1 and b0 <= a1:
            assert not View.whole(a).overlaps(View.whole(b))


def test_memory_rests_while_there_is_enough() -> None:
    """The third buffer could take the place of the first at once."""
    buffers, main = used([(10, 0, 1), (10, 2, 3), (10, 4, 5)])
    times = [(1000.0 * n, 1000.0 * n + 900) for n in range(len(main))]
    assert place_activations(main, times, 30) == 30
    assert place_activations(main, times, 20) == 10


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
            assert loaded.count(place) == 1  # its first rows
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
