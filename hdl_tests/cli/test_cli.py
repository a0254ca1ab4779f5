"""The command line: results, and one line with its exit code for whatever is wrong."""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import golden.scheme
import vitaccel.generate
import vitaccel.quantize
from vitaccel.compile import Program, compile_network
from vitaccel.compile.instruction import decode
from vitaccel.config import AcceleratorConfig
from vitaccel.flow import tools
from vitaccel.isa import BYTES
from vitaccel.load_config import load_config
from vitaccel.memories import memory_timing
from vitaccel.presets import PRESETS

Run = Callable[..., tuple[int, str, list[str]]]
PRESET_NAMES = ", ".join(PRESETS)


def test_messages_reach_stderr_without_traceback(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "vitaccel.cli", "compile", tmp_path / "none", "-o", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    path = tmp_path / "none" / "network.json"
    message = f"E network file {path} cannot be read: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", message)


def test_help_names_every_verb(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for verb in ("quantize", "generate", "compile", "simulate", "demo", "doctor", "configs"):
        assert verb in out


def test_unknown_verb_is_a_usage_error(run: Run) -> None:
    assert run("simulat")[0] == 2


def test_configs(run: Run) -> None:
    code, out, _ = run("configs")
    assert code == 0
    lines = out.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("preset"))
    assert [line.split()[0] for line in lines[head + 1 :]] == list(PRESETS)
    code, out, _ = run("configs", "--json")
    assert code == 0
    assert {n: AcceleratorConfig.parse(raw) for n, raw in json.loads(out).items()} == PRESETS


def module_ports(verilog: str) -> dict[str, tuple[str, int]]:
    """Direction and width of every port of the top module."""
    top = re.search(r"^module vitaccel\(.*?^endmodule", verilog, re.M | re.S)
    assert top
    found = re.findall(r"^ *(input|output) (?:wire )?(?:\[(\d+):0\] )?(\w+) *;", top[0], re.M)
    return {name: (way, int(msb or 0) + 1) for way, msb, name in found}


def test_generate_writes_verilog_and_its_sidecar(run: Run, tmp_path: Path) -> None:
    changes = ("--set", "weight_bits=4", "--set", "columns = 8", "--set", "requant=shift")
    code, out, _ = run("generate", "--config", "tiny", *changes, "-o", tmp_path, "--json")
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vitaccel.json", "vitaccel.v"]
    about = json.loads((tmp_path / "vitaccel.json").read_text())
    assert json.loads(out) == about
    config = PRESETS["tiny"].replace(weight_bits=4, columns=8, requant="shift")
    assert AcceleratorConfig.parse(about["config"]) == config
    assert (about["config_digest"], about["multipliers"]) == (config.digest(), 16)
    members = about["ports"]["members"]
    ports = {name: ({"in": "input", "out": "output"}[m["dir"]], m["width"])
             for name, m in members.items()}  # fmt: skip
    verilog = module_ports((tmp_path / "vitaccel.v").read_text())
    assert ports == {name: port for name, port in verilog.items() if name not in ("clk", "rst")}
    assert verilog["clk"] == verilog["rst"] == ("input", 1)


