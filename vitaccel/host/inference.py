"""One image through a board, whatever reaches it."""

import time
from dataclasses import dataclass

import numpy as np

from vitaccel.compile.program import Program
from vitaccel.errors import ConfigError
from vitaccel.host.driver import Driver
from vitaccel.host.link import LinkTransport, Wire

__all__ = ["Inference", "infer"]


@dataclass(frozen=True)
class Inference:
    """What came of one image.

    Parameters
    ----------
    outputs
        Bytes of each output region of the program.
    counters
        See `Driver.counters`.
    load_s
        Wall time of loading the program and what stays on chip.
    image_s
        Wall time from the first byte of the image to the last byte of the result.
    bytes_sent, bytes_received
        On the line.
    """

    outputs: tuple[bytes, ...]
    counters: dict[str, int]
    load_s: float
    image_s: float
    bytes_sent: int
    bytes_received: int


async def infer(wire: Wire, program: Program, patches: np.ndarray) -> Inference:
    """Load ``program`` into the board on ``wire`` and run one image.

    Parameters
    ----------
    patches
        The image as integers ``[tokens, k]``, see `Program.input`.

    Raises
    ------
    DeviceError
        If the board does not answer, is not the program's, or stops with an error.
    ConfigError
        If the program does not fit its memory.
    """
    transport = LinkTransport(wire)
    about = await transport.connect()
    if program.size > about.memory_bytes:
        raise ConfigError(
            f"program needs {program.size} bytes of memory, but the board at {wire.name} has "
            f"{about.memory_bytes}; build for this board"
        )
    driver = Driver(transport)
    began = time.monotonic()
    await driver.load(program)
    loaded = time.monotonic()
    await driver.write_input(program, patches)
    await driver.run(program.main)
    outputs = await driver.read_outputs(program)
    ended = time.monotonic()
    return Inference(
        tuple(outputs),
        await driver.counters(),
        loaded - began,
        ended - loaded,
        transport.sent,
        transport.received,
    )
