"""`vitaccel.estimate` against what must hold, and against the simulated gateware."""

from pathlib import Path

import pytest
import torch

from hdl_tests.harness.cases import CASES
from hdl_tests.harness.networks import random_qnetwork
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.macs import layer_macs
from vitaccel.compile.program import Decoded
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.estimate import estimate, timeline
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.memories import MEMORIES, memory_timing
from vitaccel.profile import busy_cycles
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

TOLERANCE = 0.02


@pytest.mark.parametrize("name", CASES)
def test_every_instruction_has_its_time(name: str) -> None:
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    program = compile_network(network, config)
    result = estimate(program, config, memory_timing("bus", config))
    loads = [step.fields for step in program.main_steps() if step.op == isa.Op.LOAD]
    assert result.loaded == sum(f["n_rows"] * f["n_words"] * config.rows for f in loads)
    assert len(result.spans) == len(program.main.labels) - 1
    for unit in isa.Unit:
        spans = [span for span in result.spans if span.unit == unit]
        assert all(0 < span.start < span.end <= result.cycles + 1 for span in spans)
        assert sorted(spans, key=lambda span: span.start) == spans
    ideal = sum(layer_macs(network).values()) / (config.rows * config.columns)
    assert busy_cycles([s for s in result.spans if s.unit == isa.Unit.MXU]) > ideal


def test_a_slower_memory_and_a_smaller_array_take_longer() -> None:
    config, build = CASES["streamed"]
    program = compile_network(random_qnetwork(**({"log2": False} | build)), config)
    bus, sdram = (
        estimate(program, config, memory_timing(memory, config)).cycles for memory in MEMORIES
    )
    assert sdram > bus
    about = estimate(program, config, memory_timing("bus", config)).summary(program, config, 50)
    assert about["images_per_second"] == round(50e6 / bus, 2)


@pytest.mark.parametrize(("n_words", "cycles"), [(1, 8.5), (2, 9), (3, 10.5), (9, 18), (128, 256)])
def test_short_rows_take_as_long_as_in_the_gateware(n_words: int, cycles: float) -> None:
    """Of LOADs of EfficientViT-B1 in RTL; the memory answers after 30 cycles."""
    config = AcceleratorConfig(rows=16, columns=16)
    empty = dict.fromkeys([*isa.HEADER, *isa.FIELDS[isa.Op.LOAD]], 0)
    took = [
        timeline(
            [Decoded(isa.Op.LOAD, empty | {"n_rows": n_rows, "n_words": n_words}, "")],
            config,
            MemoryTiming(),
        ).cycles
        for n_rows in (20, 120)
    ]
    assert (took[1] - took[0]) / 100 == pytest.approx(cycles, abs=0.01)


def test_an_unknown_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="memory must be one of bus, sdram, not 'ddr'"):
        memory_timing("ddr", AcceleratorConfig())


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize(("name", "batch"), [("demo", 1), ("w8a8", 1), ("demo", 4)])
def test_cycles_are_those_of_the_gateware(name: str, batch: int, tmp_path: Path) -> None:
    """Weights for four images keep the bus at work, so instructions come late."""
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    timing = memory_timing("sdram", config)
    images = torch.randint(-128, 128, (2, *network.layers[0].out.shape), dtype=torch.int8)
    watch = Stopwatch(lambda *_: None)
    verdict = verify(network, config, images, tmp_path, watch, 1, timing, batch)
    assert verdict.bit_exact
    program = compile_network(network, config, timing=timing, batch=batch)
    result = estimate(program, config, timing)
    assert result.cycles == pytest.approx(verdict.counters["CYCLES"], rel=TOLERANCE)
