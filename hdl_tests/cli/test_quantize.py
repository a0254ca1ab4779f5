"""`vitaccel quantize` for every source of a model; accuracy, sizes of pictures, random models."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from golden.models import ARCHITECTURES, VisionTransformer
from golden.preprocess import Preprocess
from golden.qnetwork import RANDOM
from golden.storage import load
from hdl_tests.harness.vits import DISTILLED
from vitaccel.sources import load_images

Run = Callable[..., tuple[int, str, list[str]]]
Refused = Callable[..., None]

SMALL = DISTILLED.replace(image_size=16, patch_size=8, classes=3)
FAST = ("--config", "tiny", "--scheme", "w8a8", "--count", "4")
CLASSES = ("cat", "dog", "emu")


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(ARCHITECTURES, "vit_test", SMALL)
    return "vit_test"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of each class, none of the model's size."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "set" / name).mkdir(parents=True)
        for n in range(2):
            pixels = rng.integers(0, 256, (20 + n, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{n}.png")
    return tmp_path / "set"


def hugging_face(folder: Path) -> Path:
    """A folder as save_pretrained writes it, of a model without a distillation token."""
    folder.mkdir()
    arch = SMALL.replace(distillation="none")
    values = VisionTransformer(arch).state_dict()
    qkv = "blocks.0.attn.qkv"
    theirs = {"cls_token": "cls_token", "pos_embed": "position_embeddings"}
    theirs = {key: f"vit.embeddings.{name}" for key, name in theirs.items()}
    for kind in ("weight", "bias"):
        layer = "vit.encoder.layer.0"
        theirs |= {
            f"patch_embed.proj.{kind}": f"vit.embeddings.patch_embeddings.projection.{kind}",
            f"norm.{kind}": f"vit.layernorm.{kind}",
            f"head.{kind}": f"classifier.{kind}",
            f"blocks.0.norm1.{kind}": f"{layer}.layernorm_before.{kind}",
            f"blocks.0.norm2.{kind}": f"{layer}.layernorm_after.{kind}",
            f"blocks.0.attn.proj.{kind}": f"{layer}.attention.output.dense.{kind}",
            f"blocks.0.mlp.fc1.{kind}": f"{layer}.intermediate.dense.{kind}",
            f"blocks.0.mlp.fc2.{kind}": f"{layer}.output.dense.{kind}",
        }
    tensors = {name: values[key] for key, name in theirs.items()}
    for kind in ("weight", "bias"):
        parts = values[f"{qkv}.{kind}"].chunk(3)
        for name, part in zip(("query", "key", "value"), parts, strict=True):
            tensors[f"vit.encoder.layer.0.attention.attention.{name}.{kind}"] = part.clone()
    save_file(tensors, folder / "model.safetensors")
    config = {
        "architectures": ["ViTForImageClassification"],
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 16,
        "patch_size": 8,
        "id2label": dict(enumerate(CLASSES)),
    }
    (folder / "config.json").write_text(json.dumps(config))
    processor = {"size": {"shortest_edge": 18}, "do_center_crop": True, "crop_size": 16}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def test_a_folder_of_hugging_face_and_its_accuracy(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    folder, net = hugging_face(tmp_path / "model"), tmp_path / "net"
    words = ["quantize", f"hf:{folder}", "--calib", pictures / "cat", *FAST]
    words += ["--eval", pictures, "-o", net]
    code, out, _ = run(*words, "--json")
    assert code == 0
    about = json.loads(out)
    assert (about["network"], about["trained"]) == ("model", True)
    assert about["evaluation"]["images"] == 6
    for name in ("float", "golden"):
        score = about["evaluation"][name]
        assert 0 <= score["top1"] <= 1
        assert score["top5"] == 1  # of three classes
    saved = load(net)
    assert (saved.classes, saved.trained) == (CLASSES, True)
    assert saved.preprocess == Preprocess(resize=18, resample="bilinear")
    code, out, _ = run(*words)
    lines = out.splitlines()
    assert lines[0] == f"model: w8a8, in {net}"
    both = ", ".join(f"{n} {about['evaluation'][n]['top1']:.1%}" for n in ("float", "golden"))
    assert lines[1:] == [
        f"top-1 of 6 images: {both}",
        "top-5 of 6 images: float 100.0%, golden 100.0%",
    ]


def test_pictures_are_resized_later_as_they_were_for_calibration(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `simulate` reads of the folder is what the model's processor makes of it."""
    folder, net = hugging_face(tmp_path / "model"), tmp_path / "net"
    assert run("quantize", f"hf:{folder}", "--calib", pictures / "cat", *FAST, "-o", net)[0] == 0
    seen: list[torch.Tensor] = []

    def caught(network: object, config: object, images: torch.Tensor, *_: object, **__: object):
        seen.append(images)
        raise KeyboardInterrupt

    monkeypatch.setattr("vitaccel.verify.verify", caught)
    words = [
        "simulate",
        net,
        "--images",
        pictures / "cat",
        "--config",
        "tiny",
        "-o",
        tmp_path / "o",
    ]
    assert run(*words)[0] == 130
    how = Preprocess(resize=18, resample="bilinear")
    want = load_images(str(pictures / "cat"), (3, 16, 16), None, how).images
    assert torch.equal(seen[0], want)
    path = pictures / "cat" / "0.png"
    message = f"image {path} must be 3 x 16 x 16 (channels first), not 3 x 20 x 24"
    assert run(*words, "--strict") == (3, "", [message])


