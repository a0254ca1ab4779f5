"""Batches as a user sees them: bit-exact in RTL, and what they gain is told."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from golden.execute import execute
from hdl_tests.harness.cases import CASES
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile import compile_network
from vitaccel.estimate import estimate
from vitaccel.gain import Gain
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch
from vitaccel.verify import Verdict, verify

Run = Callable[..., tuple[int, str, list[str]]]

MODELS = Path("build/out/models")
BATCH, N_IMAGES = 2, 5  # four keep every tensor, the last run is not full
TINY = PRESETS["tiny"]
NETWORK = random_qnetwork(dim=8, heads=2, tokens=5, depth=1, log2=False, pot=0.0, seed=7)
IMAGES = torch.rand(N_IMAGES, 1, 2, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return verify(NETWORK, TINY, IMAGES, MODELS, Stopwatch(), traced=3, batch=BATCH)


@pytest.mark.cosim
def test_every_tensor_is_bit_exact_in_rtl(verdict: Verdict) -> None:
    assert verdict.bit_exact, verdict.lines()
    computed = {
        layer.name
        for layer in NETWORK.layers
        if layer.kind in ("linear", "matmul", "softmax", "layernorm")
    }
    assert all(verdict.tensors[name] >= 4 for name in computed)
    assert verdict.tensors["head"] == N_IMAGES + 1  # and one alone
    want = execute(NETWORK, IMAGES)["head"].reshape(N_IMAGES, -1)
    assert verdict.logits.tolist() == want.tolist()
    assert len({tuple(row) for row in want.tolist()}) == N_IMAGES


@pytest.mark.cosim
def test_the_gain_is_measured(verdict: Verdict) -> None:
    gain = verdict.gain
    assert gain is not None
    assert verdict.cycles_per_image == gain.cycles == round(verdict.counters["CYCLES"] / BATCH)
    assert gain.cycles < 0.9 * gain.cycles_alone
    assert gain.line() in verdict.lines()
    assert verdict.summary()["gain"] == gain.summary()
    profile = verdict.profile
    assert profile is not None
    assert sum(profile.traffic.kinds.values()) == pytest.approx(BATCH * gain.moved, abs=BATCH)
    useful = profile.macs / (profile.peak * profile.cycles)
    assert verdict.mac_utilization == pytest.approx(useful)


def test_a_gain_in_words() -> None:
    assert Gain(4, 900, 1000, 2000, 8000).line() == (
        "batch of 4: 900 cycles per image, alone 1000 (-10.0%); 2000 bytes per image to and from "
        "memory, alone 8000 (-75.0%)"
    )


def test_estimate_tells_the_gain(run: Run, network: Path, tmp_path: Path) -> None:
    words = ("estimate", network, "--config", "tiny", "--memory", "sdram")
    _, alone, _ = run(*words, "--json")
    code, out, _ = run(*words, "--batch", "3", "--json", "-o", tmp_path)
    assert code == 0
    one, three = json.loads(alone), json.loads(out)
    gain = three["gain"]
    assert gain["cycles_per_image_alone"] == one["cycles_per_image"] > three["cycles_per_image"]
    assert gain["cycles_per_image"] == three["cycles_per_image"]
    assert gain["bytes_per_image_alone"] == sum(one["bytes_by_kind"].values())
    assert gain["bytes_per_image"] == round(sum(three["bytes_by_kind"].values()) / 3)
    assert (one["batch"], three["batch"], "gain" in one) == (1, 3, False)
    page = re.sub(r"\s+", " ", (tmp_path / "report.html").read_text())
    assert "A run computes 3 images, and what follows is of a run. Alone, an image takes" in page
    _, text, _ = run(*words, "--batch", "3")
    assert "batch of 3: " in text
    assert "a run of 3 images:" in text


def test_compile_writes_a_batch(run: Run, network: Path, tmp_path: Path) -> None:
    assert run("compile", network, "--config", "tiny", "--batch", "2", "-o", tmp_path)[0] == 0
    about = json.loads((tmp_path / "program.json").read_text())
    assert about["batch"] == 2
    assert about["input"]["n_rows"] == 2 * 4


@pytest.mark.parametrize("verb", ["compile", "estimate"])
def test_a_batch_of_nothing_is_refused(
    refused: Callable[..., None], network: Path, tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out"
    refused("batch must be 1 or more, not 0", verb, network, "--batch", "0", "-o", out)
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.slow
@pytest.mark.cosim
def test_streamed_weights_meet_two_images(tmp_path: Path) -> None:
    """Twice the activations do not fit: those of one image leave while the other computes."""
    config, build = CASES["streamed"]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    images = torch.rand(4, *network.layers[0].out.shape)
    timing = memory_timing("sdram", config)
    verdict = verify(network, config, images, tmp_path, Stopwatch(), 2, timing, batch=2)
    assert verdict.bit_exact, verdict.lines()
    assert verdict.gain is not None
    assert verdict.gain.cycles < 0.7 * verdict.gain.cycles_alone
    assert verdict.gain.moved < 0.6 * verdict.gain.moved_alone


@pytest.mark.slow
@pytest.mark.cosim
def test_a_deit_of_two_blocks_on_a_board(tmp_path: Path) -> None:
    """12 x 24, packed weights, K and V of 4 bits, patches and weights over 16 bits of SDRAM."""
    config = PRESETS["ulx3s-85f"]
    low = {"weight_bits": 4, "kv_bits": 4, "pot": 0.0, "log2": False}
    network = random_qnetwork(50, 96, depth=2, patch=4, classes=100, seed=3, **low)
    images = torch.rand(4, *network.layers[0].out.shape)
    timing = memory_timing("sdram", config)
    verdict = verify(network, config, images, tmp_path, Stopwatch(), 2, timing, batch=2)
    assert verdict.bit_exact, verdict.lines()
    assert verdict.gain is not None
    assert verdict.gain.cycles < 0.85 * verdict.gain.cycles_alone
    program = compile_network(network, config, timing=timing, batch=2)
    guess = estimate(program, config, timing).cycles
    assert guess == pytest.approx(verdict.counters["CYCLES"], rel=0.02)
