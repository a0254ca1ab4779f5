"""Encoding is one table both ways."""

import random

import pytest

from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction, View, decode, disassemble, encode
from vitaccel.errors import ConfigError


def random_fields(op: isa.Op, rng: random.Random) -> dict[str, int]:
    values = {}
    for name, width in isa.FIELDS[op].items():
        low, high = (
            (0, 2**width - 1) if width > 0 else (-(2 ** (-width - 1)), 2 ** (-width - 1) - 1)
        )
        values[name] = rng.choice([low, high, rng.randint(low, high)])
    return values


@pytest.mark.parametrize("op", isa.Op)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [isa.BYTES, isa.SERIAL_BYTES])
def test_decode_undoes_encode(op: isa.Op, seed: int, size: int) -> None:
    rng = random.Random(seed)
    fields = random_fields(op, rng)
    instruction = Instruction(op, "x", fields, wait=rng.randrange(32), signal=rng.randrange(32))
    got_op, got = decode(encode(instruction, size))
    assert got_op == op
    assert got.pop("wait") == instruction.wait
    assert got.pop("signal") == instruction.signal
    assert got.pop("opcode") == op
    assert got == fields


@pytest.mark.parametrize("op", isa.Op)
def test_every_instruction_fits(op: isa.Op) -> None:
    widths = [*isa.HEADER.values(), *isa.FIELDS[op].values()]
    assert sum(abs(width) for width in widths) <= 8 * isa.BYTES
    assert 4 * (1 + len(isa.FIELDS[op])) <= isa.SERIAL_BYTES


def test_encode_refuses_what_does_not_fit() -> None:
    instruction = Instruction(isa.Op.GEMM, "blocks.0.fc1", {"n_rows": 70000})
    with pytest.raises(ConfigError) as refusal:
        encode(instruction)
    assert str(refusal.value) == (
        "layer blocks.0.fc1 needs n_rows = 70000 in GEMM, but the instruction holds 0 to 65535; "
        "use a smaller network or larger rows"
    )


def test_encode_refuses_unknown_fields() -> None:
    with pytest.raises(ValueError, match="HALT has no field n_rows"):
        encode(Instruction(isa.Op.HALT, "", {"n_rows": 1}))


def test_decode_refuses_illegal_opcodes() -> None:
    with pytest.raises(ConfigError, match="^program holds the illegal opcode 0$"):
        decode(bytes(isa.BYTES))


def test_disassembly_shows_masks_and_labels() -> None:
    place = View(Buffer("x", isa.Space.WEIGHT, 1, 8, 24), 0, 1, 0, 8)
    fields = {"external": 4096, "n_words": 8, "n_rows": 1, "space": 1}
    load = Instruction(isa.Op.LOAD, "fc1", fields, {"local": place}, wait=4, signal=1 << 2)
    raw = encode(load) + encode(Instruction(isa.Op.HALT, ""))
    assert disassemble(raw, ["fc1", ""]).splitlines() == [
        (
            "    0 LOAD     wait(mxu) external=0x1000 local=24 n_rows=1 n_words=8 space=1 "
            "signal(mxu)  ; fc1"
        ),
        "    1 HALT    ",
    ]


def test_parameter_loads_address_planes_below_words() -> None:
    buffer = Buffer("p", isa.Space.POST_PARAM, 1, 4, 5)
    load = Instruction(isa.Op.LOAD, "p", places={"local": View.whole(buffer)})
    post = Instruction(isa.Op.POST, "p", places={"param": View.whole(buffer)})
    assert load.resolve()["local"] == 5 << 4
    assert post.resolve()["param"] == 5


def test_views_of_one_buffer_overlap_only_where_rows_and_words_do() -> None:
    buffer = Buffer("x", isa.Space.ACTIVATION, 8, 6, 0)
    left, right = View(buffer, 0, 8, 0, 3), View(buffer, 0, 8, 3, 3)
    top = View(buffer, 0, 4, 0, 6)
    assert not left.overlaps(right)
    assert left.overlaps(top)
    assert right.overlaps(top)


def test_views_of_two_buffers_overlap_where_addresses_do() -> None:
    first, second = (Buffer("x", isa.Space.ACTIVATION, 2, 4, at) for at in (0, 7))
    other = Buffer("x", isa.Space.WEIGHT, 2, 4, 0)
    assert View.whole(first).overlaps(View.whole(second))
    assert not View.whole(first).overlaps(View.whole(other))
    assert not View(first, 0, 1, 0, 4).overlaps(View.whole(second))
