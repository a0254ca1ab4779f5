"""One program for several images: what it computes, what it loads once, what it gains."""

import numpy as np
import pytest
import torch

from golden.execute import execute
from golden.models import VisionTransformer
from golden.qnetwork import QInput, QNetwork, QPatches, QTensor
from golden.quantize import quantize
from golden.scheme import Scheme
from hdl_tests.harness.cases import CASES, images_for
from hdl_tests.harness.emulator import infer
from hdl_tests.harness.hybrids import HybridBuilder, random_hybrid
from hdl_tests.harness.networks import random_qnetwork
from hdl_tests.harness.vits import DISTILLED
from vitaccel import isa
from vitaccel.compile import check, compile_network, schedule
from vitaccel.compile.compiler import finish
from vitaccel.compile.lower import Strategy, lower, strategies
from vitaccel.compile.lower.groups import shrunk
from vitaccel.compile.prefetch import prefetch
from vitaccel.compile.program import Program
from vitaccel.compile.spill import LATE
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.estimate import estimate
from vitaccel.frontend import from_module
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS

BATCH = 3
WAYS = (
    Strategy(together=1),
    Strategy(together=2),  # and the third image alone
    Strategy(together=3),
    Strategy(heads_apart=True, rows_apart=True, together=2),
)


def case(name: str) -> tuple[AcceleratorConfig, QNetwork]:
    config, build = CASES[name]
    return config, random_qnetwork(**({"log2": False, "seed": 3} | build))


