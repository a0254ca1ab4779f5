"""The main job, whole: float checkpoint to bit-exact RTL and its report."""

import json
from pathlib import Path

import pytest

from vitaccel.demo import demo
from vitaccel.demo_networks import DEMOS, demo_images, find_demo
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS
from vitaccel.sources import load_network
from vitaccel.timing import Stopwatch

N_IMAGES = 3


def test_images_of_every_demo_suit_it() -> None:
    for name, own in DEMOS.items():
        network = load_network(own.model)
        calibration, test = demo_images(network, None)
        assert calibration.shape[1:] == test.images.shape[1:] == network.layers[0].shape
        assert (test.labels is None) == (name == "efficientvit")
        assert own.config in PRESETS
        assert float(calibration.min()) >= 0
        assert float(calibration.max()) <= 1


def test_refuses_unknown_demos() -> None:
    with pytest.raises(ConfigError) as refused:
        find_demo("resnet")
    assert str(refused.value) == "network must be digits or efficientvit, not 'resnet'"


@pytest.mark.cosim
@pytest.mark.slow
def test_demo_is_bit_exact_and_leaves_its_files(tmp_path: Path) -> None:
    config, folder = PRESETS["demo"], tmp_path / "demo"
    summary, verdict = demo("digits", config, "mixed", N_IMAGES, folder, Stopwatch())
    assert verdict.bit_exact, verdict.lines()
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert summary["bit_exact"] is True
    assert summary["mismatches"] == []
    assert (summary["images"], summary["config_digest"]) == (N_IMAGES, config.digest())
    assert summary["tensors_compared"] > N_IMAGES
    assert summary["cycles_per_image"] > 0
    assert 0 < summary["mac_utilization"] < 1
    accuracy = summary["accuracy"]
    assert accuracy.keys() == {"float", "golden", "rtl"}
    assert accuracy["rtl"] == accuracy["golden"]
    assert summary["accuracy_held_out"]["golden"] >= summary["accuracy_held_out"]["float"] - 0.02
    steps = ["float", "quantize", "generate", "golden", "compile", "build", "simulate"]
    assert list(summary["seconds"]) == steps
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "vitaccel.v", "vitaccel.json", "program.bin", "program.json", "program.txt",
        "network/network.json", "network/weights.safetensors", "summary.json", "report.html",
    }  # fmt: skip
    for name in files:
        assert (folder / name).stat().st_size > 0
