"""Programs compute what golden says, on the instruction-level model; and never race."""

import itertools

import numpy as np
import pytest

from golden.execute import execute
from hdl_tests.harness.cases import CASES, images_for
from hdl_tests.harness.emulator import infer
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile import arrange, compile_network, link, lower, schedule
from vitaccel.compile.check import check_schedule
from vitaccel.compile.compiler import finish
from vitaccel.compile.lower import Strategy
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi_memory import MemoryTiming

STRATEGIES = [Strategy(*apart) for apart in itertools.product((False, True), repeat=2)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CASES)
def test_every_tensor_matches_golden(name: str, strategy: Strategy) -> None:
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    image = images_for(network, 5)
    want = execute(network, image)
    program = finish(lower.lower(network, config, True, strategy))
    patches = want[program.input.tensor][0].numpy().astype(np.int64)
    memory = infer(program, config, patches).memory
    formats = {layer.name: layer.out for layer in network.layers}
    for region in program.outputs:
        out = formats[region.tensor]
        expected = region.of(want[region.tensor][0].numpy())
        got = region.read(bytes(memory), out.signed)
        np.testing.assert_array_equal(got, expected, err_msg=f"{region.tensor} head {region.head}")
    assert {region.tensor for region in program.outputs} >= {
        layer.name for layer in network.layers if layer.kind in ("linear", "softmax", "layernorm")
    }


@pytest.mark.parametrize("keep", [False, True], ids=["lean", "keep"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CASES)
def test_schedule_is_free_of_races_and_deadlock(name: str, strategy: Strategy, keep: bool) -> None:
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    lowering = lower.lower(network, config, keep, strategy)
    plan = arrange.arrange(lowering, MemoryTiming())
    schedule.schedule(plan.main)
    assert check_schedule(plan.main, config.queue_depth) == []


def test_refuses_what_addresses_do_not_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    config, build = CASES["demo"]
    network = random_qnetwork(**build)
    size = compile_network(network, config).size
    monkeypatch.setattr(link, "ADDRESSABLE", size)
    compile_network(network, config)
    monkeypatch.setattr(link, "ADDRESSABLE", size - 1)
    with pytest.raises(ConfigError) as caught:
        compile_network(network, config)
    needs = int(str(caught.value).split()[3])  # of the last way that was tried
    assert needs >= size
    assert str(caught.value) == (
        f"network {network.name} needs {needs} bytes of external memory, but addresses reach "
        f"{size - 1}; take a smaller network, fewer bits or fewer images at once"
    )


def test_schedule_check_finds_a_missing_wait() -> None:
    config, build = CASES["demo"]
    plan = arrange.arrange(
        lower.lower(random_qnetwork(**build), config, False, STRATEGIES[0]), MemoryTiming()
    )
    schedule.schedule(plan.main)
    victim = next(i for i in plan.main if i.wait)
    victim.wait = 0
    assert check_schedule(plan.main, config.queue_depth)


def test_schedule_check_finds_a_missing_signal() -> None:
    config, build = CASES["demo"]
    plan = arrange.arrange(
        lower.lower(random_qnetwork(**build), config, False, STRATEGIES[0]), MemoryTiming()
    )
    schedule.schedule(plan.main)
    victim = next(i for i in plan.main if i.signal)
    victim.signal = 0
    assert any("deadlock" in problem for problem in check_schedule(plan.main, config.queue_depth))
