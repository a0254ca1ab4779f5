"""A board at the end of a serial port of this machine: a pseudo-terminal."""

import contextlib
import os
import threading
import tty
from collections.abc import Iterator

import numpy as np

from hdl_tests.harness.link_board import LinkBoard
from vitaccel.compile.program import Program
from vitaccel.link_protocol import Opcode
from vitaccel.registers import IDENTITY, REGISTERS, State, digest_word

__all__ = ["FakeAccelerator", "serial_port"]


class FakeAccelerator(LinkBoard):
    """Has the registers of an accelerator; a run writes ``logits`` where the program would."""

    def __init__(self, program: Program, logits: np.ndarray, memory_bytes: int) -> None:
        super().__init__(memory_bytes)
        self.program, self.logits = program, logits
        self.runs: list[int] = []
        self.inputs = b""
        self.set("ID", IDENTITY)
        self.set("CONFIG_DIGEST", digest_word(program.config_digest))

    def set(self, name: str, value: int) -> None:
        at = REGISTERS[name].offset
        self.registers[at : at + 4] = value.to_bytes(4, "little")

    def written(self, opcode: Opcode, address: int, data: bytes) -> None:
        if opcode != Opcode.WRITE_REGISTERS or address != REGISTERS["CONTROL"].offset:
            return
        if data[0] & 4:  # clear_interrupt
            self.interrupt = 0
        if data[0] & 1:  # start
            at = REGISTERS["PROGRAM_BASE"].offset
            self.runs.append(int.from_bytes(self.registers[at : at + 4], "little"))
            self._run()

    def _run(self) -> None:
        region = self.program.input
        self.inputs = bytes(self.memory[region.address :][: region.n_rows * region.stride])
        for out in self.program.outputs:
            out.write(self.memory, self.logits)
        self.set("STATUS", State.DONE)
        self.set("CYCLES", 1234)
        self.interrupt = 1


@contextlib.contextmanager
def serial_port(board: LinkBoard, pull_after: int | None = None) -> Iterator[str]:
    """Name of a port at which ``board`` answers; the cable is pulled after so many bytes."""
    ours, theirs = os.openpty()
    for end in (ours, theirs):
        tty.setraw(end)
    name = os.ttyname(theirs)

    def serve() -> None:
        taken = 0
        with contextlib.suppress(OSError):  # closed
            while pull_after is None or taken < pull_after:
                received = os.read(ours, 4096)
                taken += len(received)
                os.write(ours, board.feed(received))
        os.close(ours)

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield name
    finally:
        os.close(theirs)
        server.join()
