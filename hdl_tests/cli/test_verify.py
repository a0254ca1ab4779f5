"""`vitaccel.verify`: a small network in RTL, and a wrong golden model that it must notice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

import vitaccel.verify
from golden.execute import execute
from golden.qnetwork import QNetwork
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile.program import Decoded, Program
from vitaccel.isa import Op, Unit
from vitaccel.presets import PRESETS
from vitaccel.spans import intervals, spans_of
from vitaccel.timing import Stopwatch
from vitaccel.verify import Verdict, verify

pytestmark = pytest.mark.cosim

N_IMAGES, TRACED = 3, 2
MODELS = Path("build/out/models")
TINY = PRESETS["tiny"]
NETWORK = random_qnetwork(dim=8, heads=2, tokens=5, depth=1, log2=False, pot=0.0, seed=7)
IMAGES = torch.rand(N_IMAGES, 1, 2, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture(scope="module")
def verdict(watch: Stopwatch) -> Verdict:
    return verify(NETWORK, TINY, IMAGES, MODELS, watch)


def test_rtl_is_bit_exact(verdict: Verdict) -> None:
    assert verdict.bit_exact, verdict.lines()
    assert verdict.mismatches == []
    computed = {
        layer.name
        for layer in NETWORK.layers
        if layer.kind in ("linear", "matmul", "softmax", "layernorm")
    }
    last = NETWORK.layers[-1].name
    assert verdict.tensors.keys() >= computed
    assert all(verdict.tensors[name] >= TRACED for name in computed)
    assert verdict.tensors[last] == N_IMAGES
    assert verdict.tensors_compared == sum(verdict.tensors.values())
    assert verdict.lines()[0] == (
        f"bit-exact: {verdict.tensors_compared} tensors of {N_IMAGES} images equal"
    )


def test_logits_are_those_of_golden(verdict: Verdict) -> None:
    want = execute(NETWORK, IMAGES)[NETWORK.layers[-1].name].reshape(N_IMAGES, -1)
    assert verdict.logits.tolist() == want.tolist()
    assert verdict.golden_logits.tolist() == want.tolist()
    assert len({tuple(row) for row in want.tolist()}) == N_IMAGES  # or the images test little


def test_figures(verdict: Verdict, watch: Stopwatch) -> None:
    assert verdict.cycles_per_image == verdict.counters["CYCLES"] > 0
    assert 0 < verdict.mac_utilization < 1
    assert verdict.counters["MXU_BEATS"] < verdict.counters["CYCLES"]
    for unit in Unit:
        busy = verdict.counters[f"BUSY_{unit.name}"]
        assert (busy > 0) == (unit != Unit.DEPTHWISE)
        assert busy <= verdict.counters["CYCLES"]
        assert 0 <= verdict.counters[f"WAITING_{unit.name}"] <= verdict.counters["CYCLES"]
    assert verdict.timeline.keys() == {unit.name for unit in Unit}
    assert watch.seconds.keys() == {"golden", "compile", "build", "simulate"}
    assert verdict.summary()["bit_exact"] is True


def test_profile_covers_every_layer_and_cycle(verdict: Verdict) -> None:
    profile = verdict.profile
    assert profile is not None
    rows = {row["name"]: row for row in profile.layers}
    assert rows.keys() == {layer.name for layer in NETWORK.layers}
    for name in ("patch_embed", "blocks.0.attn.qk", "blocks.0.mlp.fc1", "head"):
        assert rows[name]["busy_cycles"] >= rows[name]["ideal_cycles"] > 0
        assert rows[name]["array_cycles"] >= rows[name]["ideal_cycles"]
    assert sum(row["array_cycles"] for row in rows.values()) == profile.cycles
    beats = sum(end - start for start, end, state, _ in profile.array() if state == "busy")
    assert beats == verdict.counters["MXU_BEATS"]
    assert profile.traffic.kinds["stored"] > 0


def with_wrong_weight(name: str) -> Callable[[QNetwork, Tensor], dict[str, Tensor]]:
    weight = NETWORK.tensors[name].clone()
    weight[1, 2] += 60 if weight[1, 2] < 0 else -60
    wrong = replace(NETWORK, tensors=NETWORK.tensors | {name: weight})
    return lambda _, images: execute(wrong, images)


@pytest.mark.usefixtures("verdict")  # the model is built
@pytest.mark.parametrize("layer", ["patch_embed", "blocks.0.mlp.fc2", "head"])
def test_one_wrong_weight_is_noticed(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitaccel.verify, "execute", with_wrong_weight(f"{layer}.weight"))
    verdict = verify(NETWORK, TINY, IMAGES, MODELS, Stopwatch())
    assert not verdict.bit_exact
    first = verdict.mismatches[0]
    assert first.tensor == layer
    assert first.where[1] == 1  # the channel of the filter
    assert first.got != first.want
    text = (
        f"image {first.image}, tensor {layer} at {list(first.where)}: "
        f"RTL {first.got}, golden {first.want}"
    )
    assert str(first) == text
    assert verdict.lines()[0] == f"NOT bit-exact: {text}"
    assert verdict.summary()["mismatches"][0] == text
    assert verdict.summary()["bit_exact"] is False


def test_a_trace_gives_each_instruction_one_span() -> None:
    """The second product begins in the cycle after the first is done; POST waits, then works."""
    mxu, post = 1 << Unit.MXU, 1 << Unit.POST
    trace = "\n".join([
        f"5 {mxu} {post} 0",
        f"9 {mxu} {post} {mxu}",
        f"12 {mxu | post} 0 0",
        f"20 {mxu | post} 0 {mxu}",
        f"21 {post} 0 0",
        f"30 {post} 0 {post}",
        "31 0 0 0",
    ])
    steps = [Decoded(Op.GEMM, {}, "a"), Decoded(Op.GEMM, {}, "b"), Decoded(Op.POST, {}, "a")]
    program = cast("Program", SimpleNamespace(main_steps=lambda: steps))
    spans = intervals(trace, program, cycles=31)
    assert [(s.start, s.end) for s in spans_of(trace, program, cycles=27)] == [
        (1, 6),
        (6, 17),
        (8, 27),
    ]
    assert spans["MXU"] == [(5, 10, "busy", "a"), (10, 21, "busy", "b")]
    assert spans["POST"] == [(5, 12, "waiting", "a"), (12, 31, "busy", "a")]
    assert spans["LOAD"] == spans["STORE"] == spans["VECTOR"] == []
