"""Transport over any wire that carries bytes: pipelined requests, repeated until answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vitaccel.errors import DeviceError
from vitaccel.host.frames import FrameReader, Reply, request
from vitaccel.link_protocol import (
    ABOUT,
    CRC_BYTES,
    HEADER_BYTES,
    MOST_DATA,
    UNTAGGED,
    VERSION,
    Answer,
    Opcode,
)

__all__ = ["About", "LinkTransport", "Wire"]

ROUNDS = 5  # in which nothing at all is answered, before it is given up
MOST_POLLS = 1 << 20  # for the interrupt; the core's watchdog ends a stuck run much earlier
SMALLEST_QUEUE = 512  # what any board has, until it tells


class Wire(Protocol):
    """Bytes to and from a board."""

    name: str
    """What messages call it."""

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        ...

    async def receive(self) -> bytes:
        """Wait for bytes; none if they do not come in the time in which a board answers."""
        ...


@dataclass(frozen=True)
class About:
    """What a board tells of itself."""

    version: int
    interrupt: int
    queue_bytes: int
    memory_bytes: int


class _Ask(NamedTuple):
    opcode: Opcode
    address: int
    payload: bytes
    expected: int  # bytes of data in the reply

    @property
    def cost(self) -> int:
        """Bytes in the board's queue."""
        return HEADER_BYTES + len(self.payload) + CRC_BYTES + 1

    def __str__(self) -> str:
        count = self.expected or len(self.payload)
        return f"{self.opcode.name} of {count} bytes at {self.address:#x}"


class LinkTransport:
    """`vitaccel.host.driver.Transport` by frames of `vitaccel.link_protocol`.

    As many requests are under way as the board's queue holds. What is not answered, or whose
    answer is damaged, is sent again: every request may be done twice without harm.

    Attributes
    ----------
    sent, received
        Bytes so far.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.sent = self.received = 0
        self._reader = FrameReader()
        self._intact = self._broken = 0  # replies, and frames that the board found broken
        self._tag = UNTAGGED
        self._queue_bytes = SMALLEST_QUEUE

    async def connect(self) -> About:
        """Find out what answers.

        Raises
        ------
        DeviceError
            If nothing does, or something else, or another version of the protocol.
        """
        about = await self._about()
        if about.version != VERSION:
            raise DeviceError(
                f"the board at {self.wire.name} speaks version {about.version} of the link, this "
                f"vitaccel {VERSION}; build and flash again"
            )
        self._queue_bytes = about.queue_bytes
        return about

    async def _about(self) -> About:
        (raw,) = await self._exchange([_Ask(Opcode.STATUS, 0, b"", sum(ABOUT.values()))])
        fields, at = {}, 0
        for name, size in ABOUT.items():
            fields[name] = int.from_bytes(raw[at : at + size], "little")
            at += size
        return About(**fields)

    async def read_register(self, offset: int) -> int:
        """Read one register."""
        ask = _Ask(Opcode.READ_REGISTERS, offset, bytes([4]), 4)
        return int.from_bytes((await self._exchange([ask]))[0], "little")

    async def write_register(self, offset: int, value: int) -> None:
        """Write one register."""
        payload = value.to_bytes(4, "little")
        await self._exchange([_Ask(Opcode.WRITE_REGISTERS, offset, payload, 0)])

    async def read_memory(self, address: int, size: int) -> bytes:
        """Read any bytes."""
        counts = [min(MOST_DATA, size - at) for at in range(0, size, MOST_DATA)]
        asks = [
            _Ask(Opcode.READ_MEMORY, address + n * MOST_DATA, bytes([count]), count)
            for n, count in enumerate(counts)
        ]
        return b"".join(await self._exchange(asks))

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write any bytes."""
        await self._exchange([
            _Ask(Opcode.WRITE_MEMORY, address + at, data[at : at + MOST_DATA], 0)
            for at in range(0, len(data), MOST_DATA)
        ])

    async def interrupt(self) -> None:
        """Ask for it until it is there."""
        for _ in range(MOST_POLLS):
            if (await self._about()).interrupt:
                return
        raise DeviceError("the core never raises its interrupt; its watchdog may be off")

    async def _exchange(self, asks: Sequence[_Ask]) -> list[bytes]:
        """Data of the replies to ``asks``, in their order.

        Raises
        ------
        DeviceError
            If the board refuses one, or answers nothing in `ROUNDS` rounds.
        """
        found: dict[int, bytes] = {}
        failed = 0
        while len(found) < len(asks):
            before = len(found)
            await self._round(asks, found)
            failed = failed + 1 if len(found) == before else 0
            if failed == ROUNDS:
                raise DeviceError(self._why_silent())
        return [found[n] for n in range(len(asks))]

    async def _round(self, asks: Sequence[_Ask], found: dict[int, bytes]) -> None:
        """Send what is not ``found`` yet and gather replies, until there is silence."""
        waiting = [n for n in range(len(asks)) if n not in found]
        under_way: dict[int, int] = {}  # tag -> which
        room = self._queue_bytes
        while waiting or under_way:
            burst = b""
            while waiting and asks[waiting[0]].cost < room:
                n = waiting.pop(0)
                self._tag = self._tag % 255 + 1
                under_way[self._tag] = n
                room -= asks[n].cost
                burst += request(self._tag, asks[n].opcode, asks[n].address, asks[n].payload)
            if burst:
                self.sent += len(burst)
                await self.wire.send(burst)
            received = await self.wire.receive()
            if not received:
                return
            self.received += len(received)
            for reply in self._reader.feed(received):
                if reply.tag in under_way:
                    n = under_way.pop(reply.tag)
                    room += asks[n].cost
                    self._take(asks[n], n, reply, found)
                elif reply.answer == Answer.BROKEN_FRAME:
                    self._broken += 1
                    waiting = []  # the rest in another round, once it is quiet

    def _take(self, ask: _Ask, n: int, reply: Reply, found: dict[int, bytes]) -> None:
        self._intact += 1
        if reply.answer != Answer.OK:
            raise DeviceError(f"the board refuses {ask}: {reply.answer.name}")
        if len(reply.data) != ask.expected:
            raise DeviceError(
                f"the board answers {ask} with {len(reply.data)} bytes; build and flash again"
            )
        found[n] = reply.data

    def _why_silent(self) -> str:
        name = self.wire.name
        damaged = self._reader.damaged + self._broken
        if not self.received:
            return (
                f"no answer at {name}: is the bitstream loaded, and is it the board's port and "
                "baud rate?"
            )
        if not self._intact and not self._broken:
            return (
                f"what answers at {name} is no vitaccel board: {self.received} bytes came and no "
                "intact frame; choose another port or baud rate"
            )
        if damaged:
            return (
                f"the line at {name} damages frames: {damaged} of {damaged + self._intact} failed "
                "their checksum; use a shorter cable or a lower baud rate"
            )
        return f"the board at {name} answers no more; was its cable pulled or its power lost?"
