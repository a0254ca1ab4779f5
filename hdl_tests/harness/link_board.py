"""What a board answers, in Python: a second opinion on the gateware, and a board for the host."""

import zlib
from collections.abc import Callable

import sliplib

from vitaccel.link_protocol import (
    CRC_BYTES,
    HEADER_BYTES,
    MOST_BYTES,
    REGISTER_BYTES,
    UNTAGGED,
    VERSION,
    Answer,
    Opcode,
)

END = sliplib.END


def reply(tag: int, data: bytes, answer: Answer) -> bytes:
    """Bytes on the line of one reply."""
    frame = bytes([tag]) + data + bytes([answer])
    return END + sliplib.encode(frame + zlib.crc32(frame).to_bytes(4, "little")) + END


class LinkBoard:
    """Memory and registers behind the protocol; replies frame by frame as the bytes come."""

    def __init__(
        self, memory_bytes: int, queue_bytes: int = 512, good_registers: int = REGISTER_BYTES
    ) -> None:
        self.memory = bytearray(memory_bytes)
        self.registers = bytearray(REGISTER_BYTES)
        self.good_registers = good_registers  # beyond those the bus refuses
        self.queue_bytes = queue_bytes
        self.interrupt = 0
        self._rest = b""

    def feed(self, received: bytes) -> bytes:
        """Replies to the frames that are complete with these bytes."""
        *frames, self._rest = (self._rest + received).split(END)
        return b"".join(reply(*self._answer(frame)) for frame in frames if frame)

    def give_up(self) -> bytes:
        """Reply to a frame whose rest did not come in time."""
        return self.feed(b"\xdb" + END) if self._rest else b""

    def written(self, opcode: Opcode, address: int, data: bytes) -> None:
        """Called after each write."""

    def _answer(self, packed: bytes) -> tuple[int, bytes, Answer]:
        try:
            frame = sliplib.decode(packed)
        except sliplib.ProtocolError:
            return UNTAGGED, b"", Answer.BROKEN_FRAME
        body, crc = frame[:-CRC_BYTES], frame[-CRC_BYTES:]
        if not HEADER_BYTES <= len(body) <= MOST_BYTES - CRC_BYTES:
            return UNTAGGED, b"", Answer.BROKEN_FRAME
        if zlib.crc32(body).to_bytes(4, "little") != crc:
            return UNTAGGED, b"", Answer.BROKEN_FRAME
        tag, code, payload = body[0], body[1], body[HEADER_BYTES:]
        if code not in set(Opcode):
            return tag, b"", Answer.BAD_OPCODE
        data, answer = self._do(Opcode(code), int.from_bytes(body[2:6], "little"), payload)
        return tag, data, answer

    def _do(self, opcode: Opcode, address: int, payload: bytes) -> tuple[bytes, Answer]:
        if opcode == Opcode.STATUS:
            return (b"", Answer.BAD_LENGTH) if payload else (self._about(), Answer.OK)
        space = self.registers if opcode & 2 else self.memory
        writes = opcode & 1
        size = len(payload) if writes else payload[0] if len(payload) == 1 else 0
        if not size:
            return b"", Answer.BAD_LENGTH
        if address + size > len(space):
            return b"", Answer.OUTSIDE
        done, answer = size, Answer.OK
        if opcode & 2 and address + size > self.good_registers:
            done, answer = max(0, self.good_registers - address), Answer.BUS_ERROR
        if not writes:
            return bytes(space[address : address + done]), answer
        space[address : address + done] = payload[:done]
        self.written(opcode, address, payload[:done])
        return b"", answer

    def _about(self) -> bytes:
        size = len(self.memory)
        about = [(VERSION, 1), (self.interrupt, 1), (self.queue_bytes, 2), (size, 4)]
        return b"".join(value.to_bytes(width, "little") for value, width in about)


class LossyWire:
    """`vitaccel.host.link.Wire` to a `LinkBoard` over a line that changes what it carries."""

    name = "the board"

    def __init__(self, board: LinkBoard, line: Callable[[bytes], bytes] = bytes) -> None:
        self.board, self.line = board, line
        self.pending = b""

    async def send(self, data: bytes) -> None:
        self.pending += self.line(self.board.feed(self.line(data)))

    async def receive(self) -> bytes:
        received, self.pending = self.pending, b""
        if not received:
            self.pending = self.board.give_up()
        return received
