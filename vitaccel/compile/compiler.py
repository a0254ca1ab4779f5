"""QNetwork and configuration to program."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from golden.qnetwork import QLinear, QMatMul, QNetwork, QPatches
from vitaccel import isa
from vitaccel.compile.arrange import Arrangement, arrange
from vitaccel.compile.check import check_schedule
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.compile.lower import Lowering, lower
from vitaccel.compile.program import Program, Region, Routine
from vitaccel.compile.schedule import schedule
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["compile_network", "layer_macs"]

ALIGN = 64


def compile_network(network: QNetwork, config: AcceleratorConfig, *, keep: bool = False) -> Program:
    """Map ``network`` onto the accelerator ``config``.

    Parameters
    ----------
    keep
        Also store every intermediate tensor to external memory, to compare or to debug.

    Raises
    ------
    ConfigError
        If a layer cannot be mapped: names the layer, the reason, and what would work.
    """
    lowering = lower(network, config, keep)
    if not lowering.input_loads:
        raise ConfigError(f"network {network.name} has no patch embedding; its input has no use")
    arrangement = arrange(lowering, config)
    schedule(arrangement.setup)
    schedule(arrangement.main)
    for routine in (arrangement.setup, arrangement.main):
        problems = check_schedule(routine, config.queue_depth)
        assert not problems, problems[0]
    return _link(network, config, lowering, arrangement)


def _align(value: int) -> int:
    return -(-value // ALIGN) * ALIGN


def _link(
    network: QNetwork, config: AcceleratorConfig, lowering: Lowering, arrangement: Arrangement
) -> Program:
    """Lay out external memory: code, constants, input, outputs."""
    main_at = _align(len(arrangement.setup) * isa.BYTES)
    end = main_at + _align(len(arrangement.main) * isa.BYTES)
    constants: list[tuple[int, bytes]] = []
    for load, data in arrangement.data.items():
        end = _place_constant(load, data, end, config, constants)
    code_end = end
    source = lowering.input_loads
    end, given = _place_region(source, network_input(network), 0, end, config, lowering)
    outputs = []
    for tensor, head, store in lowering.stores:
        end, region = _place_region([store], tensor, head, end, config, lowering)
        outputs.append(region)
    image = bytearray(code_end)
    for at, raw in constants:
        image[at : at + len(raw)] = raw
    for at, routine in ((0, arrangement.setup), (main_at, arrangement.main)):
        code = b"".join(encode(instruction) for instruction in routine)
        image[at : at + len(code)] = code
    patches = next(layer for layer in network.layers if isinstance(layer, QPatches))
    setup = Routine(0, _labels(arrangement.setup)) if arrangement.setup else None
    return Program(
        network.name,
        config.digest(),
        bytes(image),
        end,
        setup,
        Routine(main_at, _labels(arrangement.main)),
        given,
        {"size": patches.size},
        tuple(outputs),
        tuple(_layers(network)),
    )


def network_input(network: QNetwork) -> str:
    """Name of the tensor the host writes: the patches."""
    return next(layer.name for layer in network.layers if isinstance(layer, QPatches))


def _labels(routine: list[Instruction]) -> tuple[str, ...]:
    return tuple(instruction.layer for instruction in routine)


def _place_constant(
    load: Instruction,
    data: np.ndarray,
    end: int,
    config: AcceleratorConfig,
    constants: list[tuple[int, bytes]],
) -> int:
    row = data.shape[1] * config.rows
    stride = -(-row // config.axi_bytes) * config.axi_bytes
    rows = np.zeros((len(data), stride), dtype=np.uint8)
    rows[:, :row] = data.reshape(len(data), -1)
    load.fields |= {"external": end, "external_stride": stride}
    constants.append((end, rows.tobytes()))
    return _align(end + rows.size)


def _place_region(
    parts: Sequence[Instruction],
    tensor: str,
    head: int,
    end: int,
    config: AcceleratorConfig,
    lowering: Lowering,
) -> tuple[int, Region]:
    """Give LOADs or STOREs of consecutive rows a place in external memory from ``end`` on."""
    n_bytes = parts[0].fields["n_words"] * config.rows
    stride = -(-n_bytes // config.axi_bytes) * config.axi_bytes
    n_rows = 0
    for part in parts:
        part.fields |= {"external": end + n_rows * stride, "external_stride": stride}
        n_rows += part.fields["n_rows"]
    channels = lowering.stored[tensor][head].channels
    region = Region(tensor, head, end, n_rows, stride, tuple(int(c) for c in channels))
    return _align(end + n_rows * stride), region


def layer_macs(network: QNetwork) -> Mapping[str, int]:
    """Useful multiply-accumulates of every layer that has any."""
    by_name = {layer.name: layer for layer in network.layers}
    macs = {}
    for layer in network.layers:
        if isinstance(layer, QLinear):
            tokens, n_out = layer.out.shape
            macs[layer.name] = tokens * n_out * by_name[layer.x].out.shape[1]
        elif isinstance(layer, QMatMul):
            tokens, width = by_name[layer.b].out.shape
            macs[layer.name] = by_name[layer.a].out.shape[-2] * tokens * width
    return macs


def _layers(network: QNetwork) -> list[dict[str, Any]]:
    macs = layer_macs(network)
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.out.shape),
            "bits": layer.out.bits,
            "macs": macs.get(layer.name, 0),
        }
        for layer in network.layers
    ]