def test_strict_refuses_pictures_of_another_size(
    refused: Refused, named: str, pictures: Path, tmp_path: Path
) -> None:
    path = pictures / "cat" / "0.png"
    message = f"image {path} must be 3 x 16 x 16 (channels first), not 3 x 20 x 24"
    words = ("quantize", named, *FAST, "-o", tmp_path / "net", "--strict")
    refused(message, *words, "--calib", pictures / "cat")
    assert not (tmp_path / "net").exists()


def test_wrong_layouts_are_refused_before_the_work(
    refused: Refused, named: str, pictures: Path, tmp_path: Path
) -> None:
    words = ("quantize", named, *FAST, "--calib", pictures / "cat", "-o", tmp_path / "net")
    message = (
        f"image folder {pictures / 'cat'} must have one subfolder for each of the 3 classes, not 0"
    )
    refused(message, *words, "--eval", pictures / "cat")
    refused(f"image folder {tmp_path / 'no'} does not exist", *words, "--eval", tmp_path / "no")
    message = "images of digits have shape [1, 8, 8], but the network takes [3, 16, 16]"
    refused(message, *words, "--eval", "digits")
    assert not (tmp_path / "net").exists()


def test_random_parameters_are_said_to_be_random(
    run: Run, named: str, pictures: Path, tmp_path: Path
) -> None:
    words = ["quantize", named, *FAST, "--calib", pictures / "cat"]
    net = tmp_path / "net"
    code, out, _ = run(*words, "-o", net)
    assert (code, out.splitlines()[-1]) == (0, RANDOM)
    assert json.loads(run(*words, "-o", net, "--json")[1])["trained"] is False
    assert json.loads((net / "network.json").read_text())["trained"] is False
    for verb in (["compile", net, "-o", tmp_path / "program"], ["estimate", net]):
        code, out, _ = run(*verb, "--config", "tiny")
        assert (code, out.splitlines()[-1]) == (0, RANDOM)
        assert json.loads(run(*verb, "--config", "tiny", "--json")[1])["trained"] is False


def test_weights_make_a_named_model_a_trained_one(
    run: Run, refused: Refused, named: str, pictures: Path, tmp_path: Path
) -> None:
    weights, net = tmp_path / "w.safetensors", tmp_path / "net"
    tensors = VisionTransformer(SMALL).state_dict()
    save_file(tensors, weights)
    words = ["quantize", named, "--weights", weights, *FAST, "--calib", pictures / "cat", "-o", net]
    code, out, _ = run(*words)
    assert (code, out) == (0, f"{named}: w8a8, in {net}\n")
    assert load(net).trained
    del tensors["head_dist.bias"]
    save_file(tensors, weights)
    refused(f"weights {weights} are not those of {named}: missing: head_dist.bias; they look like "
            f"{named}", *words)  # fmt: skip


def test_models_that_are_none(refused: Refused, pictures: Path, tmp_path: Path) -> None:
    more = ("--calib", pictures, *FAST, "-o", tmp_path / "net")
    refused(f"folder {tmp_path / 'no'} does not exist", "quantize", f"hf:{tmp_path / 'no'}", *more)
    folder = hugging_face(tmp_path / "model")
    message = (
        "model must be 'digits', 'digits-small', a name such as deit_tiny_patch16_224, hf: and "
        f"a folder of save_pretrained, a .safetensors checkpoint or a .pt2, not {str(folder)!r}; "
        f"did you mean hf:{folder}?"
    )
    refused(message, "quantize", folder, *more)
    message = f"weights go with a model by name, not with 'hf:{folder}'"
    refused(message, "quantize", f"hf:{folder}", "--weights", "x", *more)
    weights = folder / "model.safetensors"
    message = (
        f"weights {weights} bear the names of Hugging Face, not timm's; name the folder that "
        f"save_pretrained wrote instead of deit_tiny_patch16_224: hf:{folder}"
    )
    refused(message, "quantize", "deit_tiny_patch16_224", "--weights", weights, *more)
