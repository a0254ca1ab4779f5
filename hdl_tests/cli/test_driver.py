"""`vitaccel.host.Driver` against registers in a dictionary."""

import asyncio
import re
from typing import Any

import pytest

from vitaccel import isa
from vitaccel.compile.program import Program, Region, Routine
from vitaccel.errors import DeviceError
from vitaccel.host import Driver
from vitaccel.presets import PRESETS
from vitaccel.registers import CONTROL, IDENTITY, REGISTERS, SEQUENCER, STATUS, State, digest_word

DIGEST = PRESETS["tiny"].digest()
INPUT = Region("image", 0, 128, 1, 4, (0, 1, 2, 3))
SETUP, MAIN = Routine(0, ("fc1",)), Routine(32, ("fc1", "fc2", ""))
PROGRAM = Program("net", DIGEST, bytes(range(128)), 132, SETUP, MAIN, INPUT, {}, (INPUT,))
NAMES = {register.offset: name for name, register in REGISTERS.items()}


def pack(fields: isa.Fields, **values: int) -> int:
    word = offset = 0
    for name, width in fields.items():
        assert values.get(name, 0) < 1 << width
        word |= values.pop(name, 0) << offset
        offset += width
    assert not values
    return word


class FakeTransport:
    """Every run ends with ``status`` as soon as somebody waits for the interrupt."""

    def __init__(self, **status: int) -> None:
        self.status = pack(STATUS, **({"state": State.DONE} | status))
        self.registers = {"ID": IDENTITY, "CONFIG_DIGEST": digest_word(DIGEST), "STATUS_PC": 0}
        self.memory = bytearray(256)
        self.running = self.pending = False
        self.runs: list[tuple[int, int]] = []

    async def read_register(self, offset: int) -> int:
        return self.registers[NAMES[offset]]

    async def write_register(self, offset: int, value: int) -> None:
        name = NAMES[offset]
        assert REGISTERS[name].writable
        if name != "CONTROL":
            self.registers[name] = value
        elif value == pack(CONTROL, start=1):
            assert not self.pending, "started before the interrupt was cleared"
            self.running = True
        else:
            assert value == pack(CONTROL, clear_interrupt=1)
            self.pending = False

    async def read_memory(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    async def write_memory(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data

    async def interrupt(self) -> None:
        assert self.running
        self.running, self.pending = False, True
        self.runs.append((self.registers["PROGRAM_BASE"], self.registers["PROGRAM_LENGTH"]))
        self.registers["STATUS"] = self.status


def refused(message: str) -> Any:
    return pytest.raises(DeviceError, match=f"^{re.escape(message)}$")


def test_load_writes_the_image_opens_the_window_and_runs_setup() -> None:
    link = FakeTransport()
    asyncio.run(Driver(link).load(PROGRAM))
    assert bytes(link.memory[:128]) == PROGRAM.image
    assert (link.registers["MEMORY_BASE"], link.registers["MEMORY_LIMIT"]) == (0, 132)
    assert link.runs == [(0, 1)]


def test_load_without_setup_runs_nothing() -> None:
    link = FakeTransport()
    lean = Program("net", DIGEST, b"", 4, None, MAIN, INPUT, {}, (INPUT,))
    asyncio.run(Driver(link).load(lean))
    assert link.runs == []


def test_runs_one_after_the_other_end_done() -> None:
    link = FakeTransport()
    driver = Driver(link)
    for _ in range(3):
        asyncio.run(driver.run(MAIN))
    assert link.runs == [(32, 3)] * 3
    assert not link.pending


@pytest.mark.parametrize("code", [status for status in isa.Status if status], ids=lambda s: s.name)
@pytest.mark.parametrize("unit", [*isa.Unit, SEQUENCER], ids=str)
def test_error_names_status_unit_instruction_and_layer(code: isa.Status, unit: int) -> None:
    link = FakeTransport(state=State.ERROR, code=code, unit=unit)
    link.registers["STATUS_PC"] = 1
    name = "SEQUENCER" if unit == SEQUENCER else isa.Unit(unit).name
    text = f"the core stopped with {code.name} in {name} at instruction 1 (layer fc2)"
    with refused(text):
        asyncio.run(Driver(link).run(MAIN))
    assert not link.pending, "the interrupt stays behind"


@pytest.mark.parametrize("pc", [2, 3, 65535])
def test_error_outside_any_layer_names_none(pc: int) -> None:
    link = FakeTransport(state=State.ERROR, code=isa.Status.ILLEGAL_OPCODE, unit=SEQUENCER)
    link.registers["STATUS_PC"] = pc
    with refused(f"the core stopped with ILLEGAL_OPCODE in SEQUENCER at instruction {pc}"):
        asyncio.run(Driver(link).run(MAIN))


def test_error_in_setup_ends_load() -> None:
    link = FakeTransport(state=State.ERROR, code=isa.Status.READ_DECERR, unit=isa.Unit.LOAD)
    text = "the core stopped with READ_DECERR in LOAD at instruction 0 (layer fc1)"
    with refused(text):
        asyncio.run(Driver(link).load(PROGRAM))


def test_stranger_is_refused_before_anything_is_written() -> None:
    link = FakeTransport()
    link.registers["ID"] = 0xFFFFFFFF
    with refused("no vitaccel accelerator answers here; check the bitstream"):
        asyncio.run(Driver(link).load(PROGRAM))
    assert not any(link.memory)


def test_other_configuration_is_refused_before_anything_is_written() -> None:
    link = FakeTransport()
    link.registers["CONFIG_DIGEST"] = 0x0BADC0DE
    text = (
        "the accelerator has configuration 0badc0de, but the program was compiled for "
        f"{DIGEST[:8]}; compile or build again so that both agree"
    )
    with refused(text):
        asyncio.run(Driver(link).load(PROGRAM))
    assert not any(link.memory)


def test_counters_are_read_by_name() -> None:
    link = FakeTransport()
    counted = [name for name in REGISTERS if name.startswith(("BUSY_", "WAITING_"))]
    wanted = {name: n for n, name in enumerate(["CYCLES", "MXU_BEATS", *counted])}
    link.registers |= wanted
    assert asyncio.run(Driver(link).counters()) == wanted
