"""`golden.storage`: round trips, and one refusal per way to be wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from golden import storage
from golden.preprocess import Preprocess
from golden.qnetwork import RANDOM, QNetwork
from golden.storage import load, save
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.errors import ConfigError

VARIANTS = {
    "mixed": {},
    "uniform": {"pot": 0.0, "log2": False},
    "pot5": {"pot": 1.0, "pot_bits": 5},
    "w4a4": {"bits": 4, "weight_bits": 4, "pot_bits": 3},
    "large": {"tokens": 197, "dim": 192, "patch": 16, "classes": 1000, "shift": True},
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trip_is_exact(variant: str, tmp_path: Path) -> None:
    network = random_qnetwork(seed=3, **VARIANTS[variant])
    save(network, tmp_path / "deep" / "net")
    found = load(tmp_path / "deep" / "net")
    assert (found.name, found.scheme, found.classes) == (
        network.name, network.scheme, network.classes,
    )  # fmt: skip
    assert found.layers == network.layers
    assert found.tensors.keys() == network.tensors.keys()
    for name, tensor in network.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


@pytest.mark.parametrize("resize", [248, (16, 18), None])
def test_what_is_known_of_the_float_model_stays(
    resize: int | tuple[int, int] | None, tmp_path: Path
) -> None:
    how = Preprocess(resize=resize, resample="lanczos")
    save(replace(random_qnetwork(), trained=False, preprocess=how), tmp_path)
    found = load(tmp_path)
    assert (found.trained, found.preprocess) == (False, how)
    assert found.remarks == [RANDOM]
    save(random_qnetwork(), tmp_path)
    found = load(tmp_path)
    assert (found.trained, found.preprocess, found.remarks) == (True, None, [])


def test_files(tmp_path: Path) -> None:
    save(random_qnetwork(), tmp_path / "net")
    assert names(tmp_path) == ["net"]
    assert names(tmp_path / "net") == ["network.json", "weights.safetensors"]
    assert json.loads((tmp_path / "net" / "network.json").read_text())["version"] == 1


def test_replaces_an_earlier_network(tmp_path: Path) -> None:
    save(random_qnetwork(seed=1), tmp_path)
    save(random_qnetwork(seed=2), tmp_path)
    assert load(tmp_path).name == "random-2"


def test_interrupt_leaves_the_earlier_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "net"
    save(random_qnetwork(seed=1), folder)
    rename, calls = Path.rename, []

    def interrupted(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(random_qnetwork(seed=2), folder)
    assert load(folder).name == "random-1"
    assert names(tmp_path) == ["net"]


def test_interrupt_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Path, data: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(random_qnetwork(), tmp_path / "net")
    assert names(tmp_path) == []


def test_refuses_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert refused(lambda: save(random_qnetwork(), tmp_path)) == (
        f"output folder {tmp_path} must be new, empty or a network, but holds 'thesis.txt'; "
        "choose another with -o"
    )
    assert (tmp_path / "thesis.txt").exists()


def test_refuses_folder_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refused(lambda: save(random_qnetwork(), tmp_path / "file" / "net")) == (
        f"output folder {tmp_path}/file/net cannot be written: File exists; choose another with -o"
    )
    (tmp_path / "file").unlink()


def test_refuses_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    assert refused(lambda: load(tmp_path)) == (
        f"network file {path} cannot be read: No such file or directory"
    )
    save(random_qnetwork(), tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    assert refused(lambda: load(tmp_path)) == (
        f"network file {tmp_path}/weights.safetensors cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("name", ["network.json", "weights.safetensors"])
def test_refuses_truncated_files(name: str, share: float, tmp_path: Path) -> None:
    save(random_qnetwork(), tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    message = refused(lambda: load(tmp_path))
    assert message.startswith(f"network file {tmp_path / name} is damaged: ")


def edited(folder: Path, edit: Callable[[Any], None]) -> str:
    """What `load` says of a network whose JSON was edited."""
    save(random_qnetwork(), folder)
    raw = json.loads((folder / "network.json").read_text())
    edit(raw)
    (folder / "network.json").write_text(json.dumps(raw))
    return refused(lambda: load(folder))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda raw: raw.update(version=2, future=1),
            "has version 2, but this vitaccel reads up to 1; update vitaccel",
        ),
        (lambda raw: raw.update(extra=1), "network.json: extra is not a known key"),
        (
            lambda raw: raw["layers"][3].update(post_shfit=1),
            "layers.3.linear.post_shfit is not a known key; did you mean 'post_shift'?",
        ),
        (
            lambda raw: raw["layers"][3]["out"].update(zero=1),
            "network.json: layers.3.linear.out.zero is not a known key",
        ),
        (
            lambda raw: raw["layers"][0]["out"].update(bits=9),
            "network.json: layers.0.input.out.bits: input should be less than or equal to 8, not 9",
        ),
        (
            lambda raw: raw["layers"][0]["out"].update(scale=float("nan")),
            "layer 'image': scale must be finite and above 0, not nan",
        ),
        (lambda raw: raw.pop("layers"), "network.json: layers: field required"),
    ],
)
def test_refuses_edited_json(edit: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    assert message in edited(tmp_path, edit)


def test_refuses_json_that_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("[]")
    assert refused(lambda: load(tmp_path)).startswith("network.json: ")


def test_refuses_edited_weights(tmp_path: Path) -> None:
    save(random_qnetwork(), tmp_path)
    path = tmp_path / "weights.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    del tensors["head.bias"]
    path.write_bytes(safetensors.torch.save(tensors))
    assert refused(lambda: load(tmp_path)) == "tensor 'head.bias' is missing"


def test_save_refuses_an_invalid_network(tmp_path: Path) -> None:
    network = random_qnetwork()
    broken = QNetwork("headless", network.layers[1:], network.tensors)
    message = "layer 'patches': the input must be the first layer and no other"
    assert refused(lambda: save(broken, tmp_path / "net")) == message
    assert names(tmp_path) == []


def test_knows_every_kind() -> None:
    known = {part.model_fields["kind"].default for part in storage.PARTS[1:]}
    assert known >= {layer.kind for layer in random_qnetwork().layers}
