"""Requests into bytes, and bytes into replies; see `vitaccel.link_protocol`."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import sliplib

from vitaccel.link_protocol import CRC_BYTES, Answer

__all__ = ["FrameReader", "Reply", "request"]

_HEADER = struct.Struct("<BBI")


class Reply(NamedTuple):
    """One reply of the board."""

    tag: int
    data: bytes
    answer: Answer


def request(tag: int, opcode: int, address: int, payload: bytes) -> bytes:
    """Bytes on the line of one request.

    Parameters
    ----------
    tag
        1 to 255; the reply has the same.
    address
        0 to 2^32 - 1.
    payload
        See `vitaccel.link_protocol.Opcode`.
    """
    frame = _HEADER.pack(tag, opcode, address) + payload
    # The END before it ends what noise on the line has begun.
    return sliplib.END + sliplib.encode(frame + _checksum(frame)) + sliplib.END


def _checksum(frame: bytes) -> bytes:
    return zlib.crc32(frame).to_bytes(CRC_BYTES, "little")


class FrameReader:
    """Finds replies in what comes from the board, however it is cut.

    Attributes
    ----------
    damaged
        Pieces between two ENDs that are no intact frame.
    """

    def __init__(self) -> None:
        self._driver = sliplib.Driver()
        self.damaged = 0

    def feed(self, received: bytes) -> Iterator[Reply]:
        """Replies that are complete with these bytes."""
        if received:  # an empty piece would mean to sliplib that no more comes
            self._driver.receive(received)
        while True:
            try:
                frame = self._driver.get(block=False)
            except sliplib.ProtocolError:
                self.damaged += 1
                continue
            if frame is None:
                return
            reply = _reply(frame)
            if reply is None:
                self.damaged += 1
            else:
                yield reply


def _reply(frame: bytes) -> Reply | None:
    body, checksum = frame[:-CRC_BYTES], frame[-CRC_BYTES:]
    known = len(body) >= 2 and body[-1] in set(Answer)
    if not known or checksum != _checksum(body):
        return None
    return Reply(body[0], body[1:-1], Answer(body[-1]))
