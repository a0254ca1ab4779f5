"""`vitaccel quantize` of an EfficientViT: by name, from a checkpoint, on CIFAR-10's files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.models import EFFICIENTVITS, Record, save_checkpoint
from golden.qnetwork import RANDOM, QQuotient
from golden.storage import load
from hdl_tests.harness.efficientvits import ARCH, efficientvit

Run = Callable[..., tuple[int, str, list[str]]]
Refused = Callable[..., None]

SMALL = ARCH.replace(image_size=32, widths=(4, 8), depths=(0, 1), local_stages=0, classes=10)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "cifar", np.random.default_rng(0)
    folder.mkdir()
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = rng.integers(0, 256, (12, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / name)
    return folder


@pytest.mark.parametrize(("scheme", "config"), [("trio", "w8a8"), ("m2q", "demo")])
def test_checkpoint_on_cifar10(
    run: Run, cifar: Path, tmp_path: Path, scheme: str, config: str
) -> None:
    path, net = tmp_path / "small.safetensors", tmp_path / "net"
    record = Record(architecture=SMALL, dataset="cifar10", seed=0, accuracy=0.1)
    save_checkpoint(path, efficientvit(SMALL), record)
    words = ["quantize", path, "--calib", cifar, "--eval", cifar, "--scheme", scheme]
    code, out, _ = run(*words, "--config", config, "--count", "4", "-o", net, "--json")
    assert code == 0
    about = json.loads(out)
    assert (about["network"], about["scheme"], about["trained"]) == ("small", scheme, True)
    assert about["evaluation"]["images"] == 12
    saved = load(net)
    (quotient, _) = (layer for layer in saved.layers if isinstance(layer, QQuotient))
    assert quotient.heads == 1


def test_a_name_without_weights_is_random(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EFFICIENTVITS, "efficientvit_test", SMALL)
    images = tmp_path / "images"
    images.mkdir()
    np.save(images / "0.npy", torch.rand(2, 3, 32, 32).numpy())
    words = ["quantize", "efficientvit_test", "--calib", images, "--scheme", "trio"]
    code, out, _ = run(*words, "--config", "w8a8", "-o", tmp_path / "net")
    assert code == 0
    assert out.splitlines() == [f"efficientvit_test: trio, in {tmp_path / 'net'}", RANDOM]
    saved = load(tmp_path / "net")
    assert not saved.trained
    assert saved.preprocess is not None
    pads = [t for name, t in saved.tensors.items() if name == "stem.in_conv.conv.pad"]
    assert pads[0].unique().numel() == 3  # means of three colours


def test_m2q_needs_power_of_two_columns(refused: Refused, tmp_path: Path) -> None:
    refused(
        "scheme m2q divides filters between uniform and power-of-two columns, which the "
        "accelerator lacks; set pot_columns, or take scheme trio",
        "quantize",
        "efficientvit_b0",
        "--calib",
        tmp_path,
        "--scheme",
        "m2q",
        "--config",
        "w8a8",
        "-o",
        tmp_path / "net",
    )


def test_images_of_cifar10_must_suit_the_network(
    refused: Refused, cifar: Path, tmp_path: Path
) -> None:
    refused(
        f"images of {cifar} have shape [3, 32, 32], but the network takes [1, 8, 8]",
        *("quantize", "digits", "--calib", cifar, "-o", tmp_path / "net"),
    )
