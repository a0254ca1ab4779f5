"""The host's end of the link, against a board in Python and lines that damage what they carry."""

import asyncio
import random
import re
from typing import Any

import pytest

from hdl_tests.harness.link_board import LinkBoard, LossyWire, reply
from vitaccel.errors import DeviceError
from vitaccel.host.frames import FrameReader, request
from vitaccel.host.link import ROUNDS, LinkTransport
from vitaccel.link_protocol import MOST_DATA, Answer, Opcode

SIZE = 1 << 14


def linked(board: LinkBoard, line: Any = bytes) -> LinkTransport:
    return LinkTransport(LossyWire(board, line))


def refused(message: str) -> Any:
    return pytest.raises(DeviceError, match=f"^{re.escape(message)}$")


def damaging(seed: int, share: float) -> Any:
    """Change, lose, or make up bytes in ``share`` of the bursts."""
    rng = random.Random(seed)

    def line(data: bytes) -> bytes:
        if not data or rng.random() >= share:
            return data
        at = rng.randrange(len(data))
        middle = rng.choice([b"", b"\xc0", b"\xdb", rng.randbytes(3)])
        return data[:at] + middle + data[at + rng.choice([0, 1, 5, 400]) :]

    return line


@pytest.mark.parametrize("size", [0, 1, MOST_DATA, MOST_DATA + 1, 5000])
@pytest.mark.parametrize("queue_bytes", [512, 2048])
def test_memory_of_any_size_comes_back(size: int, queue_bytes: int) -> None:
    board = LinkBoard(SIZE, queue_bytes)
    sent = random.Random(size).randbytes(size)

    async def use() -> bytes:
        link = linked(board)
        await link.connect()
        await link.write_memory(33, sent)
        return await link.read_memory(33, size)

    assert asyncio.run(use()) == sent
    assert board.memory == bytes(33) + sent + bytes(SIZE - 33 - size)


def test_registers_are_words() -> None:
    board = LinkBoard(SIZE)

    async def use() -> int:
        await linked(board).write_register(0x28, 0xC0DB00FF)
        return await linked(board).read_register(0x28)

    assert asyncio.run(use()) == 0xC0DB00FF
    assert board.registers[0x28:0x2C] == bytes.fromhex("ff00dbc0")


def test_interrupt_is_waited_for() -> None:
    board = LinkBoard(SIZE)
    asked = 0

    def line(data: bytes) -> bytes:
        nonlocal asked
        asked += 1
        board.interrupt = int(asked > 20)
        return data

    asyncio.run(linked(board, line).interrupt())
    assert board.interrupt


@pytest.mark.parametrize("queue_bytes", [512, 2048])
def test_no_more_is_under_way_than_the_queue_holds(queue_bytes: int) -> None:
    board, most = LinkBoard(SIZE, queue_bytes), 0

    class Counting(LossyWire):
        async def send(self, data: bytes) -> None:
            nonlocal most
            frames = [frame for frame in data.split(b"\xc0") if frame]
            # An escape is two bytes on the line and one in the queue.
            held = sum(len(f) + 1 - f.count(b"\xdb") for f in frames)
            most = max(most, held)
            await super().send(data)

    async def use() -> None:
        link = LinkTransport(Counting(board))
        await link.connect()
        await link.write_memory(0, random.Random(1).randbytes(SIZE))

    asyncio.run(use())
    assert queue_bytes - MOST_DATA - 12 < most < queue_bytes


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_repaired(seed: int) -> None:
    """As long as something gets through in `ROUNDS` rounds."""
    board = LinkBoard(SIZE)
    sent = random.Random(seed).randbytes(4000)

    async def use() -> bytes:
        link = linked(board, damaging(seed, 0.15))
        await link.write_memory(0, sent)
        return await link.read_memory(0, 4000)

    assert asyncio.run(use()) == sent
    assert board.memory[:4000] == sent


