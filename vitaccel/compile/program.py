"""Program: the memory image an accelerator runs from, and where inputs and results lie in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from vitaccel import isa
from vitaccel.compile.instruction import decode, disassemble
from vitaccel.compile.window import Window
from vitaccel.errors import ConfigError
from vitaccel.files import write_files

__all__ = ["Program", "Region", "Routine"]

VERSION = 1


@dataclass(frozen=True)
class Routine:
    """Instructions at byte ``address``, each with the layer it belongs to."""

    address: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """A tensor ``[rows, channels]``, one head or some channels of it, in external memory.

    Those of all images of a batch follow one another: ``n_rows`` are the rows of all.

    Row r begins at ``address + r * stride``; lane i of a row holds channel ``channels[i]``, -1 is
    padding. With a ``window``, rows are not those of the tensor, but its windows.
    """

    tensor: str
    head: int
    address: int
    n_rows: int
    stride: int
    channels: tuple[int, ...]
    window: Window | None = None

    def write(self, memory: bytearray, values: np.ndarray) -> None:
        """Put integers ``[rows, channels]`` of the tensor into ``memory``."""
        channels = np.array(self.channels)
        if self.window is not None:
            values = self.window.unfold(values)
        lanes = np.where(channels >= 0, values[:, channels], 0).astype(np.int64) & 255
        for row, lane in enumerate(lanes.astype(np.uint8)):
            at = self.address + row * self.stride
            memory[at : at + len(channels)] = lane.tobytes()

    def read(self, memory: bytes, signed: bool) -> np.ndarray:
        """Integers int64 ``[rows, channels]`` from ``memory``, its channels in ascending order."""
        channels = np.array(self.channels)
        lanes = np.argsort(channels, kind="stable")[np.count_nonzero(channels < 0) :]
        at = self.address + np.arange(self.n_rows)[:, None] * self.stride + lanes
        raw = np.frombuffer(memory, dtype=np.int8 if signed else np.uint8)
        return raw[at].astype(np.int64)

    def of(self, values: np.ndarray) -> np.ndarray:
        """What `read` should give if ``values`` is the whole tensor."""
        if values.ndim == 3:
            return values[self.head]
        return values[:, sorted(channel for channel in self.channels if channel >= 0)]


def _region(raw: dict[str, Any]) -> Region:
    fields: dict[str, Any] = raw | {"channels": tuple(raw["channels"])}
    if window := raw.get("window"):
        fields["window"] = Window(**window | {"pad": tuple(window["pad"])})
    return Region(**fields)


def _plain(region: Region) -> dict[str, Any]:
    return vars(region) | {"window": region.window and vars(region.window)}


def _routine(raw: dict[str, Any]) -> Routine:
    return Routine(raw["address"], tuple(raw["labels"]))


class Decoded(NamedTuple):
    """An instruction of a program, and the layer it belongs to."""

    op: isa.Op
    fields: dict[str, int]
    layer: str


@dataclass(frozen=True)
class Program:
    """Everything the host needs: image bytes from address 0, routines, input and outputs.

    ``image`` covers code and constants; ``size`` also the input and output regions behind it.
    ``setup`` loads what stays on chip and runs once; ``main`` computes ``batch`` images. ``layers``
    describes the tensors of an image, and the MACs of a run.
    """

    network: str
    config_digest: str
    image: bytes
    size: int
    setup: Routine | None
    main: Routine
    input: Region
    patch: Mapping[str, int]
    outputs: tuple[Region, ...]
    layers: tuple[Mapping[str, Any], ...] = field(default=())
    batch: int = 1
    instruction_bytes: int = isa.BYTES

    def main_steps(self) -> list[Decoded]:
        """Every instruction of ``main``."""
        at, size = self.main.address, self.instruction_bytes
        return [
            Decoded(*decode(self.image[at + n * size : at + (n + 1) * size]), layer)
            for n, layer in enumerate(self.main.labels)
        ]

    def listing(self) -> str:
        """Disassembly of all routines."""
        text = []
        for title, routine in (("setup", self.setup), ("main", self.main)):
            if routine is not None:
                size = self.instruction_bytes
                stop = routine.address + len(routine.labels) * size
                code = disassemble(self.image[routine.address : stop], routine.labels, size)
                text.append(f"{title}: {routine.address:#x}\n{code}")
        return "\n".join(text)

    def save(self, folder: Path) -> None:
        """Write ``program.bin``, ``program.json`` and the listing ``program.txt``."""
        about = {
            "version": VERSION,
            "network": self.network,
            "config_digest": self.config_digest,
            "size": self.size,
            "batch": self.batch,
            "instruction_bytes": self.instruction_bytes,
            "setup": vars(self.setup) if self.setup else None,
            "main": vars(self.main),
            "input": _plain(self.input) | {"patch": dict(self.patch)},
            "outputs": [_plain(region) for region in self.outputs],
            "layers": [dict(layer) for layer in self.layers],
        }
        write_files(
            folder,
            {
                "program.bin": self.image,
                "program.json": json.dumps(about, indent=1),
                "program.txt": self.listing(),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ConfigError
            If a file is missing, damaged, or of another version.
        """
        path = folder / "program.json"
        try:
            image = (folder / "program.bin").read_bytes()
            about = json.loads(path.read_text())
            if about["version"] != VERSION:
                raise ValueError(f"version {about['version']}, not {VERSION}")
            setup = about["setup"] and _routine(about["setup"])
            patch = about["input"].pop("patch")
            return cls(
                about["network"],
                about["config_digest"],
                image,
                about["size"],
                setup,
                _routine(about["main"]),
                _region(about["input"]),
                patch,
                tuple(map(_region, about["outputs"])),
                tuple(about["layers"]),
                about["batch"],
                about["instruction_bytes"],
            )
        except OSError as bad:
            raise ConfigError(
                f"program {bad.filename} cannot be read: {bad.strerror}; compile or build first"
            ) from bad
        except (ValueError, KeyError, TypeError, AttributeError) as bad:
            raise ConfigError(f"program {path} is damaged: {bad}; compile or build again") from bad
