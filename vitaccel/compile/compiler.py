"""QNetwork and configuration to program."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from golden.qnetwork import (
    QConv,
    QDivisor,
    QKeySum,
    QKeyValue,
    QLayer,
    QLinear,
    QMatMul,
    QNetwork,
    QPatches,
    QPool,
    QQuotient,
)
from vitaccel import (
    estimate,  # which itself reads programs: so by module, not by name
    isa,
)
from vitaccel.compile.arrange import Arrangement, arrange
from vitaccel.compile.check import check_schedule
from vitaccel.compile.garbage import uncollected
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.compile.lower import Lowering, Packs, lower, strategies
from vitaccel.compile.program import Program, Region, Routine
from vitaccel.compile.schedule import schedule
from vitaccel.compile.spill import most_alive
from vitaccel.compile.unsupported import refuse_unsupported
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.traffic import bandwidth

__all__ = ["compile_network", "finish", "layer_macs"]

ALIGN = 64
FRUGAL = 2  # ways that are tried with spilling
BUSY = 0.75  # of its time that a memory is at work for the array to wait for it


@uncollected()
def compile_network(
    network: QNetwork,
    config: AcceleratorConfig,
    *,
    keep: bool = False,
    timing: MemoryTiming | None = None,
    batch: int = 1,
) -> Program:
    """Map ``network`` onto the accelerator ``config``, in the fastest of several ways.

    Parameters
    ----------
    keep
        Also store every intermediate tensor to external memory, to compare or to debug.
    timing
        Of the external memory, by default a beat per cycle: it decides which way is the fastest.
    batch
        Images that one run computes.

    Raises
    ------
    ConfigError
        If ``batch`` is below 1, or a layer cannot be mapped: names the layer, the reason, and what
        would work.
    """
    if batch < 1:
        raise ConfigError(f"batch must be 1 or more, not {batch}")
    refuse_unsupported(network)
    packs: Packs = {}
    ways = strategies(network, config, batch)
    lowered = [lower(network, config, keep, way, packs, batch) for way in ways]
    if not lowered[0].input_loads:
        raise ConfigError(f"network {network.name} has no patch embedding; its input has no use")
    alive = {lowering: most_alive(lowering.steps) for lowering in lowered}
    frugal = sorted(lowered, key=alive.__getitem__)
    fitting = [x for x in lowered if alive[x] <= config.activation_words]
    # What must be spilled takes longer than what need not; the most frugal ways lose least by it.
    found, refused = _finish_all(fitting, timing, spilling=False)
    if not found:
        found, refused = _finish_all(frugal[:FRUGAL], timing, spilling=True)
    if not found:
        if batch == 1:
            raise refused[-1]
        compile_network(network, config, keep=keep, timing=timing)  # says what it lacks itself
        raise ConfigError(f"a batch of {batch} does not fit: {refused[-1]}, or take fewer images")
    best = min(found, key=lambda made: made.cycles)
    while best.waits_for_memory:  # then meeting weights less often may be worth some spilling
        together = best.lowering.strategy.together
        larger = [x for x in frugal if x.strategy.together > together][:1]
        found, _ = _finish_all(larger, timing, spilling=True)
        if not found or found[0].cycles >= best.cycles:
            break
        best = found[0]
    return best.program


class _Made(NamedTuple):
    """A program, and what the estimate says of it."""

    lowering: Lowering
    program: Program
    cycles: int
    waits_for_memory: bool


def _finish_all(
    lowered: Sequence[Lowering], timing: MemoryTiming | None, spilling: bool
) -> tuple[list[_Made], list[ConfigError]]:
    """Programs of those lowerings that fit, and why the others do not."""
    made, refused = [], []
    for lowering in lowered:
        try:
            program = finish(lowering, timing, spilling)
        except ConfigError as error:
            refused.append(error)
            continue
        known = timing or MemoryTiming()
        run = estimate.estimate(program, lowering.config, known)
        least = (run.loaded + run.stored) / bandwidth(lowering.config, known)
        made.append(_Made(lowering, program, run.cycles, least > BUSY * run.cycles))
    return made, refused


def finish(
    lowering: Lowering, timing: MemoryTiming | None = None, spilling: bool = True
) -> Program:
    """Make a program of a network as it was lowered.

    Raises
    ------
    ConfigError
        If it does not fit; without ``spilling`` also if it would with it.
    """
    arrangement = arrange(lowering, timing or MemoryTiming(), spilling)
    schedule(arrangement.setup)
    schedule(arrangement.main)
    for routine in (arrangement.setup, arrangement.main):
        problems = check_schedule(routine, lowering.config.queue_depth)
        assert not problems, problems[0]
    return _link(lowering.network, lowering.config, lowering, arrangement)


def _padded(n_bytes: int, unit: int) -> int:
    return -(-n_bytes // unit) * unit


def _align(value: int) -> int:
    return _padded(value, ALIGN)


def _link(
    network: QNetwork, config: AcceleratorConfig, lowering: Lowering, arrangement: Arrangement
) -> Program:
    """Lay out external memory: code, constants, input, outputs."""
    size = isa.SERIAL_BYTES if config.core == "serial" else isa.BYTES
    main_at = _align(len(arrangement.setup) * size)
    code = main_at + _align(len(arrangement.main) * size)
    code_end, constants = _place_constants(arrangement.data, code, config)
    end = code_end
    source = lowering.input_loads
    end, given = _place_region(source, network_input(network), 0, end, config, lowering)
    outputs = []
    for (tensor, head), stores in lowering.stores.items():
        end, region = _place_region(stores, tensor, head, end, config, lowering)
        outputs.append(region)
    end = _place_spilled(arrangement.main, end, config)
    image = bytearray(code_end)
    for at, raw in constants.items():
        image[at : at + len(raw)] = raw
    for at, routine in ((0, arrangement.setup), (main_at, arrangement.main)):
        code = b"".join(encode(instruction, size) for instruction in routine)
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
        tuple(_layers(network, lowering.batch)),
        lowering.batch,
        size,
    )


def network_input(network: QNetwork) -> str:
    """Name of the tensor the host writes: the patches."""
    return next(layer.name for layer in network.layers if isinstance(layer, QPatches))


def _labels(routine: list[Instruction]) -> tuple[str, ...]:
    return tuple(instruction.layer for instruction in routine)


def _place_constants(
    data_of: Mapping[Instruction, np.ndarray], end: int, config: AcceleratorConfig
) -> tuple[int, Mapping[int, bytes]]:
    """Give LOADs of constants a place in external memory from ``end`` on; the same data once."""
    constants: dict[int, bytes] = {}
    places: dict[int, int] = {}
    for load, data in data_of.items():
        row = load.fields["n_words"] * config.rows
        stride = _padded(row, config.axi_bytes)
        at = places.setdefault(id(data), end)
        load.fields |= {"external": at, "external_stride": stride}
        if at == end:
            rows = np.zeros((load.fields["n_rows"], stride), dtype=np.uint8)
            rows[:, :row] = data.reshape(len(rows), -1)
            constants[at] = rows.tobytes()
            end = _align(end + rows.size)
    return end, constants


def _place_region(
    parts: Sequence[Instruction],
    tensor: str,
    head: int,
    end: int,
    config: AcceleratorConfig,
    lowering: Lowering,
) -> tuple[int, Region]:
    """Give LOADs or STOREs of consecutive rows a place in external memory from ``end`` on."""
    stride = _padded(parts[0].fields["n_words"] * config.rows, config.axi_bytes)
    n_rows = 0
    for part in parts:
        part.fields |= {"external": end + n_rows * stride, "external_stride": stride}
        n_rows += part.fields["n_rows"]
    channels = lowering.channels[tensor, head]
    region = Region(tensor, head, end, n_rows, stride, tuple(int(c) for c in channels))
    return _align(end + n_rows * stride), region


def _place_spilled(main: Sequence[Instruction], end: int, config: AcceleratorConfig) -> int:
    """Give what leaves activation memory for a while a place in external memory."""
    for instruction in main:
        if "external" in instruction.places:
            part = instruction.places["external"]
            buffer = part.buffer
            stride = _padded(buffer.words * config.rows, config.axi_bytes)
            if buffer.address < 0:
                buffer.address, end = end, _align(end + buffer.rows * stride)
            address = buffer.address + part.row * stride
            instruction.fields |= {"external": address, "external_stride": stride}
    return end


def layer_macs(network: QNetwork) -> Mapping[str, int]:
    """Useful multiply-accumulates of every layer that has any."""
    by_name = {layer.name: layer for layer in network.layers}
    macs = {}
    for layer in network.layers:
        each = _macs(layer, {name: other.out.shape for name, other in by_name.items()})
        if each:
            macs[layer.name] = each
    return macs


def _macs(layer: QLayer, shapes: Mapping[str, tuple[int, ...]]) -> int:
    results = prod(layer.out.shape)
    match layer:
        case QLinear():
            return results * shapes[layer.x][1]
        case QConv():
            return results * shapes[layer.x][1] // layer.groups * layer.kernel**2
        case QMatMul():
            return shapes[layer.a][-2] * prod(shapes[layer.b])
        case QKeyValue() | QKeySum():
            return results * shapes[layer.k][0]
        case QDivisor():
            return prod(shapes[layer.q])
        case QQuotient():
            return results * shapes[layer.kv][0]
        case QPool():
            return prod(shapes[layer.x])
        case _:
            return 0


def _layers(network: QNetwork, batch: int) -> list[dict[str, Any]]:
    macs = layer_macs(network)
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.out.shape),
            "bits": layer.out.bits,
            "macs": batch * macs.get(layer.name, 0),
        }
        for layer in network.layers
    ]
