"""What fits a board is told before synthesis: the limits, and the messages."""

import pytest

from boards import fit
from boards.catalogue import find_board
from boards.fit import check_fit, fit_line, memory_size, needed
from vitaccel.config import PRESETS
from vitaccel.ecp5 import Resources
from vitaccel.errors import ConfigError

SMALL = PRESETS["small"]


ACCELERATOR = Resources(comb=18_000, ff=12_000, dsp=17, ram=11)


@pytest.fixture(autouse=True)
def _accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not change with the gateware, and takes no second to count."""
    monkeypatch.setattr(fit, "resources", lambda config: {"all": ACCELERATOR})


def test_memory_is_made_of_whole_pages() -> None:
    assert [memory_size(n) for n in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]


def test_what_surrounds_the_accelerator_is_counted() -> None:
    assert needed(SMALL, 0) == ACCELERATOR + fit.SURROUNDINGS


def test_block_ram_of_the_memory_is_counted() -> None:
    """A DP16KD holds 2 KiB of bytes that are written separately."""
    alone = needed(SMALL, 0)
    assert needed(SMALL, 8192).ram == alone.ram + 4
    assert needed(SMALL, 81920).ram == alone.ram + 40
    assert needed(SMALL, 81920).dsp == alone.dsp


def test_small_fits_the_smallest_board(monkeypatch: pytest.MonkeyPatch) -> None:
    board = find_board("ulx3s-12f")
    need = check_fit(board, SMALL, 80_000)
    assert fit_line(board, need) == (
        f"fits ulx3s-12f, estimated: {need.comb} of 24288 LUT4, {need.ff} of 24288 flip-flops, "
        f"17 of 28 MULT18X18D, {need.ram} of 56 DP16KD (18 kbit)"
    )
    with pytest.raises(ConfigError) as caught:
        check_fit(board, SMALL, 200_000)
    assert str(caught.value) == (
        "the network's 196 KiB of memory and the accelerator would take "
        f"{needed(SMALL, memory_size(200_000)).ram} DP16KD (18 kbit) of 56 on ulx3s-12f; quantise "
        "to fewer bits, or take a board with more block RAM"
    )
    monkeypatch.setattr(fit, "resources", lambda config: {"all": Resources(30_000, 10, 41, 3)})
    for program_bytes in (0, 80_000):
        with pytest.raises(ConfigError) as caught:
            check_fit(board, SMALL, program_bytes)
        assert str(caught.value).startswith("ulx3s-12f is too small: the accelerator would take ")
    monkeypatch.setattr(fit, "SURROUNDINGS", Resources())
    with pytest.raises(ConfigError) as caught:
        check_fit(board, SMALL)
    assert str(caught.value) == (
        "ulx3s-12f is too small: the accelerator would take 30000 LUT4 of 24288, 41 MULT18X18D of "
        "28; `vitaccel boards` lists what fits"
    )
