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
from vitaccel.compile.macs import layer_macs
from vitaccel.config import AcceleratorConfig
from vitaccel.flow.simulation import build_model, run_bench
from vitaccel.gain import Gain, gain
from vitaccel.host.bench import JOB, RESULTS, Job, Result, Task
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
    counters: dict[str, int] = field(default_factory=dict)  # of a run
    timeline: dict[str, list[Interval]] = field(default_factory=dict)
    profile: Profile | None = None  # of the last run, as the timeline
    tensors: dict[str, int] = field(default_factory=dict)  # name -> comparisons that agreed
    simulation_hz: float = 0.0
    trained: bool = True  # see `QNetwork`
    batch: int = 1  # images a run
    gain: Gain | None = None  # of a batch

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
            *([self.gain.line()] if self.gain else []),
            *([] if self.trained else [RANDOM]),
        ]

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        return {
            "bit_exact": self.bit_exact,
            "images": self.images,
            "tensors_compared": self.tensors_compared,
            "mismatches": [str(mismatch) for mismatch in self.mismatches[:10]],
            "batch": self.batch,
            "cycles_per_image": self.cycles_per_image,
            "mac_utilization": round(self.mac_utilization, 4),
            "simulation_hz": round(self.simulation_hz),
            "trained": self.trained,
            "counters": self.counters,
        } | ({"gain": self.gain.summary()} if self.gain else {})


def verify(
    network: QNetwork,
    config: AcceleratorConfig,
    images: Tensor,
    models: Path,
    watch: Stopwatch,
    traced: int = TRACED,
    timing: MemoryTiming | None = None,
    batch: int = 1,
) -> Verdict:
    """Simulate ``images`` and compare with `golden.execute`.

    Parameters
    ----------
    images
        Float ``[n, c, h, w]``, n >= 1; the first ``traced``, rounded up to whole batches but at
        most n - 1, are compared tensor by tensor, the others by their logits, and those give cycles
        and utilisation.
    models
        Folder that keeps simulation models between calls.
    timing
        Of the external memory.
    watch
        Times the steps golden, compile, build and simulate.
    batch
        Images of a run; the last run computes its last image more than once if others are missing.
        With more than one, the last image is run alone too, to tell what the batch gains.

    Raises
    ------
    ConfigError, ToolError, BuildError
        If the network does not map, a tool is missing, or the simulation does not build.
    """
    verdict = Verdict(len(images), trained=network.trained, batch=batch)
    with watch("golden"):
        want = execute(network, images)
    with watch("compile"):
        lean = compile_network(network, config, timing=timing, batch=batch)
        full = compile_network(network, config, keep=True, timing=timing, batch=batch)
        plans = _plans(full, lean, len(images), traced)
        if batch > 1:
            alone = compile_network(network, config, timing=timing)
            plans.insert(1, (alone, range(len(images) - 1, len(images))))
    with watch("build"):
        size = max(program.size for program, _ in plans)
        # A power of two: other networks find the same model.
        top = SimulationTop(config, 1 << (size - 1).bit_length(), timing)
        model = build_model(top.verilog(TOP), TOP, models)
    with watch("simulate"):
        patches = want[lean.input.tensor].numpy().astype(np.int64)
        tasks = tuple(Task(program, _runs(program, patches[some])) for program, some in plans)
        total = sum(task.program.batch * len(task.patches) for task in tasks)
        results = _run(model, Job(tasks, config.axi_bytes), lambda n: watch.tell(n / total))
    last = want[network.layers[-1].name].numpy().reshape(len(images), -1).astype(np.int64)
    verdict.logits, verdict.golden_logits = np.zeros_like(last), last
    for (program, some), result in zip(plans, results, strict=True):
        for n, image in enumerate(some):
            _compare(network, program, result, n, image, want, verdict)
    _measure(network, config, lean, results[-1], timing or MemoryTiming(), verdict)
    if batch > 1:
        (alone, _), timed = plans[1], results[1].counters[0]["CYCLES"]
        verdict.gain = gain(lean, verdict.counters["CYCLES"], alone, timed, config)
    return verdict


Plan = tuple[Program, range]  # and the images that it computes


def _plans(full: Program, lean: Program, n_images: int, traced: int) -> list[Plan]:
    batch = lean.batch
    traced = min(-(-traced // batch) * batch, n_images - 1)
    return [(full, range(traced)), (lean, range(traced, n_images))]


def _runs(program: Program, patches: np.ndarray) -> np.ndarray:
    """Patches ``[n, tokens, k]`` as ``[runs, rows, k]``; the last image fills up the last run."""
    n, batch = len(patches), program.batch
    chosen = np.minimum(np.arange(-(-n // batch) * batch), n - 1)
    return patches[chosen].reshape(-1, batch * patches.shape[1], patches.shape[2])


def _run(model: Any, job: Job, on_image: Callable[[int], None]) -> list[Result]:
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
    network: QNetwork,
    program: Program,
    result: Result,
    n: int,
    image: int,
    want: dict[str, Tensor],
    verdict: Verdict,
) -> None:
    """Compare everything that the task's n-th image left with what golden says of ``image``."""
    formats = {layer.name: layer.out for layer in network.layers}
    run, place = divmod(n, program.batch)
    for region, raw in zip(program.outputs, result.outputs[run], strict=True):
        memory = bytes(region.address) + raw
        rows = region.read(memory, formats[region.tensor].signed)
        got = np.split(rows, program.batch)[place]
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
        if region.tensor == network.layers[-1].name:
            verdict.logits[image] = got.reshape(-1)


def _measure(
    network: QNetwork,
    config: AcceleratorConfig,
    program: Program,
    result: Result,
    timing: MemoryTiming,
    verdict: Verdict,
) -> None:
    counters = result.counters
    mean = {n: round(sum(c[n] for c in counters) / len(counters)) for n in counters[0]}
    verdict.counters = mean
    verdict.cycles_per_image = round(mean["CYCLES"] / program.batch)
    macs = program.batch * sum(layer_macs(network).values())
    verdict.mac_utilization = macs / (config.rows * config.columns * mean["CYCLES"])
    verdict.simulation_hz = sum(c["CYCLES"] for c in counters) / result.seconds
    cycles = counters[-1]["CYCLES"]
    verdict.timeline = intervals(result.trace, program, cycles)
    spans = spans_of(result.trace, program, cycles)
    verdict.profile = profile(program, config, timing, spans, cycles)
