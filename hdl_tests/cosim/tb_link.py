"""Bench run inside Verilator by `test_link.py`: requests in, replies out, what the buses saw."""

import logging
import os
import random
import warnings
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteRam, AxiRam

from hdl_tests.harness.bench import Dut, drive, start
from hdl_tests.harness.host import pauses
from vitaccel.host.frames import FrameReader, Reply, request
from vitaccel.link_protocol import MOST_DATA, REGISTER_BYTES, UNTAGGED, VERSION, Answer, Opcode

MEMORY_BYTES, TIMEOUT = int(os.environ["MEMORY_BYTES"]), int(os.environ["TIMEOUT"])
PAUSES = [0.0, 0.4]


class Board:
    """The bridge between bus models; bytes in, replies out."""

    def __init__(self, dut: Dut, pause: float) -> None:
        warnings.simplefilter("ignore", DeprecationWarning)  # cocotbext-axi under cocotb 2.1
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        self.dut, self.pause = dut, pause
        self.memory: Any = AxiRam(AxiBus.from_prefix(dut, "memory"), dut.clk, dut.rst, size=2**32)
        self.registers: Any = AxiLiteRam(
            AxiLiteBus.from_prefix(dut, "control"), dut.clk, dut.rst, size=2 * REGISTER_BYTES
        )
        channels = [
            getattr(getattr(ram, f"{way}_if"), f"{channel}_channel")
            for ram in (self.memory, self.registers)
            for way, channel in (
                ("read", "ar"),
                ("read", "r"),
                ("write", "aw"),
                ("write", "w"),
                ("write", "b"),
            )
        ]
        for n, channel in enumerate(channels if pause else ()):
            channel.set_pause_generator(pauses(pause, str(n)))
        self.reader, self.replies = FrameReader(), []

    async def begin(self) -> None:
        await start(self.dut, "rx__valid", "tx__ready", "interrupt")
        cocotb.start_soon(self._listen())

    async def _listen(self) -> None:
        rng = random.Random(f"tx {cocotb.RANDOM_SEED}")
        while True:
            willing = rng.random() >= self.pause
            self.dut.tx__ready.value = int(willing)
            await ReadOnly()
            if willing and self.dut.tx__valid.value:
                byte = self.dut.tx__payload.value.to_unsigned()
                self.replies += self.reader.feed(bytes([byte]))
            await RisingEdge(self.dut.clk)

    async def send(self, received: Iterable[int]) -> None:
        await with_timeout(drive(self.dut, "rx", received, self.pause), 10, "ms")

    async def reply(self) -> Reply:
        for _ in range(100_000):
            if self.replies:
                return self.replies.pop(0)
            await RisingEdge(self.dut.clk)
        raise AssertionError("no reply")

    async def ask(self, opcode: int, address: int = 0, payload: bytes = b"", tag: int = 1) -> Reply:
        await self.send(request(tag, opcode, address, payload))
        return await self.reply()

    async def silent(self) -> None:
        """Nothing more comes."""
        await ClockCycles(self.dut.clk, 2000)
        assert not self.replies
        assert not self.reader.damaged


async def board(dut: Dut, pause: float) -> Board:
    made = Board(dut, pause)
    await made.begin()
    return made


@cocotb.test()
@cocotb.parametrize(pause=PAUSES)
async def bytes_come_back(dut: Dut, pause: float) -> None:
    """Any piece of the memory and of the registers, written and read, touches nothing else."""
    link = await board(dut, pause)
    rng = random.Random(cocotb.RANDOM_SEED)
    for opcode, ram, size in (
        (Opcode.WRITE_MEMORY, link.memory, MEMORY_BYTES),
        (Opcode.WRITE_REGISTERS, link.registers, REGISTER_BYTES),
    ):
        for n in range(12):
            count = rng.choice([1, 2, 3, 7, 8, 9, 30, MOST_DATA if n < 2 else 5])
            at = rng.choice([0, size - count, rng.randrange(size - count)])
            before = ram.read(max(at - 8, 0), 8), ram.read(at + count, min(8, size - at - count))
            sent = rng.randbytes(count)
            assert await link.ask(opcode, at, sent, n + 1) == (n + 1, b"", Answer.OK)
            assert ram.read(at, count) == sent
            after = ram.read(max(at - 8, 0), 8), ram.read(at + count, min(8, size - at - count))
            assert after == before or at < 8
            ask = Opcode(opcode & ~1)
            assert await link.ask(ask, at, bytes([count]), 255 - n) == (255 - n, sent, Answer.OK)
    await link.silent()


