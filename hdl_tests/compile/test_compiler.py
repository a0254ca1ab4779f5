"""Programs compute what golden says, on the instruction-level model; and never race."""

import numpy as np
import pytest
import torch

from golden.execute import execute
from golden.qnetwork import QNetwork
from hdl_tests.harness.emulator import infer
from hdl_tests.harness.networks import random_qnetwork
from vitaccel.compile import arrange, compile_network, lower, schedule
from vitaccel.config import PRESETS, AcceleratorConfig

SMALL = {"accumulator_rows": 16, "row_words": 32, "post_words": 512, "vector_words": 128}
CASES = {
    "w8a8": (PRESETS["w8a8"], {"dim": 48, "tokens": 17}),
    "demo": (PRESETS["demo"], {"dim": 48, "tokens": 17, "log2": True, "pot": 0.5, "depth": 2}),
    "packed": (PRESETS["w4a8"], {"dim": 48, "tokens": 17, "weight_bits": 4, "pot": 0.0}),
    "w8-on-packed": (PRESETS["w4a8"], {"dim": 24, "tokens": 10}),
    "w4a4": (PRESETS["w4a4"], {"dim": 16, "heads": 2, "bits": 4, "weight_bits": 4, "pot": 0.0}),
    "tiny": (PRESETS["tiny"], {"dim": 24, "tokens": 17}),
    "padded-heads": (PRESETS["mixed-12x24"], {"dim": 48, "tokens": 17, "log2": True}),
    "row-blocks": (PRESETS["tiny"].replace(**SMALL), {"dim": 24, "tokens": 37, "heads": 2}),
    "streamed": (
        PRESETS["w8a8"].replace(
            weight_words=512, post_words=32, vector_words=16, table_slots=1, activation_words=1024
        ),
        {"dim": 48, "tokens": 17, "depth": 3},
    ),
    "odd": (
        AcceleratorConfig(rows=3, columns=9, pot_columns=3, log2_attention=True, post_words=512),
        {"dim": 24, "tokens": 10, "log2": True, "heads": 2},
    ),
    "shift": (PRESETS["shift"], {"dim": 48, "tokens": 17, "shift": True}),
}


def images_for(network: QNetwork, seed: int) -> torch.Tensor:
    first = network.layers[0].out
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(first.low, first.high + 1, (1, *first.shape), generator=draw)


@pytest.mark.parametrize("name", CASES)
def test_every_tensor_matches_golden(name: str) -> None:
    config, build = CASES[name]
    network = random_qnetwork(**({"log2": False, "seed": 3} | build))
    image = images_for(network, 5)
    want = execute(network, image)
    program = compile_network(network, config, keep=True)
    patches = want[program.input.tensor][0].numpy().astype(np.int64)
    memory = infer(program, config, patches).memory
    formats = {layer.name: layer.out for layer in network.layers}
    for region in program.outputs:
        out = formats[region.tensor]
        expected = want[region.tensor][0]
        if expected.ndim == 3:
            expected = expected[region.head]
        got = region.read(bytes(memory), out.signed)
        np.testing.assert_array_equal(
            got, expected.numpy(), err_msg=f"{region.tensor} head {region.head}"
        )
    assert {region.tensor for region in program.outputs} >= {
        layer.name for layer in network.layers if layer.kind in ("linear", "softmax", "layernorm")
    }


@pytest.mark.parametrize("keep", [False, True], ids=["lean", "keep"])
@pytest.mark.parametrize("name", CASES)
def test_schedule_is_free_of_races_and_deadlock(name: str, keep: bool) -> None:
    config, build = CASES[name]
    lowering = lower.lower(random_qnetwork(**({"log2": False, "seed": 3} | build)), config, keep)
    plan = arrange.arrange(lowering, config)
    schedule.schedule(plan.main)
    assert schedule.check_schedule(plan.main) == []


def test_schedule_check_finds_a_missing_wait() -> None:
    config, build = CASES["demo"]
    plan = arrange.arrange(lower.lower(random_qnetwork(**build), config, False), config)
    schedule.schedule(plan.main)
    victim = next(i for i in plan.main if i.wait)
    victim.wait = 0
    assert schedule.check_schedule(plan.main)


def test_schedule_check_finds_a_missing_signal() -> None:
    config, build = CASES["demo"]
    plan = arrange.arrange(lower.lower(random_qnetwork(**build), config, False), config)
    schedule.schedule(plan.main)
    victim = next(i for i in plan.main if i.signal)
    victim.signal = 0
    assert any("deadlock" in problem for problem in schedule.check_schedule(plan.main))
