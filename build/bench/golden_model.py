"""Time and memory of the golden model on DeiT-Tiny, beside the float PyTorch module."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from record import record

from golden.execute import Executor
from golden.models import named_model
from golden.quantize import quantize
from golden.scheme import SCHEMES
from golden.storage import load, save
from vitaccel.frontend import from_module

MODEL, SIZE, BATCH = "deit_tiny_patch16_224", 224, 16
REPEATS = 5  # after one that is not counted
GOAL_TIMES, GOAL_GIB = 2.0, 2.0
COLUMNS = (
    "what", "seconds, least", "times float", "CPU seconds, least", "times float, CPU", "peak GiB",
    "goal",
)  # fmt: skip
HOW = (
    f"`make bench-deit`: {MODEL} with random parameters, w8a8, a batch of {BATCH} images of "
    f"{SIZE} x {SIZE}, no intermediate tensors kept; each in a process of its own, {REPEATS} runs "
    "after one that is not counted. The peak is the process's own resident memory, Python, PyTorch "
    "and parameters included; the first row is what these take before the first image. "
    "CPU seconds count all threads and say more where others use the machine. Goals: "
    f"{GOAL_TIMES:g} times the float module's time, {GOAL_GIB:g} GiB."
)


def images() -> torch.Tensor:
    """Random images in 0 .. 1."""
    return torch.rand(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def prepare(folder: Path) -> None:
    """Quantise without the steps that only accuracy needs."""
    network = from_module(named_model(MODEL), torch.zeros(1, 3, SIZE, SIZE), MODEL)
    scheme = SCHEMES["w8a8"].replace(rounding="nearest", correction="none")
    save(quantize(network, images()[:2], scheme), folder)


def run(what: str, folder: Path) -> dict[str, Any]:
    """Seconds of each run, and the peak of this process, in GiB."""
    work: Callable[[torch.Tensor], object]
    if what == "float":
        work = named_model(MODEL).eval()
    else:
        executor = Executor(load(folder))
        work = lambda batch: executor.run(batch, keep=False)  # noqa: E731
    batch, seconds, cpu = images(), [], []
    before = peak()
    with torch.inference_mode():
        for _ in range(REPEATS + 1):
            began, busy = time.perf_counter(), time.process_time()
            work(batch)
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - busy)
    return {
        "seconds": min(seconds[1:]),
        "cpu": min(cpu[1:]),
        "peak": peak(),
        "before": before,
        "threads": torch.get_num_threads(),
    }


def peak() -> float:
    """GiB that this process has had at most.

    From Linux' ``VmHWM``: ``ru_maxrss`` of `resource.getrusage` begins with what the parent had.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20  # pyright: ignore


def apart(what: str, folder: Path) -> dict[str, Any]:
    """Run in a process of its own."""
    words = [sys.executable, __file__, "--only", what, "--network", str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["float", "golden"])
    parser.add_argument("--network", type=Path)
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(run(asked.only, asked.network)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "network"
        prepare(folder)
        found = {what: apart(what, folder) for what in ("float", "golden")}
    base, idle = found["float"], found["golden"]["before"]
    empty = ("golden model, loaded", None, None, None, None, f"{idle:.2f}", None)
    rows: list[dict[str, Any]] = [dict(zip(COLUMNS, empty, strict=True))]
    for what, text in (("float", "float PyTorch module"), ("golden", "golden model")):
        mine = found[what]
        times, cpu = (mine[key] / base[key] for key in ("seconds", "cpu"))
        met = times <= GOAL_TIMES and mine["peak"] <= GOAL_GIB
        goal = {"float": None, "golden": "met" if met else "MISSED"}[what]
        figures = (f"{mine['seconds']:.2f}", f"{times:.2f}", f"{mine['cpu']:.2f}", f"{cpu:.2f}")
        row = (text, *figures, f"{mine['peak']:.2f}", goal)
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    threads = found["golden"]["threads"]
    record("golden", "Golden model of DeiT-Tiny", f"{HOW} {threads} threads.", COLUMNS, rows)


if __name__ == "__main__":
    main()
