"""Top-1 and top-5 of float and integers."""

import pytest
import torch

from golden.datasets import Split, digits
from golden.evaluate import accuracy, rank, run_float
from golden.execute import execute
from golden.models import Architecture, VisionTransformer
from golden.network import Network
from golden.qnetwork import QNetwork
from golden.quantize import quantize
from golden.scheme import Scheme
from golden.score import score
from vitaccel.frontend import from_module


@pytest.fixture(scope="module")
def networks() -> tuple[Network, QNetwork]:
    arch = Architecture(
        image_size=8, channels=1, patch_size=4, dim=16, depth=1, heads=2, classes=10
    )
    torch.manual_seed(0)
    images = digits().train.images[:16]
    network = from_module(VisionTransformer(arch), images, "small")
    scheme = Scheme(activation_bits=4, weight_bits=3, rounding="nearest", correction="none")
    return network, quantize(network, images, scheme)


def test_rank_counts_what_comes_before_the_label() -> None:
    logits = torch.tensor([[[5, 5, 7, 1, 5]]]).repeat(5, 1, 1)
    assert rank(logits, torch.arange(5)).tolist() == [1, 2, 0, 4, 3]
    assert rank(logits[:, 0].float(), torch.arange(5)).tolist() == [1, 2, 0, 4, 3]


def test_a_score_is_that_of_all_images_at_once(networks: tuple[Network, QNetwork]) -> None:
    network, integers = networks
    images, last = digits().test.images[:50], network.layers[-1].name
    best = run_float(network, images)[last][:, 0].argsort(dim=1, descending=True)
    labels = best[torch.arange(50), torch.arange(50) % 7]
    told: list[int] = []
    batches = (Split(images[i : i + 20], labels[i : i + 20]) for i in range(0, 50, 20))
    n_images, scores = score(network, integers, batches, told.append)
    assert (n_images, told) == (50, [20, 40, 50])
    logits = {
        "float": run_float(network, images)[last][:, 0],
        "golden": execute(integers, images)[integers.layers[-1].name][:, 0],
    }
    for name, found in logits.items():
        assert scores[name].top1 == accuracy(found, labels)
        best = found.double() - torch.arange(10) * 1e-9  # of equal ones the first
        hit = (best.topk(5).indices == labels[:, None]).any(1)
        assert scores[name].top5 == pytest.approx(hit.double().mean().item())
        assert 0 < scores[name].top1 < scores[name].top5 < 1
    assert scores["float"] != scores["golden"]


def test_tensors_are_dropped_after_their_last_use(networks: tuple[Network, QNetwork]) -> None:
    network, images = networks[0], digits().test.images[:3]
    ((name, got),) = run_float(network, images, keep=False).items()
    assert torch.equal(got, run_float(network, images)[name])
    assert name == network.layers[-1].name
