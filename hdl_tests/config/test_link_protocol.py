"""docs/host-link.md says what `vitaccel.link_protocol` says."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

from hdl_tests.harness.link_board import reply
from vitaccel.host.frames import request
from vitaccel.link_protocol import MOST_DATA, Answer, Opcode

PAGE = (Path(__file__).parents[2] / "docs" / "host-link.md").read_text()


@pytest.mark.parametrize("table", [Opcode, Answer])
def test_codes_are_those_of_the_page(table: type[IntEnum]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.M)
    listed = {name: int(code) for name, code in rows if name in table.__members__}
    assert listed == {code.name: int(code) for code in table}


def test_the_longest_payload_is_that_of_the_page() -> None:
    assert f"| payload | 0 to {MOST_DATA} |" in PAGE


def test_the_example_is_right() -> None:
    shown = [bytes.fromhex(text) for text in re.findall(r"`(c0 [0-9a-f ]+ c0)`", PAGE)]
    asked = request(1, Opcode.READ_REGISTERS, 0, b"\x04")
    assert shown == [asked, reply(1, b"VITA", Answer.OK)]
