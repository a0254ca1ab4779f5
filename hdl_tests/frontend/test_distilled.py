"""Models with a distillation token: the mean of two classifiers, from a module, file or folder."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from golden.evaluate import run_float
from golden.models import VisionTransformer
from golden.network import Add, Linear, Network
from hdl_tests.harness.huggingface import DEIT, TEACHER, VIT, transformers_model
from hdl_tests.harness.vits import DISTILLED
from vitaccel.errors import ConfigError
from vitaccel.frontend import check, from_module, from_pt2

ARCH = DISTILLED
IMAGES = torch.rand(3, 3, 8, 8)
TOLERANCE = 1e-4  # of the greatest logit
Head = Callable[[VisionTransformer, Tensor], Tensor]


def random_model(head: Head | None = None) -> VisionTransformer:
    """Every parameter random; ``head`` makes another result of the normalised tokens."""

    class Changed(VisionTransformer):
        def forward(self, x: Tensor) -> Tensor:
            x = self.patch_embed(x)
            tokens = (token.expand(x.shape[0], -1, -1) for token in self._tokens())
            x = self.norm(self.blocks(torch.cat((*tokens, x), dim=1) + self.pos_embed))
            assert head is not None
            return head(self, x)

    model = (VisionTransformer if head is None else Changed)(ARCH).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def assert_equivalent(network: Network, model: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        want = model(images)
    got = run_float(network, images, keep=False)[network.layers[-1].name][:, 0]
    assert (got - want).abs().max() <= TOLERANCE * want.abs().max()


def test_the_mean_is_a_sum_of_halved_layers() -> None:
    model = random_model()
    network = from_module(model, IMAGES)
    assert_equivalent(network, model, IMAGES)
    total = network.layers[-1]
    assert isinstance(total, Add)
    assert (total.operands, total.shape) == (("head", "head_dist"), (1, 6))
    for name in total.operands:
        whole = model.get_parameter(f"{name}.weight")
        assert torch.equal(network.params[f"{name}.weight"] * 2, whole)
    shapes = {layer.name: layer.shape for layer in network.layers}
    assert shapes["norm"] == (6, 16)


@pytest.mark.parametrize(
    "head",
    [
        lambda self, x: 0.5 * self.head(x[:, 0]) + self.head_dist(x[:, 1]) / 2,
        lambda self, x: -(self.head(x[:, 0]) - 3 * self.head_dist(x[:, 1])),
        lambda self, x: self.head(x[:, 0]) + self.head_dist(x[:, 0]),
    ],
)
def test_other_sums_of_two_classifiers(head: Head) -> None:
    model = random_model(head)
    assert_equivalent(from_module(model, IMAGES), model, IMAGES)


def thrice(y: Tensor, z: Tensor) -> Tensor:
    """Halving the sum would halve what is added afterwards too."""
    return (y + z) / 2 + y


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (
            lambda self, x: (self.head(x) + self.head_dist(x)) / 2,
            "the output must be a linear layer on the class token, not Add [6, 6]",
        ),
        (
            lambda self, x: (x[:, 0] + x[:, 1]) / 2,
            "it scales the result of Add 'residual'",
        ),
        (
            lambda self, x: x[:, 0] + self.head.weight[0],
            "the output must be a linear layer on the class token, not Add [1, 16]",
        ),
        (
            lambda self, x: thrice(self.head(x[:, 0]), self.head_dist(x[:, 1])),
            "it scales the result of Add 'residual'",
        ),
    ],
)
def test_what_is_no_mean_of_classifiers_is_refused(head: Head, reason: str) -> None:
    (finding,) = check(random_model(head), IMAGES)
    assert finding.reason == reason


class Logits(nn.Module):
    """A model of transformers that returns a tensor."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).logits


@pytest.mark.parametrize("kind", [VIT, DEIT, TEACHER])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exported_models_of_transformers(kind: str, tmp_path: Path) -> None:
    model, images = Logits(transformers_model(kind)), torch.rand(2, 3, 16, 16)
    torch.export.save(torch.export.export(model, (images[:1],)), tmp_path / "m.pt2")
    assert_equivalent(from_pt2(tmp_path / "m.pt2"), model, images)


def test_an_exported_distilled_model(tmp_path: Path) -> None:
    model = random_model()
    torch.export.save(torch.export.export(model, (IMAGES[:1],)), tmp_path / "m.pt2")
    assert_equivalent(from_pt2(tmp_path / "m.pt2"), model, IMAGES)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_result_of_another_library_is_named_without_a_traceback(tmp_path: Path) -> None:
    """In a process that has not imported transformers, as that of the command line."""
    path = tmp_path / "m.pt2"
    model = transformers_model(DEIT)
    torch.export.save(torch.export.export(model, (torch.rand(1, 3, 16, 16),)), path)
    words = [sys.executable, "-m", "vitaccel.cli", "check", path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    output = "transformers.modeling_outputs.ImageClassifierOutput"
    message = (
        f"E model {path} returns {output}, which only its own library can read; "
        "export a module that returns the logits alone, as a tensor\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", message)


def test_a_broken_file_gives_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(random_model(), (IMAGES[:1],)), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=rf"^model {re.escape(str(path))} is not a whole file"):
        from_pt2(path)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_layers_of_the_sum_are_linear() -> None:
    """Both parts are products of the array, the second with the first as its residual."""
    network = from_module(random_model(), IMAGES)
    known = {layer.name: layer for layer in network.layers}
    assert all(isinstance(known[name], Linear) for name in network.layers[-1].operands)
