"""Instructions before and after encoding, and what they touch."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vitaccel import isa
from vitaccel.errors import ConfigError

__all__ = ["Buffer", "Instruction", "View", "decode", "disassemble", "encode"]


@dataclass(eq=False)
class Buffer:
    """A block of one on-chip memory: `rows` rows of `words` words; placed when `address` is set.

    In parameter memories a word is a channel word, in table memories a slot. ``beyond`` words after
    the last one may be read too: what they hold counts for nothing, but there must be such words.
    """

    name: str
    space: isa.Space | None  # None: external memory
    rows: int
    words: int
    address: int = -1
    beyond: int = 0

    @property
    def size(self) -> int:
        """Words it takes."""
        return self.rows * self.words


@dataclass(frozen=True)
class View:
    """Rows ``row .. row + rows`` and words ``word .. word + words`` of a buffer."""

    buffer: Buffer
    row: int
    rows: int
    word: int
    words: int

    @classmethod
    def whole(cls, buffer: Buffer) -> "View":
        """All of ``buffer``."""
        return cls(buffer, 0, buffer.rows, 0, buffer.words)

    @property
    def start(self) -> int:
        """Address of the first word."""
        return self.buffer.address + self.row * self.buffer.words + self.word

    @property
    def stop(self) -> int:
        """Address after the last word."""
        last = self.row + self.rows - 1
        return self.buffer.address + last * self.buffer.words + self.word + self.words

    def overlaps(self, other: "View") -> bool:
        """Whether both can mean the same word (exact in one buffer, by bounds between two)."""
        if self.buffer is other.buffer:
            return (
                self.row < other.row + other.rows
                and other.row < self.row + self.rows
                and self.word < other.word + other.words
                and other.word < self.word + self.words
            )
        return (
            self.buffer.space is not None
            and self.buffer.space == other.buffer.space
            and self.start < other.stop
            and other.start < self.stop
        )


@dataclass(eq=False)
class Instruction:
    """One instruction: plain fields, and views whose addresses become fields once placed."""

    op: isa.Op
    layer: str
    fields: dict[str, int] = field(default_factory=dict)
    places: dict[str, View] = field(default_factory=dict)
    reads: tuple[View, ...] = ()
    writes: tuple[View, ...] = ()
    wait: int = 0
    signal: int = 0

    @property
    def unit(self) -> isa.Unit:
        """The unit that executes it."""
        return isa.UNIT_OF[self.op]

    def resolve(self) -> dict[str, int]:
        """All fields as numbers; parameter and table memories address planes below words."""
        shift = {
            isa.Space.POST_PARAM: 4,
            isa.Space.VECTOR_PARAM: 3,
            isa.Space.DEPTHWISE_WEIGHT: 3,
            isa.Space.DEPTHWISE_PARAM: 3,
            isa.Space.TABLE: 8,
            isa.Space.EXP: 9,
        }
        placed = {}
        for name, view in self.places.items():
            if view.buffer.space is not None:
                local = self.op == isa.Op.LOAD
                place = view.start << (shift.get(view.buffer.space, 0) if local else 0)
                # A convolution's first pixel may lie before its image: addresses of its walk wrap.
                placed[name] = place if place >= 0 else place + (1 << isa.FIELDS[self.op][name])
        return self.fields | placed


def _layout(op: isa.Op) -> list[tuple[str, int]]:
    return [*isa.HEADER.items(), *isa.FIELDS[op].items()]


def encode(instruction: Instruction, size: int = isa.BYTES) -> bytes:
    """Pack into ``size`` bytes: `isa.BYTES`, or for the serial core `isa.SERIAL_BYTES`.

    Raises
    ------
    ConfigError
        If a value does not fit its field: names the layer, the field and its range.
    """
    values = instruction.resolve() | {
        "opcode": int(instruction.op),
        "wait": instruction.wait,
        "signal": instruction.signal,
    }
    word, offset = 0, 0
    for n, (name, width) in enumerate(_layout(instruction.op)):
        value = int(values.pop(name, 0))
        low, high = (
            (0, (1 << width) - 1) if width > 0 else (-(1 << -width - 1), (1 << -width - 1) - 1)
        )
        if not low <= value <= high:
            raise ConfigError(
                f"layer {instruction.layer} needs {name} = {value} in {instruction.op.name}, "
                f"but the instruction holds {low} to {high}; use a smaller network or larger rows"
            )
        if size == isa.SERIAL_BYTES and n >= len(isa.HEADER):
            offset = 32 * (n - len(isa.HEADER) + 1)
            word |= (value & (1 << 32) - 1) << offset
            continue
        word |= (value & (1 << abs(width)) - 1) << offset
        offset += abs(width)
    if values:
        raise ValueError(f"{instruction.op.name} has no field {', '.join(values)}")
    return word.to_bytes(size, "little")


def decode(raw: bytes) -> tuple[isa.Op, dict[str, int]]:
    """Unpack `isa.BYTES` or `isa.SERIAL_BYTES` bytes into opcode and fields, header included.

    Raises
    ------
    ConfigError
        If the opcode is illegal.
    """
    word = int.from_bytes(raw, "little")
    try:
        op = isa.Op(word & 15)
    except ValueError as bad:
        raise ConfigError(f"program holds the illegal opcode {word & 15}") from bad
    values = {}
    for n, (name, width) in enumerate(_layout(op)):
        if len(raw) == isa.SERIAL_BYTES and n >= len(isa.HEADER):
            start = 4 * (n - len(isa.HEADER) + 1)
            word = int.from_bytes(raw[start : start + 4], "little")
        value = word & (1 << abs(width)) - 1
        if width < 0 and value >> -width - 1:
            value -= 1 << -width
        values[name] = value
        word >>= abs(width)
    return op, values


def _mask(mask: int) -> str:
    return ",".join(unit.name.lower() for unit in isa.Unit if mask >> unit & 1)


def disassemble(raw: bytes, labels: Iterable[str] = (), size: int = isa.BYTES) -> str:
    """Text of a program: ``pc op wait(..) field=value .. signal(..) ; label`` a line.

    ``size`` is that of an instruction in bytes.
    """
    lines = []
    names = list(labels)
    for pc in range(len(raw) // size):
        op, values = decode(raw[pc * size : (pc + 1) * size])
        words = [f"{pc:5} {op.name:8}"]
        if values["wait"]:
            words.append(f"wait({_mask(values['wait'])})")
        for name, value in values.items():
            if name not in isa.HEADER and value:
                words.append(f"{name}={value:#x}" if name == "external" else f"{name}={value}")
        if values["signal"]:
            words.append(f"signal({_mask(values['signal'])})")
        if pc < len(names) and names[pc]:
            words.append(f" ; {names[pc]}")
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"
