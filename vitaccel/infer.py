"""A picture to its classes, on a board or on the simulated one."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from golden.datasets.image_file import read_image
from golden.execute import execute
from golden.qnetwork import QNetwork
from vitaccel.errors import ConfigError
from vitaccel.flow.simulated_board import simulate_board
from vitaccel.host.deployment import SIMULATED, Deployment
from vitaccel.host.inference import Inference
from vitaccel.host.inference import infer as run
from vitaccel.host.serial_wire import SerialWire
from vitaccel.isa import Unit
from vitaccel.timing import Stopwatch

__all__ = ["Classified", "infer"]

TOP = 5


@dataclass(frozen=True)
class Classified:
    """What one picture is; ``top`` are names, probabilities and integer logits, best first."""

    deployment: Deployment
    inference: Inference
    logits: np.ndarray
    top: tuple[tuple[str, float, int], ...]
    port: str | None

    def lines(self) -> list[str]:
        """The figures in words."""
        run = self.inference
        cycles = run.counters["CYCLES"]
        core = f"{cycles} cycles" + (f" ({self.core_ms:.3g} ms)" if self.core_ms else "")
        busy = ", ".join(
            f"{unit.name} {run.counters[f'BUSY_{unit.name}'] / cycles:.0%}" for unit in Unit
        )
        line = f"{run.bytes_sent} bytes sent, {run.bytes_received} received"
        if self.port:
            line += f"; program {run.load_s:.2f} s, image to result {run.image_s * 1e3:.1f} ms"
        return [f"core: {core}", f"units: {busy}", f"link: {line}"]

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        about, run = self.deployment, self.inference
        return {
            "network": about.network.name,
            "trained": about.network.trained,
            "board": about.board if self.port else SIMULATED,
            "config_digest": about.config.digest(),
            "top": [
                {"class": name, "probability": round(p, 4), "logit": logit}
                for name, p, logit in self.top
            ],
            "logits": self.logits.tolist(),
            "counters": run.counters,
            "core_ms": self.core_ms,
            "load_s": round(run.load_s, 4),
            "image_s": round(run.image_s, 4),
            "bytes_sent": run.bytes_sent,
            "bytes_received": run.bytes_received,
        }

    @property
    def core_ms(self) -> float | None:
        """Time that the core took, where its clock is known."""
        mhz = self.deployment.clock_mhz
        return None if mhz is None else round(self.inference.counters["CYCLES"] / mhz / 1e3, 4)


def infer(
    folder: Path,
    picture: Path,
    port: str | None,
    baud: int | None,
    strict: bool,
    models: Path,
    watch: Stopwatch,
) -> Classified:
    """Classify one picture.

    Parameters
    ----------
    folder
        What ``compile`` or ``build`` wrote.
    picture
        See `read_image`; one image.
    port
        Serial port of the board; None takes the simulated board.
    baud
        Of the port; None is what the board was built for.
    strict
        Refuse pictures of another size.
    models
        Folder that keeps simulation models.

    Raises
    ------
    ConfigError
        If folder or picture are not what they should be.
    DeviceError
        If the board does not answer or stops with an error.
    ToolError, BuildError
        If the simulated board does not build.
    """
    deployment = Deployment.load(folder)
    patches = _patches(deployment, picture, strict)
    if port is None:
        inference = simulate_board(deployment, patches, models, watch)
    else:
        with watch("board"):
            inference = _on_port(deployment, patches, port, baud)
    logits = _logits(deployment, inference)
    return Classified(deployment, inference, logits, _top(deployment.network, logits), port)


def _patches(deployment: Deployment, picture: Path, strict: bool) -> np.ndarray:
    """Integer patches ``[tokens, k]``, by the network's own first layers."""
    network = deployment.network
    channels, height, width = network.layers[0].out.shape
    preprocess = None if strict else network.preprocess
    images = read_image(picture, (channels, height, width), preprocess)
    if len(images) != 1:
        raise ConfigError(f"image {picture} must be one image, not {len(images)}")
    wanted = deployment.program.input.tensor
    names = [layer.name for layer in network.layers]
    if wanted not in names:
        raise ConfigError(f"the program takes {wanted}, which network {network.name} lacks")
    head = replace(network, layers=network.layers[: names.index(wanted) + 1])
    return execute(head, images)[wanted][0].numpy().astype(np.int64)


def _on_port(deployment: Deployment, patches: np.ndarray, port: str, baud: int | None) -> Inference:
    rate = baud or deployment.baud
    if rate is None:
        raise ConfigError(
            f"this folder was compiled for the {deployment.board} board and knows no baud rate; "
            "build it for a board, or give --baud"
        )
    wire = SerialWire(port, rate)
    try:
        return asyncio.run(run(wire, deployment.program, patches))
    finally:
        wire.close()


def _logits(deployment: Deployment, inference: Inference) -> np.ndarray:
    """Integers int64 ``[classes]``."""
    last = deployment.network.layers[-1]
    for region, raw in zip(deployment.program.outputs, inference.outputs, strict=True):
        if region.tensor == last.name:
            return region.read(bytes(region.address) + raw, last.out.signed).reshape(-1)
    raise ConfigError(f"the program does not store {last.name}; compile or build again")


def _top(network: QNetwork, logits: np.ndarray) -> tuple[tuple[str, float, int], ...]:
    scale = network.layers[-1].out.scale
    probability = torch.softmax(torch.from_numpy(logits).double() * scale, 0).tolist()
    names = network.classes or tuple(map(str, range(len(logits))))
    best = sorted(range(len(logits)), key=lambda n: (-logits[n], n))[:TOP]
    return tuple((names[n], probability[n], int(logits[n])) for n in best)
