"""What fits a board is told before synthesis: the limits, and the messages."""

import pytest

from boards import fit
from boards.catalogue import find_board
from boards.fit import check_fit, check_fit_sdram, fit_line, memory_size, needed
from vitaccel.ecp5 import Resources
from vitaccel.errors import ConfigError
from vitaccel.presets import PRESETS

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


def test_sdram_needs_its_controller_and_no_block_ram(monkeypatch: pytest.MonkeyPatch) -> None:
    board = find_board("ulx3s-12f")
    need = check_fit_sdram(board, SMALL, 32 << 20)
    assert need == ACCELERATOR + fit.SURROUNDINGS + fit.SDRAM
    assert fit_line(board, need, sdram=True).startswith("fits ulx3s-12f with its SDRAM, estimated:")
    with pytest.raises(ConfigError) as caught:
        check_fit_sdram(board, SMALL, (32 << 20) + 1)
    assert str(caught.value) == (
        "the network's 33 MiB of memory do not fit the 32 MiB of SDRAM of ulx3s-12f; quantise to "
        "fewer bits"
    )
    wide = SMALL.replace(axi_bytes=32)
    with pytest.raises(ConfigError) as caught:
        check_fit_sdram(board, wide, 80_000)
    assert str(caught.value) == (
        "burst_beats must be at most 16 for an axi_bytes of 32 and the SDRAM of ulx3s-12f, not 32"
    )
    assert check_fit_sdram(board, wide.replace(burst_beats=16), 80_000) == need
    monkeypatch.setattr(fit, "resources", lambda config: {"all": Resources(22_000, 10, 17, 3)})
    with pytest.raises(ConfigError, match="^ulx3s-12f is too small: .* LUT4 of 24288; "):
        check_fit_sdram(board, SMALL, 80_000)


def test_the_icebreaker_takes_the_serial_core_alone() -> None:
    board = find_board("icebreaker")
    need = check_fit(board, PRESETS["icebreaker"], 40_000)
    assert fit_line(board, need) == (
        f"fits icebreaker, estimated: {need.comb} of 5280 LUT4, {need.ff} of 5280 flip-flops, "
        f"{need.dsp} of 8 SB_MAC16, 24 of 30 SB_RAM40_4K (4 kbit)"
    )
    with pytest.raises(ConfigError) as caught:
        check_fit(board, PRESETS["icebreaker"], 70_000)
    assert str(caught.value) == (
        "the network's 72 KiB of memory are more than the 64 KiB of icebreaker; take a smaller "
        "network, such as digits-small"
    )
    with pytest.raises(ConfigError) as caught:
        check_fit(board, SMALL)
    assert str(caught.value) == (
        "icebreaker takes core = 'serial' alone, not 'parallel'; its preset is icebreaker"
    )
    with pytest.raises(ConfigError) as caught:
        check_fit(find_board("ulx3s-85f"), PRESETS["icebreaker"])
    assert str(caught.value) == (
        "ulx3s-85f takes core = 'parallel' alone, not 'serial'; its preset is tiny"
    )


def test_all_memories_of_a_tang_nano_are_blocks() -> None:
    board, config = find_board("tang-nano-20k"), PRESETS["tang-nano-20k"]
    alone = check_fit(board, config)
    assert board.family.serial is not None
    parameters = -(-config.parameter_words // 512)
    assert alone.ram == board.family.serial.ram + 2 + parameters
    assert check_fit(board, config, 36_000).ram == alone.ram + 18
    with pytest.raises(ConfigError, match=r" would take 4\d BSRAM \(18 kbit\) of 46 on tang-nano"):
        check_fit(board, config, 52_000)