def test_old_replies_are_not_taken_for_new_ones() -> None:
    board = LinkBoard(SIZE)

    class Late(LossyWire):
        """Replies come after the host has given the request up."""

        async def receive(self) -> bytes:
            received, self.pending = self.pending, self.next
            self.next = b""
            return received

        async def send(self, data: bytes) -> None:
            self.next += self.board.feed(data)

        next = b""

    async def use() -> list[bytes]:
        link = LinkTransport(Late(board))
        found = []
        for value in range(3):
            board.memory[0] = value
            found.append(await link.read_memory(0, 1))
        return found

    assert asyncio.run(use()) == [b"\x00", b"\x01", b"\x02"]


def test_an_answer_of_another_size_is_told() -> None:
    class Short(LinkBoard):
        def feed(self, received: bytes) -> bytes:
            return reply(1, b"ab", Answer.OK)

    message = (
        "the board answers READ_REGISTERS of 4 bytes at 0x10 with 2 bytes; build and flash again"
    )
    with refused(message):
        asyncio.run(linked(Short(SIZE)).read_register(0x10))


SILENT = (
    "no answer at the board: is the bitstream loaded, and is it the board's port and baud rate?"
)
STRANGER = (
    "what answers at the board is no vitaccel board: 45 bytes came and no intact frame; choose "
    "another port or baud rate"
)
DAMAGED = (
    "the line at the board damages frames: 5 of 5 failed their checksum; use a shorter cable or a "
    "lower baud rate"
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (lambda data: b"", SILENT),
        (bytes, STRANGER),
        (lambda data: data if len(data) <= 8 else data[:7] + data[8:], DAMAGED),
    ],
    ids=["silence", "stranger", "damage"],
)
def test_what_is_wrong_is_told(line: Any, message: str) -> None:
    class Stranger(LinkBoard):
        def feed(self, received: bytes) -> bytes:
            return b"> login: "

    board = Stranger(SIZE) if message == STRANGER else LinkBoard(SIZE)
    with refused(message):
        asyncio.run(linked(board, line).connect())


def test_a_board_that_falls_silent_is_told() -> None:
    alive = True
    link = linked(LinkBoard(SIZE), lambda data: data if alive else b"")
    asyncio.run(link.connect())
    alive = False
    message = "the board at the board answers no more; was its cable pulled or its power lost?"
    with refused(message):
        asyncio.run(link.read_register(0))


def test_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdl_tests.harness.link_board.VERSION", 9)
    message = (
        "the board at the board speaks version 9 of the link, this vitaccel 1; build and flash "
        "again"
    )
    with refused(message):
        asyncio.run(linked(LinkBoard(SIZE)).connect())


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda link: link.write_memory(SIZE - 1, b"ab"),
            "the board refuses WRITE_MEMORY of 2 bytes at 0x3fff: OUTSIDE",
        ),
        (
            lambda link: link.read_register(2048),
            "the board refuses READ_REGISTERS of 4 bytes at 0x800: BUS_ERROR",
        ),
    ],
)
def test_refusals_are_told(act: Any, message: str) -> None:
    with refused(message):
        asyncio.run(act(linked(LinkBoard(SIZE, good_registers=2048))))


def test_frames_are_found_however_they_are_cut() -> None:
    replies = [(n, bytes([n, 0xC0, 0xDB]), Answer.OK) for n in range(1, 100)]
    line = b"\x00garbage" + b"".join(reply(*one) for one in replies)
    for step in (1, 2, 7, len(line)):
        reader = FrameReader()
        found = [
            one for at in range(0, len(line), step) for one in reader.feed(line[at : at + step])
        ]
        assert found == replies
        assert reader.damaged == 1


def test_a_request_is_slip_and_crc() -> None:
    """By hand from RFC 1055 and the check value of CRC-32."""
    assert request(0x31, 0x32, 0x36353433, b"789")[1:-1].endswith(bytes.fromhex("2639f4cb"))
    assert request(1, Opcode.WRITE_MEMORY, 0xC0, b"\xdb")[:10] == bytes.fromhex(
        "c0 01 05 db dc 00 00 00 db dd"
    )


def test_rounds_bound_the_wait() -> None:
    board, sent = LinkBoard(SIZE), []

    def line(data: bytes) -> bytes:
        sent.append(data)
        return b""

    with pytest.raises(DeviceError):
        asyncio.run(linked(board, line).connect())
    assert len([data for data in sent if data]) == ROUNDS