@pytest.mark.parametrize("bits", range(2, 9))
def test_set_takes_every_width_of_weights(bits: int) -> None:
    assert load_config("demo", [f"weight_bits={bits}"]).weight_bits == bits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("weight_bit=4", "weight_bit is not a parameter; did you mean 'weight_bits'?"),
        ("weight_bits=9", "weight_bits: input should be less than or equal to 8, not 9"),
        ("weight_bits=four", "weight_bits: input should be a valid integer, not 'four'"),
        ("weight_bits", "set must be name=value, not 'weight_bits'"),
        ("columns=6", "columns must be 1 to 8 times rows (4), not 6"),
    ],
)
def test_bad_set_is_refused(
    change: str, message: str, refused: Callable[..., None], tmp_path: Path
) -> None:
    refused(message, "generate", "--config", "tiny", "--set", change, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_config_files(run: Run, refused: Callable[..., None], tmp_path: Path) -> None:
    missing, broken, good = (tmp_path / name for name in ("none.toml", "broken.toml", "good.toml"))
    message = f"config must be a file or one of {PRESET_NAMES}, not {str(missing)!r}"
    refused(message, "generate", "--config", missing, "-o", tmp_path / "out")
    broken.write_text("rows 4")
    code, _, (line,) = run("generate", "--config", broken, "-o", tmp_path / "out")
    assert code == 3
    assert line.startswith(f"{broken} is not TOML: ")
    assert "\n" not in line
    good.write_text("rows = 4\ncolumns = 4\n")
    assert load_config(str(good)) == AcceleratorConfig(rows=4, columns=4)


def test_compile_chooses_for_the_memory(
    run: Run, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def note(*args: Any, **named: Any) -> Program:
        asked.update(named)
        return compile_network(*args, **named)

    monkeypatch.setattr("vitaccel.compile.compile_network", note)
    words = ("compile", network, "--config", "tiny", "-o", tmp_path, "--memory")
    assert run(*words, "sdram")[0] == 0
    assert asked["timing"] == memory_timing("sdram", PRESETS["tiny"])
    message = "memory must be one of bus, sdram, not 'ddr'"
    assert run(*words, "ddr") == (3, "", [message])


def test_compile_writes_program_and_listing(run: Run, network: Path, tmp_path: Path) -> None:
    code, out, _ = run("compile", network, "--config", "tiny", "-o", tmp_path, "--json")
    assert code == 0
    names = ["board.json", "network", "program.bin", "program.json", "program.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    image = (tmp_path / "program.bin").read_bytes()
    about = json.loads((tmp_path / "program.json").read_text())
    assert about["config_digest"] == PRESETS["tiny"].digest()
    main = about["main"]
    assert json.loads(out) == {
        "instructions": len(main["labels"]), "bytes": len(image), "out": str(tmp_path),
        "trained": True,
    }  # fmt: skip
    listing = (tmp_path / "program.txt").read_text().split(f"main: {main['address']:#x}\n")[1]
    code = [image[main["address"] + BYTES * n :][:BYTES] for n in range(len(main["labels"]))]
    ops = [decode(raw)[0].name for raw in code]
    assert [line.split()[1] for line in listing.splitlines()] == ops
    assert {"LOAD", "GEMM", "POST", "NORM", "SOFTMAX", "STORE"} < set(ops)
    assert (ops.count("HALT"), ops[-1]) == (1, "HALT")


def test_quantize_refusals(refused: Callable[..., None], tmp_path: Path) -> None:
    out, empty, wrong = (tmp_path / name for name in ("out", "empty", "wrong"))
    empty.mkdir()
    wrong.mkdir()
    np.save(wrong / "a.npy", np.zeros((1, 9, 9), dtype=np.uint8))
    digits = ("--images", "digits:train", "-o", out)
    message = (
        "model must be 'digits', 'digits-small', a name such as deit_tiny_patch16_224, hf: and "
        "a folder of save_pretrained, a .safetensors checkpoint or a .pt2, not 'letters'"
    )
    refused(message, "quantize", "letters", *digits)
    refused(f"model {tmp_path / 'a.pt2'} does not exist", "quantize", tmp_path / "a.pt2", *digits)
    schemes = ", ".join(golden.scheme.SCHEMES)
    message = f"scheme must be one of {schemes}, not 'w1a1'"
    refused(message, "quantize", "digits", "--scheme", "w1a1", *digits)
    message = f"image folder {empty} must have images (.png, .jpg, .jpeg, .npy, .npz), not none"
    refused(message, "quantize", "digits", "--images", empty, "-o", out)
    message = f"image {wrong / 'a.npy'} must be 1 x 8 x 8 (channels first), not 1 x 9 x 9"
    refused(message, "quantize", "digits", "--images", wrong, "-o", out)
    assert not out.exists()


def test_simulate_refusals(refused: Callable[..., None], network: Path, tmp_path: Path) -> None:
    out = ("--config", "tiny", "-o", tmp_path / "out")
    message = "images of digits have shape [1, 8, 8], but the network takes [1, 2, 8]"
    refused(message, "simulate", network, "--images", "digits", *out)
    missing = tmp_path / "none"
    message = f"network file {missing / 'network.json'} cannot be read: No such file or directory"
    refused(message, "simulate", missing, "--images", "digits", *out)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["generate", "compile"])
def test_unwritable_output_is_refused(
    verb: str, refused: Callable[..., None], network: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "out"
    message = f"output folder {out} cannot be written: Not a directory; choose another with -o"
    refused(message, verb, *([network] if verb == "compile" else []), "--config", "tiny", "-o", out)
    assert (tmp_path / "file").read_text() == "mine"


def test_doctor_fails_without_a_required_tool(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert [tool["name"] for tool in json.loads(out)["tools"]] == list(tools.TOOLS)
    monkeypatch.setenv("GXX", "/nowhere/g++")
    code, out, messages = run("doctor")
    assert (code, messages) == (4, ["g++ is missing: apt-get install g++"])
    assert re.search(r"^g\+\+ +missing +apt-get install g\+\+", out, re.M)


def test_doctor_allows_an_optional_tool_to_be_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOSYS", "/nowhere/yosys")
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert not next(t for t in json.loads(out)["tools"] if t["name"] == "yosys")["found"]


class Unsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(torch.cumsum(x.flatten(1), 1))


def test_check_lists_everything(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Unsupported(), (torch.zeros(1, 1, 4, 4),))
        torch.export.save(program, path)
    code, out, messages = run("check", path, "--json")
    about = json.loads(out)
    operators = [finding["operator"] for finding in about["findings"]]
    assert code == 3
    assert not about["supported"]
    assert {"aten.cumsum.default", "aten.sigmoid.default"} <= set(operators)
    assert messages == [f"{path} has {len(operators)} operators that do not map"]
    code, out, _ = run("check", path)
    assert code == 3
    assert all(operator in out for operator in operators)


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_interrupt_ends_with_130(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitaccel.generate, "Accelerator", interrupt)
    monkeypatch.setattr(vitaccel.quantize, "quantize", interrupt)
    for words in (("generate",), ("quantize", "digits", "--images", "digits:train")):
        code, out, messages = run(*words, "-o", tmp_path / "out")
        assert (code, out, messages) == (130, "", [])
    assert list(tmp_path.iterdir()) == []


def test_interrupt_leaves_no_half_written_file(
    run: Run, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("compile", network, "--config", "tiny", "-o", tmp_path)
    assert run(*words)[0] == 0

    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = contents()
    monkeypatch.setattr(Path, "replace", interrupt)
    assert run(*words)[0] == 130
    assert contents() == before
