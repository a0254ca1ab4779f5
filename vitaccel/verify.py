"""Run a network in RTL and compare every integer with the golden model."""

import pickle
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from golden.execute import execute
from golden.qnetwork import RANDOM, QNetwork
from vitaccel.compile import Program, compile_network
from vitaccel.compile.compiler import layer_macs
from vitaccel.config import AcceleratorConfig
from vitaccel.flow.simulation import build_model, run_bench
from vitaccel.host.bench import JOB, RESULTS, Job, Results
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.hw.simulation_top import SimulationTop
from vitaccel.profile import Profile, profile
from vitaccel.spans import Interval, intervals, spans_of
from vitaccel.timing import Stopwatch

__all__ = ["Mismatch", "Verdict", "verify"]

TOP = "simulation_top"
TRACED = 4  # images of which every intermediate tensor is compared


@dataclass(frozen=True)
class Mismatch:
    """First difference of one tensor."""

    image: int
    tensor: str
    head: int
    where: tuple[int, ...]
    got: int
    want: int

    def __str__(self) -> str:
        head = f" head {self.head}" if self.head else ""
        return (
            f"image {self.image}, tensor {self.tensor}{head} at {list(self.where)}: "
            f"RTL {self.got}, golden {self.want}"
        )


@dataclass
class Verdict:
    """What a simulation showed."""

    images: int
    tensors_compared: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    golden_logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    cycles_per_image: int = 0
    mac_utilization: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)
    timeline: dict[str, list[Interval]] = field(default_factory=dict)
    profile: Profile | None = None  # of the last image, as the timeline
    tensors: dict[str, int] = field(default_factory=dict)  # name -> comparisons that agreed
    simulation_hz: float = 0.0
    trained: bool = True  # see `QNetwork`

    @property
    def bit_exact(self) -> bool:
        """Whether everything compared is equal."""
        return not self.mismatches

    def lines(self) -> list[str]:
        """The verdict in words."""
        if self.bit_exact:
            verdict = f"bit-exact: {self.tensors_compared} tensors of {self.images} images equal"
        else:
            verdict = f"NOT bit-exact: {self.mismatches[0]}"
        return [
            verdict,
            (
                f"{self.cycles_per_image} cycles per image, {self.mac_utilization:.1%} of the MACs "
                f"useful; simulated at {self.simulation_hz / 1000:.0f} k cycles/s"
            ),
            *([] if self.trained else [RANDOM]),
        ]

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        return {
            "bit_exact": self.bit_exact,
            "images": self.images,
            "tensors_compared": self.tensors_compared,
            "mismatches": [str(mismatch) for mismatch in self.mismatches[:10]],
            "cycles_per_image": self.cycles_per_image,
            "mac_utilization": round(self.mac_utilization, 4),
            "simulation_hz": round(self.simulation_hz),
            "trained": self.trained,
            "counters": self.counters,
        }


def verify(
    network: QNetwork,
    config: AcceleratorConfig,
    images: Tensor,
    models: Path,
    watch: Stopwatch,
    traced: int = TRACED,
    timing: MemoryTiming | None = None,
) -> Verdict:
    """Simulate ``images`` and compare with `golden.execute`.

    Parameters
    ----------
    images
        Float ``[n, c, h, w]``, n >= 1; the first ``traced`` (at most n - 1) are compared tensor by
        tensor, the others by their logits, and those give cycles and utilisation.
    models
        Folder that keeps simulation models between calls.
    timing
        Of the external memory.
    watch
        Times the steps golden, compile, build and simulate.

    Raises
    ------
    ConfigError, ToolError, BuildError
        If the network does not map, a tool is missing, or the simulation does not build.
    """
    verdict = Verdict(len(images), trained=network.trained)
    with watch("golden"):
        want = execute(network, images)
    with watch("compile"):
        lean = compile_network(network, config, timing=timing)
        full = compile_network(network, config, keep=True, timing=timing)
    with watch("build"):
        size = max(lean.size, full.size)  # a power of two: other networks find the same model
        top = SimulationTop(config, 1 << (size - 1).bit_length(), timing)
        model = build_model(top.verilog(TOP), TOP, models)
    with watch("simulate"):
        patches = want[lean.input.tensor].numpy().astype(np.int64)
        traced = min(traced, len(images) - 1)
        job = Job(lean, full, patches, traced, config.axi_bytes)
        results = _run(model, job, lambda n: watch.tell(n / len(images)))
    _compare(network, job, results, want, verdict)
    _measure(network, config, lean, results, timing or MemoryTiming(), verdict)
    return verdict


def _run(model: Any, job: Job, on_image: Callable[[int], None]) -> Results:
    folder = Path(tempfile.mkdtemp(prefix="vitaccel-"))
    try:
        (folder / JOB).write_bytes(pickle.dumps(job))
        run_bench(
            model, "vitaccel.host.bench", folder, on_progress=lambda told: on_image(told["images"])
        )
        return pickle.loads((folder / RESULTS).read_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(
    network: QNetwork, job: Job, results: Results, want: dict[str, Tensor], verdict: Verdict
) -> None:
    formats = {layer.name: layer.out for layer in network.layers}
    last = network.layers[-1].name
    logits = []
    for image, outputs in enumerate(results.outputs):
        program: Program = job.full if image < job.traced else job.lean
        for region, raw in zip(program.outputs, outputs, strict=True):
            out = formats[region.tensor]
            memory = bytes(region.address) + raw
            got = region.read(memory, out.signed)
            expected = region.of(want[region.tensor][image].numpy().astype(np.int64))
            verdict.tensors_compared += 1
            wrong = np.argwhere(got != expected)
            if len(wrong):
                at = tuple(int(i) for i in wrong[0])
                verdict.mismatches.append(
                    Mismatch(image, region.tensor, region.head, at, int(got[at]), int(expected[at]))
                )
            else:
                verdict.tensors[region.tensor] = verdict.tensors.get(region.tensor, 0) + 1
            if region.tensor == last:
                logits.append(got.reshape(-1))
    verdict.logits = np.stack(logits)
    verdict.golden_logits = want[last].numpy().reshape(len(want[last]), -1).astype(np.int64)


def _measure(
    network: QNetwork,
    config: AcceleratorConfig,
    program: Program,
    results: Results,
    timing: MemoryTiming,
    verdict: Verdict,
) -> None:
    names = results.counters[0]
    mean = {n: round(sum(c[n] for c in results.counters) / len(results.counters)) for n in names}
    verdict.counters = mean
    verdict.cycles_per_image = mean["CYCLES"]
    macs = sum(layer_macs(network).values())
    verdict.mac_utilization = macs / (config.rows * config.columns * mean["CYCLES"])
    verdict.simulation_hz = sum(c["CYCLES"] for c in results.counters) / results.seconds
    cycles = results.counters[-1]["CYCLES"]
    verdict.timeline = intervals(results.trace, program, cycles)
    spans = spans_of(results.trace, program, cycles)
    verdict.profile = profile(program, config, timing, spans, cycles)