@cocotb.test()
@cocotb.parametrize(pause=PAUSES)
async def refusals(dut: Dut, pause: float) -> None:
    """What cannot be done is answered and does nothing."""
    link = await board(dut, pause)
    link.memory.write(0, bytes(range(250)) * (MEMORY_BYTES // 125))
    before = link.memory.read(0, 2 * MEMORY_BYTES)
    rng = random.Random(cocotb.RANDOM_SEED)
    read, write = Opcode.READ_MEMORY, Opcode.WRITE_MEMORY
    registers = Opcode.READ_REGISTERS, Opcode.WRITE_REGISTERS
    for opcode in (1, 2, 3, 8, 0x84, 255):
        assert await link.ask(opcode, 0, rng.randbytes(5)) == (1, b"", Answer.BAD_OPCODE)
    for opcode, payload in (
        (read, b""),
        (read, b"\x00"),
        (read, b"\x01\x01"),
        (write, b""),
        (Opcode.STATUS, b"\x00"),
        (registers[0], b"\x00"),
        (registers[1], b""),
    ):
        assert await link.ask(opcode, 0, payload) == (1, b"", Answer.BAD_LENGTH)
    for opcode, address, payload in (
        (read, MEMORY_BYTES, b"\x01"),
        (read, MEMORY_BYTES - 254, b"\xff"),
        (read, 0xFFFFFFFF, b"\xff"),
        (write, MEMORY_BYTES - 1, b"\x55\x55"),
        (write, 1 << 31, b"\x55" * 8),
        (write, 0xFFFFFFFF, b"\x55" * 8),
        (write, 1 << 17, b"\x55"),
        (registers[0], REGISTER_BYTES - 1, b"\x02"),
        (registers[1], REGISTER_BYTES, b"\x55" * 4),
    ):
        assert await link.ask(opcode, address, payload) == (1, b"", Answer.OUTSIDE)
    assert link.memory.read(0, 2 * MEMORY_BYTES) == before
    assert not any(link.registers.read(0, REGISTER_BYTES))
    await link.silent()


@cocotb.test()
async def status_tells_of_the_board(dut: Dut) -> None:
    link = await board(dut, 0.0)
    for interrupt in (0, 1, 0):
        dut.interrupt.value = interrupt
        about = bytes([VERSION, interrupt]) + (512).to_bytes(2, "little")
        about += MEMORY_BYTES.to_bytes(4, "little")
        assert await link.ask(Opcode.STATUS, tag=7) == (7, about, Answer.OK)


@cocotb.test()
@cocotb.parametrize(pause=PAUSES)
async def broken_frames_are_told(dut: Dut, pause: float) -> None:
    """One reply for each, and the next request works, with and without an END before it."""
    link = await board(dut, pause)
    good = request(9, Opcode.WRITE_MEMORY, 64, b"\xc0\xdb\xdc\xdd")
    flipped = bytearray(good)
    flipped[9] ^= 1
    for broken in (
        flipped,
        good[:-3] + good[-1:],
        good[:5] + b"\xdb" + good[5:],
        good[:-1] + b"\xdb\xc0",
        b"\x01\xc0",
        b"\xdb\xc0",
        bytes(300) + b"\xc0",
        bytes(700) + b"\xc0",
    ):
        await link.send(broken)
        assert await link.reply() == (UNTAGGED, b"", Answer.BROKEN_FRAME)
        assert not any(link.memory.read(64, 4))
        assert (await link.ask(Opcode.STATUS, tag=3)).tag == 3
        await link.send(broken)
        await link.reply()
        await link.send(request(4, Opcode.STATUS, 0, b"")[1:])
        assert (await link.reply()).tag == 4
    await link.send(b"\xc0" * 50)
    await link.silent()


@cocotb.test()
async def a_cut_frame_is_given_up(dut: Dut) -> None:
    """After the timeout, not before, and the next frame works."""
    link = await board(dut, 0.0)
    frame = request(5, Opcode.WRITE_MEMORY, 64, b"abcd")
    for at in (1, 2, 7, len(frame) - 1):
        await link.send(frame[:at])
        await ClockCycles(dut.clk, TIMEOUT - 20)
        assert not link.replies
        await ClockCycles(dut.clk, 100)
        if at > 1:
            assert await link.reply() == (UNTAGGED, b"", Answer.BROKEN_FRAME)
        await link.send(frame[1:])
        assert await link.reply() == (5, b"", Answer.OK)
        await link.send(frame[:at])
        await ClockCycles(dut.clk, TIMEOUT - 20)
        await link.send(frame[at:])
        assert await link.reply() == (5, b"", Answer.OK)
    await link.silent()


@cocotb.test()
@cocotb.parametrize(pause=PAUSES)
async def requests_may_be_sent_ahead(dut: Dut, pause: float) -> None:
    """As many as fit the queue while no reply is taken; all are answered in order."""
    link = await board(dut, pause)
    frames = [request(n, Opcode.READ_MEMORY, 8 * n, b"\x40") for n in range(1, 40)]
    link.memory.write(0, random.Random(1).randbytes(MEMORY_BYTES))
    await link.send(b"".join(frames))
    for n in range(1, 40):
        assert await link.reply() == (n, link.memory.read(8 * n, 64), Answer.OK)
    await link.silent()
