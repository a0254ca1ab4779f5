"""docs/instruction-set.md says what `vitaccel.isa` says, and its listing is a real one."""

import re
from pathlib import Path

import pytest

from hdl_tests.harness.networks import random_qnetwork
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.presets import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "instruction-set.md").read_text()


def tables(title: str) -> dict[str, dict[str, str]]:
    """Tables of a section: name of the first column -> first cell -> second cell."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert section, f"no section {title}"
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in section[1].splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            name = ""
        elif not name:
            name = cells[0].split(" ")[0]
            found[name] = {}
        elif not cells[0].startswith("---"):
            assert cells[0] not in found[name]
            found[name][cells[0]] = cells[1]
    return found


def widths(fields: isa.Fields) -> list[tuple[str, str]]:
    return [(name, f"{width}" if width > 0 else f"{-width} s") for name, width in fields.items()]


def codes(
    enum: type[isa.Space | isa.Stationary | isa.Columns | isa.Division | isa.Status],
) -> dict[str, str]:
    return {member.name: str(int(member)) for member in enum}


def test_header() -> None:
    assert list(tables("Header")["Field"].items()) == widths(isa.HEADER)


@pytest.mark.parametrize("op", isa.Op, ids=lambda op: op.name)
def test_fields_in_order_with_widths(op: isa.Op) -> None:
    listed = tables(f"{op.name} ({int(op)})").get("Field", {})
    assert list(listed.items()) == widths(isa.FIELDS[op])


def test_no_other_opcodes() -> None:
    assert re.findall(r"^## (\w+) \(\d+\)$", PAGE, re.M) == [op.name for op in isa.Op]


def test_codes() -> None:
    assert tables("LOAD (2)")["Space"] == codes(isa.Space)
    assert tables("GEMM (4)")["Stationary"] == codes(isa.Stationary)
    assert tables("GEMM (4)")["Columns"] == codes(isa.Columns)
    assert tables("POST (5)")["Division"] == codes(isa.Division)
    assert tables("Status")["Status"] == codes(isa.Status)


def test_units() -> None:
    section = tables("Units and semaphores")["Unit"]
    assert section == {unit.name: str(int(unit)) for unit in isa.Unit}
    for unit in isa.Unit:
        ops = ", ".join(op.name for op, owner in isa.UNIT_OF.items() if owner == unit)
        assert f"| {unit.name} | {int(unit)} | {ops} |" in PAGE


def test_instructions_fit() -> None:
    for op in isa.Op:
        widths = [*isa.HEADER.values(), *isa.FIELDS[op].values()]
        assert sum(map(abs, widths)) <= 8 * isa.BYTES
    assert f"An instruction is {isa.BYTES} bytes" in PAGE


def test_listing_is_what_the_compiler_writes() -> None:
    network = random_qnetwork(dim=16, heads=2, tokens=5, log2=False, pot=0.0)
    listing = compile_network(network, PRESETS["tiny"]).listing()
    example = re.search(r"^```\n(.*?)```$", PAGE, re.M | re.S)
    assert example
    assert example[1] in listing
