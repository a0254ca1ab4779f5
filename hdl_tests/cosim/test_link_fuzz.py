"""The board's end of the host link under damaged frames: every reply and every byte of memory."""

from pathlib import Path

import pytest

from hdl_tests.harness.cosim import OUT
from hdl_tests.harness.link_board import LinkBoard
from hdl_tests.harness.link_fuzz import Traffic
from hdl_tests.harness.link_top import FED, HEARD, LINE_VERILOG, LinkTop
from vitaccel.config import AcceleratorConfig
from vitaccel.flow.simulation import build_model, run_bench
from vitaccel.hw.axi.axi_memory import RAM_VERILOG, SAVED
from vitaccel.verilog import verilog_text

pytestmark = pytest.mark.cosim
MEMORY_BYTES, GOOD_REGISTERS, TIMEOUT = 1 << 13, 2048, 400


@pytest.mark.parametrize(
    ("bus_bytes", "pause", "frames"),
    [
        (4, 0, 2000),
        (4, 100, 1000),
        pytest.param(8, 0, 60_000, marks=pytest.mark.slow),
        pytest.param(8, 100, 50_000, marks=pytest.mark.slow),
    ],
)
def test_every_frame_is_answered_as_it_should(
    bus_bytes: int, pause: int, frames: int, tmp_path: Path
) -> None:
    board = LinkBoard(MEMORY_BYTES, good_registers=GOOD_REGISTERS)
    traffic = Traffic(board, TIMEOUT, seed=frames)
    traffic.add(frames)
    (tmp_path / FED).write_bytes(traffic.fed)
    config = AcceleratorConfig(axi_bytes=bus_bytes)  # pyright: ignore[reportArgumentType]
    top = LinkTop(config, MEMORY_BYTES, GOOD_REGISTERS, TIMEOUT)
    text = verilog_text(top, "link_top") + RAM_VERILOG + LINE_VERILOG
    model = build_model(text, "link_top", OUT / "models")
    env = {
        "PAUSE": str(pause),
        "BUS_BYTES": str(bus_bytes),
        "MEMORY_BYTES": str(2 * MEMORY_BYTES),
    }
    run_bench(model, "hdl_tests.cosim.tb_link_fuzz", tmp_path, env=env)

    heard = bytes.fromhex((tmp_path / HEARD).read_text())
    pairs = zip(heard, traffic.replies, strict=False)
    differ = [n for n, (got, want) in enumerate(pairs) if got != want]
    assert not differ, f"reply byte {differ[0]} of {len(traffic.replies)} differs"
    assert len(heard) == len(traffic.replies)
    lines = (tmp_path / SAVED).read_text().split()
    words = (bytes.fromhex(line)[::-1] for line in lines if not line.startswith("@"))
    assert b"".join(words) == board.memory + bytes(MEMORY_BYTES)
