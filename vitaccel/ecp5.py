"""The ECP5: what its devices have, and how Yosys builds memories from its blocks and LUTs."""

from dataclasses import astuple, dataclass

from vitaccel.census import Storage

__all__ = ["DEVICES", "Resources", "Words", "words"]


@dataclass(frozen=True)
class Resources:
    """Parts of the FPGA.

    Parameters
    ----------
    comb
        LUT4, carries included: LUT4 + 2 CCU2C + 6 DPR16X4 cells.
    ff
        Flip-flops.
    dsp
        MULT18X18D.
    ram
        DP16KD, 18 kbit.
    """

    comb: int = 0
    ff: int = 0
    dsp: int = 0
    ram: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


# Lattice FPGA-DS-02012 (ECP5 family data sheet), table 1.1; every LUT4 has a flip-flop.
DEVICES = {
    "LFE5U-85F": Resources(83640, 83640, 156, 208),
    "LFE5U-45F": Resources(43848, 43848, 72, 108),
    "LFE5U-25F": Resources(24288, 24288, 28, 56),
}


@dataclass(frozen=True)
class Words:
    """How a memory is built.

    Parameters
    ----------
    blocks
        DP16KD, or 0 if it is in LUTs.
    luts
        DPR16X4, or 0 if it is in blocks.
    muxes
        Two-to-one multiplexers of one bit that choose among parts of the depth.
    """

    blocks: int
    luts: int
    muxes: int


_SHAPES = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}  # width -> words of a DP16KD
_DUAL = 18  # widest shape with two ports for reading
_LANE = 9  # bits with a write enable of their own
# Costs that `memory_libmap` of Yosys 0.70 weighs, from its ECP5 library; `_COLLISION` is between
# 4 and 21: 24 bits of 64 words that must bring the old word go into LUTs, 25 bits into a block.
_BLOCK, _LUT, _MUX, _COLLISION = 128, 4, 0.5, 8


def words(storage: Storage) -> Words:
    """Say how ``storage`` is built."""
    width, depth = storage.width, storage.depth
    rows = -(-depth // 16)
    luts = Words(
        0, storage.readers * _columns(storage, 4) * rows, storage.readers * width * (rows - 1)
    )
    if storage.kind == "queue":
        return luts
    shapes = list(_SHAPES) if storage.readers == 1 else [s for s in _SHAPES if s <= _DUAL]
    options = [_blocks(storage, shapes, shape) for shape in shapes]
    block = min(options, key=lambda o: _BLOCK * o.blocks + _MUX * o.muxes)
    collision = _COLLISION if storage.kind == "clocked" else 0
    in_blocks = _BLOCK * block.blocks + _MUX * block.muxes + collision
    return block if in_blocks < _LUT * luts.luts + _MUX * luts.muxes else luts


def _blocks(storage: Storage, shapes: list[int], shape: int) -> Words:
    """Rows of blocks ``shape`` bits wide; the last row wider if little of the depth is left."""
    whole, left = divmod(storage.depth, _SHAPES[shape])
    blocks = whole * _columns(storage, shape)
    if left:
        widest = max(other for other in shapes if _SHAPES[other] >= left)
        blocks += _columns(storage, max(widest, shape))
    return Words(blocks, 0, storage.readers * storage.width * (whole + bool(left) - 1))


def _columns(storage: Storage, shape: int) -> int:
    """Memories ``shape`` bits wide side by side; wide ones write lanes of 9 bits separately."""
    granule = storage.width // storage.granules
    if storage.granules == 1:
        return -(-storage.width // shape)
    if shape < _LANE:
        return storage.granules * -(-granule // shape)
    return -(-storage.granules * -(-granule // _LANE) // (shape // _LANE))
