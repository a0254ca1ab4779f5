"""Speed of the tools: Verilog generation and golden inference."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from record import record

from golden.evaluate import run_float
from golden.execute import Executor
from golden.models import load_checkpoint
from golden.quantize import quantize
from golden.scheme import SCHEMES
from vitaccel.sources import load_images, load_network

REPEATS = 7
COLUMNS = ("what", "seconds, median", "seconds, worst")


def measure(what: str, run: Callable[[], object]) -> dict[str, object]:
    """Time ``run`` after one warm-up."""
    run()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    row = (what, round(statistics.median(times), 3), round(max(times), 3))
    return dict(zip(COLUMNS, row, strict=True))


def generate() -> None:
    """Write the Verilog of a 16 x 32 array in a fresh process, as a user does."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(Path(sys.executable).with_name("vitaccel")), "generate"]
        words += ["--config", "large-16x32", "-o", folder]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and record."""
    network = load_network("digits")
    shape = network.layers[0].shape
    test = load_images("digits", shape).images
    calibration = load_images("digits:train", shape, 128).images
    golden = Executor(quantize(network, calibration, SCHEMES["mixed"]))
    model = load_checkpoint().eval()
    rows = [measure("`vitaccel generate --config large-16x32`, start to end", generate)]
    with torch.no_grad():
        batch = f"{len(test)} digits at once"
        rows.append(measure(f"float PyTorch module, {batch}", lambda: model(test)))
        rows.append(measure(f"float network, {batch}", lambda: run_float(network, test)))
        rows.append(measure(f"golden integers, {batch}", lambda: golden.run(test, keep=False)))
    how = (
        f"`make bench`: {REPEATS} repetitions after one warm-up, {torch.get_num_threads()} threads."
    )
    record("speed", "Speed of the tools", how, COLUMNS, rows)


if __name__ == "__main__":
    main()
