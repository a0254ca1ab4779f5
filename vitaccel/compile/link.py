"""Where everything lies in external memory, and the program as bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from golden.qnetwork import QNetwork, QPatches
from vitaccel import isa
from vitaccel.compile.arrange import Arrangement
from vitaccel.compile.instruction import Instruction, encode
from vitaccel.compile.join_rows import joined_rows
from vitaccel.compile.lower import Lowering
from vitaccel.compile.macs import layer_macs
from vitaccel.compile.program import Program, Region, Routine
from vitaccel.compile.unfold import QWindows
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["link"]

ALIGN = 64
ADDRESSABLE = 1 << 32  # bytes of external memory


def _padded(n_bytes: int, unit: int) -> int:
    return -(-n_bytes // unit) * unit


def _align(value: int) -> int:
    return _padded(value, ALIGN)


def link(lowering: Lowering, arrangement: Arrangement) -> Program:
    """Lay out external memory: code, constants, input, outputs.

    Raises
    ------
    ConfigError
        If addresses do not reach that far.
    """
    network, config = lowering.network, lowering.config
    size = isa.SERIAL_BYTES if config.core == "serial" else isa.BYTES
    main_at = _align(len(arrangement.setup) * size)
    code = main_at + _align(len(arrangement.main) * size)
    code_end, constants = _place_constants(arrangement.data, code, config)
    end = code_end
    source = lowering.input_loads
    patches = next(layer for layer in network.layers if isinstance(layer, QPatches))
    end, given = _place_region(source, patches.name, 0, end, config, lowering)
    if isinstance(patches, QWindows):
        given = replace(given, window=patches.window)
    outputs = []
    for (tensor, head), stores in lowering.stores.items():
        end, region = _place_region(stores, tensor, head, end, config, lowering)
        outputs.append(region)
    end = _place_spilled(arrangement.main, end, config)
    if end > ADDRESSABLE:
        raise ConfigError(
            f"network {network.name} needs {end} bytes of external memory, but addresses reach "
            f"{ADDRESSABLE}; take a smaller network, fewer bits or fewer images at once"
        )
    for instruction in (*arrangement.setup, *arrangement.main):
        instruction.fields = joined_rows(instruction.op, instruction.fields, config)
    image = bytearray(code_end)
    for at, raw in constants.items():
        image[at : at + len(raw)] = raw
    for at, routine in ((0, arrangement.setup), (main_at, arrangement.main)):
        code = b"".join(encode(instruction, size) for instruction in routine)
        image[at : at + len(code)] = code
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
