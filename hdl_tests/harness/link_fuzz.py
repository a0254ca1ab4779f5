"""Requests, most of them damaged, and what `LinkBoard` answers."""

import random
import zlib
from collections.abc import Callable

import sliplib

from hdl_tests.harness.link_board import END, LinkBoard
from hdl_tests.harness.link_top import BYTE, WAIT, WAIT_CYCLES
from vitaccel.host.frames import request
from vitaccel.link_protocol import MOST_DATA, REGISTER_BYTES, Opcode

__all__ = ["Traffic"]

SPECIAL = b"\xc0\xdb\xdc\xdd\x00\xff"


class Traffic:
    """A seeded sequence of frames: entries for `LinkTop`, and the replies."""

    def __init__(self, board: LinkBoard, timeout: int, seed: int) -> None:
        self.board = board
        self.random = random.Random(seed)
        self.gap = bytes([WAIT, timeout // WAIT_CYCLES + 4])
        self.fed = bytearray()
        self.replies = bytearray()

    def add(self, frames: int) -> None:
        """One damaged frame after the other, now and then an undamaged one or a long silence."""
        for _ in range(frames):
            data = self._request()
            for _ in range(self.random.choice([1, 1, 1, 2, 3])):
                data = self.random.choice(MUTATIONS)(self.random, data)
            self._feed(data)
            if self.random.random() < 0.03:
                self._fall_silent()
            if self.random.random() < 0.4:
                self._feed(self._request())
        self._fall_silent()

    def _fall_silent(self) -> None:
        self.fed += self.gap
        self.replies += self.board.give_up()

    def _feed(self, data: bytes) -> None:
        self.fed += b"".join(bytes([BYTE, byte]) for byte in data)
        self.replies += self.board.feed(data)

    def _request(self) -> bytes:
        rng = self.random
        if rng.random() < 0.1:
            return _sealed(rng.randbytes(rng.choice([0, 1, 4, 5, 6, 7, 250, 251, 252, 253, 400])))
        code = rng.choice([*Opcode] * 4 + [rng.randrange(256)])
        size = REGISTER_BYTES if code & 2 else len(self.board.memory)
        count = rng.choice([0, 1, 2, 3, 4, 5, 7, 8, 9, rng.randrange(40), rng.randrange(MOST_DATA)])
        edge = rng.choice([0, size, self.board.good_registers]) + rng.randint(-count - 2, 2)
        address = rng.choice([rng.randrange(size), edge, rng.getrandbits(32)]) & 0xFFFFFFFF
        payload = bytes(
            rng.choice(SPECIAL) if rng.random() < 0.2 else b for b in rng.randbytes(count)
        )
        if code in {Opcode.READ_MEMORY, Opcode.READ_REGISTERS} and rng.random() < 0.9:
            payload = bytes([count])
        return request(rng.randint(1, 255), code, address, payload)


def _sealed(body: bytes) -> bytes:
    """Any bytes with a right checksum."""
    return END + sliplib.encode(body + zlib.crc32(body).to_bytes(4, "little")) + END


def _flip(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + bytes(b ^ 1 << rng.randrange(8) for b in data[at : at + 1]) + data[at + 1 :]


def _drop(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + data[at + rng.choice([1, 1, 2, 8]) :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    junk = bytes(
        rng.choice([*SPECIAL, rng.randrange(256)]) for _ in range(rng.choice([1, 1, 2, 9]))
    )
    return data[:at] + junk + data[at:]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _behead(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randint(0, len(data)) :]


def _swap(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + data[at : at + 2][::-1] + data[at + 2 :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    return data * rng.choice([2, 2, 3])


def _noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice([1, 5, 30, 300]))


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [
    *(_flip, _flip, _flip, _drop, _drop, _insert, _insert),
    *(_cut, _behead, _swap, _repeat, _noise),
]
