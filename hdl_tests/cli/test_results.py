"""What verbs say at the end, and refuse at the beginning."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vitaccel.sources import Images
from vitaccel.verify import Mismatch, Verdict

Run = Callable[..., tuple[int, str, list[str]]]


@pytest.mark.parametrize("verb", ["simulate", "demo", "quantize"])
def test_an_output_folder_is_tried_before_the_work(
    refused: Callable[..., None], network: Path, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    words = {"simulate": [network, "--images", "digits"], "quantize": ["digits"], "demo": []}
    more = ["--images", "digits:train"] if verb == "quantize" else []
    message = f"output folder {out} cannot be written: Not a directory; choose another with -o"
    refused(message, verb, *words[verb], *more, "-o", out)


def test_a_mismatch_is_exit_code_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, network: Path, tmp_path: Path
) -> None:
    wrong = Verdict(2, mismatches=[Mismatch(1, "head", 0, (0, 3), 7, 8)], cycles_per_image=5)
    monkeypatch.setattr("vitaccel.verify.verify", lambda *_, **__: wrong)
    monkeypatch.setattr(
        "vitaccel.sources.load_images", lambda *_: Images(torch.zeros(2, 1, 8, 8), None)
    )
    code, out, messages = run("simulate", network, "--images", "digits", "-o", tmp_path / "out")
    assert (code, messages) == (1, ["image 1, tensor head at [0, 3]: RTL 7, golden 8"])
    assert out.startswith("NOT bit-exact: image 1, tensor head")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["bit_exact"] is False
    assert "Not bit-exact" in (tmp_path / "out" / "report.html").read_text()


def test_estimate_tells_cycles_and_traffic(run: Run, network: Path) -> None:
    words = ["estimate", network, "--config", "tiny", "--memory", "sdram", "--mhz", "50"]
    code, out, _ = run(*words, "--json")
    about = json.loads(out)
    assert code == 0
    assert about["images_per_second"] == round(50e6 / about["cycles_per_image"], 2)
    code, out, _ = run(*words)
    assert out.startswith(f"{about['cycles_per_image']} cycles per image\n")
    message = "memory must be one of bus, sdram, not 'none'"
    assert run("estimate", network, "--config", "tiny", "--memory", "none") == (3, "", [message])


def test_estimate_writes_its_report(run: Run, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, _ = run("estimate", network, "--config", "tiny", "-o", out)
    assert code == 0
    assert "useful beats" in text
    page = (out / "report.html").read_text()
    assert "Estimated: the program was timed" in page
    about = json.loads(run("estimate", network, "--config", "tiny", "--json")[1])
    assert sum(about["cycles_by_cause"].values()) == about["cycles_per_image"]
    kinds = about["bytes_by_kind"]
    assert sum(kinds.values()) == about["bytes_loaded"] + about["bytes_stored"] + kinds["program"]
    (tmp_path / "file").write_text("")
    bad = tmp_path / "file" / "out"
    message = f"output folder {bad} cannot be written: Not a directory; choose another with -o"
    assert run("estimate", network, "--config", "tiny", "-o", bad) == (3, "", [message])


def test_ctrl_c_ends_the_demo_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The interrupt comes while the Verilog is written."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from vitaccel import cli; sys.argv = ['vitaccel', 'demo', '--config', 'tiny',"
        "'--scheme', 'w8a8', '-o', 'out']; cli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not (tmp_path / "out" / "network" / "network.json").exists():
            assert process.poll() is None, "ended before the interrupt"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix == ".part"]
    assert not (tmp_path / "out" / "summary.json").exists()
