"""A model with two classifiers, from float to RTL: their mean is computed in hardware."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from golden.evaluate import run_float
from golden.models import VisionTransformer
from golden.qnetwork import RANDOM, QLinear
from golden.quantize import quantize
from golden.scheme import Scheme
from hdl_tests.harness.vits import DISTILLED
from vitaccel.frontend import from_module
from vitaccel.presets import PRESETS
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

MODELS = Path("build/out/models")
TINY = PRESETS["tiny"]
ARCH = DISTILLED.replace(channels=1)


@pytest.mark.cosim
def test_the_mean_of_two_classifiers_is_bit_exact_in_rtl() -> None:
    torch.manual_seed(0)
    model, images = VisionTransformer(ARCH).eval(), torch.rand(32, 1, 8, 8)
    network = replace(from_module(model, images, "distilled"), trained=False)
    integers = quantize(network, images, Scheme.for_config("w8a8", TINY))
    last = integers.layers[-1]
    assert isinstance(last, QLinear)
    assert (last.name, last.residual) == ("head_dist", "head")
    verdict = verify(integers, TINY, images[:3], MODELS, Stopwatch())
    assert verdict.bit_exact, verdict.lines()
    assert (verdict.lines()[-1], verdict.summary()["trained"]) == (RANDOM, False)
    assert {"head", "head_dist"} <= verdict.tensors.keys()
    mean = run_float(network, images[:3])[network.layers[-1].name][:, 0]
    found = torch.from_numpy(verdict.logits) * last.out.scale
    assert (found - mean).abs().max() < 0.05 * mean.abs().max()
    with torch.no_grad():
        assert (found - model.head(model_tokens(model, images[:3]))).abs().max() > mean.std()


def model_tokens(model: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """Class token after the last LayerNorm: its classifier alone is not the result."""
    seen: list[torch.Tensor] = []
    with model.norm.register_forward_hook(lambda *call: seen.append(call[2][:, 0])):
        model(images)
    return seen[0]