def assert_golden(program: Program, config: AcceleratorConfig, network: QNetwork) -> None:
    """Every tensor of every image that the program stores."""
    images = torch.cat([images_for(network, seed) for seed in range(program.batch)])
    want = execute(network, images)
    patches = want[program.input.tensor].numpy().astype(np.int64)
    memory = bytes(infer(program, config, patches.reshape(-1, patches.shape[-1])).memory)
    formats = {layer.name: layer.out for layer in network.layers}
    for region in program.outputs:
        rows = region.read(memory, formats[region.tensor].signed)
        for image, got in enumerate(np.split(rows, program.batch)):
            expected = region.of(want[region.tensor][image].numpy())
            np.testing.assert_array_equal(got, expected, f"{region.tensor} of image {image}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["row-blocks", "spilled", "kv4", "odd"])
def test_every_tensor_of_every_image_matches_golden(name: str, way: Strategy) -> None:
    config, network = case(name)
    program = finish(lower(network, config, True, way, batch=BATCH))
    assert_golden(program, config, network)
    assert {region.tensor for region in program.outputs} >= {
        layer.name for layer in network.layers if layer.kind in ("linear", "softmax", "layernorm")
    }


@pytest.fixture(scope="module")
def distilled() -> QNetwork:
    """Two classifiers, which read a row each of the last LayerNorm."""
    torch.manual_seed(0)
    model, images = VisionTransformer(DISTILLED.replace(channels=1)).eval(), torch.rand(8, 1, 8, 8)
    network = from_module(model, images, "distilled")
    return quantize(network, images, Scheme.for_config("w8a8", PRESETS["tiny"]))


@pytest.mark.parametrize("keep", [False, True], ids=["lean", "keep"])
def test_of_the_last_layernorm_only_two_rows_outlast_an_image(
    distilled: QNetwork, keep: bool
) -> None:
    config = PRESETS["tiny"]
    program = finish(lower(distilled, config, keep, Strategy(together=1), batch=BATCH))
    assert_golden(program, config, distilled)
    steps = program.main_steps()
    norm = [s.fields["n_rows"] for s in steps if s.op == isa.Op.NORM and s.layer == "norm"]
    assert norm == ([6, 1, 1] if keep else [1, 1]) * BATCH
    heads = [s for s in steps if s.op == isa.Op.GEMM and s.layer in ("head", "head_dist")]
    assert {s.fields["n_rows"] for s in heads} == {BATCH}


def loaded(program: Program, space: isa.Space, layer: str = "") -> int:
    """Words that a run loads into a memory, for one layer or for all."""
    loads = [step for step in program.main_steps() if step.op == isa.Op.LOAD]
    fields = [step.fields for step in loads if step.layer == (layer or step.layer)]
    return sum(f["n_rows"] * f["n_words"] for f in fields if f["space"] == space)


@pytest.mark.parametrize("space", [isa.Space.WEIGHT, isa.Space.POST_PARAM])
def test_weights_are_loaded_once_for_images_that_are_together(space: isa.Space) -> None:
    config, network = case("streamed")
    config = config.replace(activation_words=4096)
    words = {
        together: loaded(
            finish(lower(network, config, False, Strategy(together=together), batch=4)), space
        )
        for together in (1, 2, 4)
    }
    one = compile_network(network, config)
    alone, classifier = loaded(one, space), loaded(one, space, "head")
    assert words[4] == alone
    assert words[2] == 2 * alone - classifier  # which meets all images in any case
    assert words[1] == 4 * alone - 3 * classifier


@pytest.mark.parametrize("together", [1, 2])
def test_no_more_loads_wait_than_a_semaphore_counts(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    config, network = case("streamed")
    config = config.replace(activation_words=4096)
    monkeypatch.setattr(check, "MOST_TOKENS", 3)
    lowering = lower(network, config, False, Strategy(together=together), batch=4)
    with pytest.raises(AssertionError, match="deadlock: LOAD of .* never starts"):
        finish(lowering)
    monkeypatch.setattr(schedule, "MOST_TOKENS", 3)
    finish(lowering)


HYBRID = AcceleratorConfig(
    rows=4, columns=4, hybrid=True, accumulator_rows=32, activation_words=4096, table_slots=8,
    post_words=512, vector_words=64, row_words=32, weight_words=4096,
)  # fmt: skip


def test_divisors_may_wait_for_quotients_in_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gives POST a token of its own: 64 before the first quotient."""
    network = random_hybrid(side=4, width=32, heads=8)
    lowering = lower(network, HYBRID, False, Strategy(together=8), batch=8)
    finish(lowering)
    monkeypatch.setattr(schedule, "MOST_TOKENS", 1000)
    with pytest.raises(AssertionError, match="deadlock: POST of near never starts"):
        finish(lowering)


def test_classifier_with_layernorm_and_table_meets_all_images_at_once() -> None:
    network = random_hybrid()
    program = finish(lower(network, HYBRID, True, Strategy(together=1), batch=BATCH))
    assert_golden(program, HYBRID, network)
    steps = program.main_steps()
    tail = ("hidden", "norm", "lookup", "classes")
    rows = {s.layer: s.fields["n_rows"] for s in steps if s.op in (isa.Op.GEMM, isa.Op.NORM)}
    assert {layer: rows[layer] for layer in tail} == dict.fromkeys(tail, BATCH)


@pytest.mark.parametrize("way", [Strategy(joined=2), Strategy(joined=3), Strategy(together=2)])
@pytest.mark.parametrize("keep", [False, True], ids=["lean", "keep"])
def test_where_feature_maps_are_small_images_join(way: Strategy, keep: bool) -> None:
    """What comes after "narrow" loads its weights once for each group of images."""
    network = random_hybrid()
    config = HYBRID.replace(weight_words=512)
    program = finish(lower(network, config, keep, way, batch=BATCH))
    assert_golden(program, config, network)
    groups = {Strategy(joined=2): (3, 2), Strategy(joined=3): (3, 1)}.get(way, (2, 2))
    one = finish(lower(network, config, keep, Strategy()))
    for layer, times in zip(("narrow", "proj"), groups, strict=True):
        alone = loaded(one, isa.Space.WEIGHT, layer)
        assert 0 < alone * times == loaded(program, isa.Space.WEIGHT, layer)


def test_ways_to_join_images_need_maps_that_shrink() -> None:
    assert {way.joined for way in strategies(random_hybrid(), HYBRID, 4)} == {0, 2, 4}
    assert {way.joined for way in strategies(random_hybrid(), HYBRID)} == {0}
    config, network = case("tiny")
    assert {way.joined for way in strategies(network, config, 4)} == {0}


def two_maps() -> QNetwork:
    """Attention before and after the map shrinks; two products read the smaller one."""
    b = HybridBuilder(8, 8, 0.0, 4, False, 8, 0)
    image = QTensor(shape=(4, 6, 6), signed=False, scale=1 / 255)
    wide, small = QTensor(shape=(36, 4)), QTensor(shape=(9, 4))
    x = b.add(QInput(name="image", out=image))
    x = b.add(QPatches(name="pixels", out=image.replace(shape=(36, 4)), x=x, size=1))
    q, k, v = (b.product(f"wide.{name}", x, wide) for name in "qkv")
    x = b.linear_attention("wide", q, k, v, 1)
    x = b.product("down", x, small, size=(6, 6), kernel=3, stride=2)
    x = b.product("sum", b.product("one", x, small), small, residual=b.product("two", x, small))
    q, k, v = (b.product(f"small.{name}", x, small) for name in "qkv")
    b.product(
        "classes", b.pool("pool", b.linear_attention("small", q, k, v, 1)), QTensor(shape=(1, 5))
    )
    return QNetwork("two-maps", tuple(b.layers), b.tensors, tuple("abcde"), "trio")


def test_images_join_where_one_tensor_goes_on_and_constants_are_of_their_size() -> None:
    network = two_maps()
    assert shrunk(network) == "sum"
    program = finish(lower(network, HYBRID, True, Strategy(joined=BATCH), batch=BATCH))
    assert_golden(program, HYBRID, network)


@pytest.mark.parametrize(("words", "early"), [(4096, True), (16, False)])
def test_next_image_comes_while_there_is_room(words: int, early: bool) -> None:
    """LOADs of the second image between steps of the first one, where the memory is not full."""
    low = lower(random_hybrid(side=8), HYBRID, False, Strategy(together=1), batch=2)
    prefetch(low.steps, low.input_loads, words)
    late = [s.ahead for s in low.steps if s.late and s.instruction in low.input_loads]
    assert len(late) == len(low.input_loads) // 2
    assert all(n is not None and (n > LATE) == early for n in late)
    if early:
        assert_golden(finish(low), HYBRID, random_hybrid(side=8))


@pytest.mark.parametrize("together", [1, 2])
def test_what_is_resident_is_resident_for_all_images(together: int) -> None:
    config, network = case("tiny")
    one = finish(lower(network, config, False, Strategy()))
    two = finish(lower(network, config, False, Strategy(together=together), batch=2))
    assert one.setup is not None
    assert two.setup is not None
    assert two.setup.labels == one.setup.labels
    assert loaded(two, isa.Space.WEIGHT) == loaded(one, isa.Space.WEIGHT) == 0


def test_external_memory_holds_constants_once() -> None:
    config, network = case("streamed")

    def constants(batch: int) -> int:
        program = finish(lower(network, config, False, Strategy(together=1), batch=batch))
        return len(program.image) - len(program.main.labels) * isa.BYTES

    assert constants(4) == pytest.approx(constants(1), abs=64)


@pytest.mark.parametrize("way", [Strategy(together=1), Strategy(together=4)])
def test_the_classifier_meets_all_images_at_once(way: Strategy) -> None:
    config, network = case("w8a8")
    program = finish(lower(network, config, False, way, batch=4))
    steps = program.main_steps()
    rows = [s.fields["n_rows"] for s in steps if s.op == isa.Op.GEMM and s.layer == "head"]
    assert set(rows) == {4}


def cycles_per_image(name: str, batch: int, memory: str = "sdram") -> float:
    config, network = case(name)
    timing = memory_timing(memory, config)
    program = compile_network(network, config, timing=timing, batch=batch)
    assert program.batch == batch
    return estimate(program, config, timing).cycles / batch


@pytest.mark.parametrize("name", ["demo", "w8a8", "kv4", "spilled", "odd"])
def test_a_batch_is_not_slower_than_its_images_alone(name: str) -> None:
    assert cycles_per_image(name, 2) <= cycles_per_image(name, 1)


@pytest.mark.parametrize("name", ["demo", "w8a8", "streamed"])
def test_where_weights_are_streamed_from_a_slow_memory_a_batch_pays(name: str) -> None:
    """Even if activations are spilled for it, as in the last of these."""
    assert cycles_per_image(name, 2) < 0.7 * cycles_per_image(name, 1)


def test_groups_are_of_all_sizes_that_differ() -> None:
    config, network = case("tiny")
    assert {way.together for way in strategies(network, config, 8)} == {1, 2, 3, 4, 8}
    assert {way.together for way in strategies(network, config)} == {1}


def refusal(activation_words: int, batch: int, tokens: int = 5) -> str:
    network = random_qnetwork(dim=8, heads=2, tokens=tokens, log2=False)
    config = PRESETS["w8a8"].replace(activation_words=activation_words)
    with pytest.raises(ConfigError) as caught:
        compile_network(network, config, batch=batch)
    return str(caught.value)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_refuses_less_than_one_image(batch: int) -> None:
    assert refusal(4096, batch) == f"batch must be 1 or more, not {batch}"


def test_a_batch_refuses_more_images_than_it_has_rows_for() -> None:
    """A row before the classifier and one after it for each image."""
    assert refusal(64, 24) == (
        "a batch of 24 does not fit: activations need 72 words at least, but activation_words is "
        "64; set it to 128, as in preset demo, or take fewer images"
    )


def test_what_does_not_fit_alone_is_refused_as_without_a_batch() -> None:
    assert refusal(64, 2, tokens=17) == refusal(64, 1, tokens=17)
