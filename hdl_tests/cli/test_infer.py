"""`vitaccel infer`: a picture to its classes, on a serial port and on the simulated board."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import serial
import torch
from PIL import Image

from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import Scheme
from golden.storage import load
from hdl_tests.harness.serial_board import FakeAccelerator, serial_port
from vitaccel.compile import compile_network
from vitaccel.host.deployment import Deployment, save_deployment
from vitaccel.presets import PRESETS
from vitaccel.sources import load_images, load_network

Run = Callable[..., tuple[int, str, list[str]]]
Refused = Callable[..., None]


@pytest.fixture(scope="module")
def out(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``compile`` writes."""
    folder = tmp_path_factory.mktemp("out")
    integers = load(network)
    program = compile_network(integers, PRESETS["tiny"])
    save_deployment(folder, integers, PRESETS["tiny"], program)
    return folder


@pytest.fixture(scope="module")
def picture(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image as a file."""
    path = tmp_path_factory.mktemp("images") / "one.npy"
    shape = load(out / "network").layers[0].out.shape
    np.save(path, np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8))
    return path


@pytest.fixture(scope="module")
def golden(out: Path, picture: Path) -> dict[str, np.ndarray]:
    """Every tensor of that image."""
    image = torch.from_numpy(np.load(picture).astype(np.float32) / 255)[None]
    tensors = execute(load(out / "network"), image)
    return {name: tensor[0].numpy().astype(np.int64) for name, tensor in tensors.items()}


@pytest.fixture
def board(out: Path, golden: dict[str, np.ndarray]) -> FakeAccelerator:
    deployment = Deployment.load(out)
    logits = golden[deployment.network.layers[-1].name]
    return FakeAccelerator(deployment.program, logits, deployment.memory_bytes)


def test_a_deployment_comes_back(network: Path, out: Path) -> None:
    found = Deployment.load(out)
    assert found.program == compile_network(load(network), PRESETS["tiny"])
    assert found.config == PRESETS["tiny"]
    assert found.memory_bytes >= found.program.size


def test_a_board_on_a_port(
    run: Run,
    out: Path,
    picture: Path,
    board: FakeAccelerator,
    golden: dict[str, np.ndarray],
) -> None:
    with serial_port(board) as port:
        words = ("infer", out, picture, "--port", port, "--baud", "115200", "--json")
        code, text, lines = run(*words)
    assert (code, lines) == (0, [])
    about = json.loads(text)
    logits = golden["head"].reshape(-1)
    assert about["logits"] == logits.tolist()
    best = np.argsort(-logits, kind="stable")[:5]
    assert [entry["class"] for entry in about["top"]] == [str(n) for n in best]
    weights = np.exp((logits - logits.max()) * load(out / "network").layers[-1].out.scale)
    assert about["top"][0]["probability"] == pytest.approx(1 / weights.sum(), abs=1e-4)
    assert about["counters"]["CYCLES"] == 1234
    program = board.program
    assert board.memory[: len(program.image)] == program.image
    routines = [program.setup, program.main] if program.setup else [program.main]
    assert board.runs == [routine.address for routine in routines]
    region = program.input
    sent = region.read(bytes(region.address) + board.inputs, True)
    assert (sent == golden[region.tensor]).all()


def test_the_table_names_classes_cycles_and_bytes(
    run: Run, out: Path, picture: Path, board: FakeAccelerator
) -> None:
    with serial_port(board) as port:
        code, text, _ = run("infer", out, picture, "--port", port, "--baud", "115200")
    assert code == 0
    assert "probability" in text
    assert "core: 1234 cycles" in text
    assert "link: " in text
    assert "image to result" in text


def test_a_pulled_cable_is_told(run: Run, out: Path, picture: Path, board: FakeAccelerator) -> None:
    with serial_port(board, pull_after=600) as port:
        words = ("infer", out, picture, "--port", port, "--baud", "115200")
        code, text, lines = run(*words)
    assert (code, text) == (1, "")
    assert lines == [f"port {port} is gone; was the cable pulled?"]


def test_another_program_on_the_port_is_told(
    run: Run, out: Path, picture: Path, board: FakeAccelerator
) -> None:
    with serial_port(board) as port, serial.Serial(port, exclusive=True):
        words = ("infer", out, picture, "--port", port, "--baud", "115200")
        code, text, lines = run(*words)
    assert (code, text) == (1, "")
    assert lines == [f"port {port} is in use by another program; close that"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (2, "there is no port COM7; there are /dev/ttyA, /dev/ttyB; is the board plugged in?"),
        (
            13,
            (
                "port COM7 may not be used by you; join its group (sudo usermod -aG dialout $USER, "
                "then log in again)"
            ),
        ),
        (25, "port COM7 is no serial port: [Errno 25] why"),
    ],
)
def test_ports_that_do_not_open_are_told(
    number: int,
    message: str,
    run: Run,
    out: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from serial.tools import list_ports, list_ports_common

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(number, "why")

    ports = [list_ports_common.ListPortInfo(f"/dev/tty{n}") for n in "AB"]
    monkeypatch.setattr(serial, "Serial", refuse)
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    words = ("infer", out, picture, "--port", "COM7", "--baud", "115200")
    assert run(*words) == (1, "", [message])


def test_a_file_is_no_port(run: Run, out: Path, picture: Path) -> None:
    words = ("infer", out, picture, "--port", picture, "--baud", "115200")
    code, text, lines = run(*words)
    assert (code, text) == (1, "")
    assert len(lines) == 1
    assert lines[0].startswith(f"port {picture} is no serial port: ")


def test_refusals(refused: Refused, out: Path, picture: Path, tmp_path: Path) -> None:
    refused("infer needs either --port, the board's serial port, or --sim", "infer", out, picture)
    refused(
        "infer needs either --port, the board's serial port, or --sim",
        *("infer", out, picture, "--sim", "--port", "x"),
    )
    refused(
        "this folder was compiled for the simulated board and knows no baud rate; build it for a "
        "board, or give --baud",
        *("infer", out, picture, "--port", "x"),
    )
    refused(
        f"{tmp_path}/board.json cannot be read: No such file or directory; infer takes what "
        "compile or build wrote",
        *("infer", tmp_path, picture, "--sim"),
    )
    missing = tmp_path / "none.png"
    refused(
        f"image {missing} is broken: [Errno 2] No such file or directory: '{missing}'",
        *("infer", out, missing, "--sim"),
    )
    two = tmp_path / "two.npy"
    np.save(two, np.stack([np.load(picture)] * 2))
    refused(f"image {two} must be one image, not 2", "infer", out, two, "--sim")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("board.json", "{", "board.json is damaged: Expecting property name"),
        ("board.json", "{}", "board.json lacks board, config, memory_bytes"),
        ("board.json", "[1]", "board.json lacks board, config, memory_bytes"),
        ("program.json", "{}", "program.json is damaged: 'version'"),
        ("program.json", '{"version": 9}', "program.json is damaged: version 9, not 1"),
        ("network/network.json", "{", "network/network.json is damaged"),
    ],
)
def test_damaged_folders_are_refused(
    name: str, text: str, message: str, run: Run, out: Path, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    for path in (path for path in out.rglob("*") if path.is_file()):
        copy = folder / path.relative_to(out)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (folder / name).write_text(text)
    code, printed, lines = run("infer", folder, picture, "--sim")
    assert (code, printed, len(lines)) == (3, "", 1)
    assert message in lines[0]


def test_a_program_of_another_accelerator_is_refused(
    run: Run, out: Path, picture: Path, board: FakeAccelerator
) -> None:
    board.set("CONFIG_DIGEST", 0x0BADC0DE)
    with serial_port(board) as port:
        words = ("infer", out, picture, "--port", port, "--baud", "115200")
        code, text, lines = run(*words)
    assert (code, text) == (1, "")
    assert lines[0].startswith("the accelerator has configuration 0badc0de, but the program")
    assert board.runs == []


@pytest.mark.cosim
@pytest.mark.slow
def test_the_simulated_board_gives_the_integers_of_golden(
    run: Run, out: Path, picture: Path, golden: dict[str, np.ndarray]
) -> None:
    code, text, lines = run("infer", out, picture, "--sim", "--json")
    assert (code, lines) == (0, [])
    about = json.loads(text)
    assert about["logits"] == golden["head"].reshape(-1).tolist()
    assert about["board"] == "simulated"
    assert about["counters"]["CYCLES"] > about["counters"]["MXU_BEATS"] > 0
    assert about["bytes_sent"] > len(Deployment.load(out).program.image)


@pytest.mark.cosim
@pytest.mark.slow
def test_digits_over_the_simulated_line(run: Run, tmp_path: Path) -> None:
    """The shipped network, a held-out picture as a file, the demo's accelerator."""
    config, test = PRESETS["demo"], load_images("digits", (1, 8, 8), 3)
    integers = quantize(
        load_network("digits"),
        load_images("digits:train", (1, 8, 8), 64).images,
        Scheme.for_config("mixed", config),
    )
    folder = tmp_path / "out"
    save_deployment(folder, integers, config, compile_network(integers, config))
    image = (test.images[2] * 255).round().to(torch.uint8)
    picture = tmp_path / "digit.png"
    Image.fromarray(image[0].numpy()).save(picture)
    code, text, lines = run("infer", folder, picture, "--sim", "--json")
    assert (code, lines) == (0, [])
    about = json.loads(text)
    want = execute(integers, image[None].float() / 255, keep=False)[integers.layers[-1].name]
    assert about["logits"] == want.flatten().tolist()
    assert test.labels is not None
    assert about["top"][0]["class"] == str(int(test.labels[2]))
