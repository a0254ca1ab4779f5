"""Frames between host and board: one table for the gateware, the host and the manual.

A request is ``tag, opcode, address (4 bytes), payload, CRC-32``, a reply ``tag, data, answer,
CRC-32``; numbers are little-endian, each frame is packed as SLIP (RFC 1055) with an END before and
after it. See docs/host-link.md.
"""

from enum import IntEnum

__all__ = [
    "ABOUT",
    "CRC_BYTES",
    "HEADER_BYTES",
    "MOST_BYTES",
    "MOST_DATA",
    "REGISTER_BYTES",
    "UNTAGGED",
    "VERSION",
    "Answer",
    "Opcode",
]

VERSION = 1
HEADER_BYTES = 6
CRC_BYTES = 4
MOST_BYTES = 255  # of a request: its length is one byte
MOST_DATA = MOST_BYTES - HEADER_BYTES - CRC_BYTES
REGISTER_BYTES = 4096  # size of the space of registers
UNTAGGED = 0  # tag of the reply to a frame that is broken

# Data of the reply to STATUS: name -> bytes.
ABOUT = {"version": 1, "interrupt": 1, "queue_bytes": 2, "memory_bytes": 4}


class Opcode(IntEnum):
    """What a request wants.

    A read's payload is one byte, how many bytes are wanted (1 to 255); a write's are the bytes.
    Both may begin and end anywhere; registers are four bytes each.
    """

    STATUS = 0  # no payload
    READ_MEMORY = 0b100
    WRITE_MEMORY = 0b101
    READ_REGISTERS = 0b110
    WRITE_REGISTERS = 0b111


class Answer(IntEnum):
    """Last byte of a reply."""

    OK = 0
    BROKEN_FRAME = 1  # checksum, escapes or size are wrong, or its end did not come
    BAD_OPCODE = 2
    BAD_LENGTH = 3  # payload does not fit the opcode, or nothing is to be read or written
    OUTSIDE = 4  # beyond the memory or the registers; nothing of it was done
    BUS_ERROR = 5  # the bus refused; a read ends before the word, a write after the words before it
