"""The ECP5: what its devices have, and how Yosys builds memories from its blocks and LUTs."""

from dataclasses import astuple, dataclass

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
# Costs that `memory_libmap` of Yosys 0.70 weighs, from its ECP5 library; `_COLLISION` is between
# 4 and 21: 24 bits of 64 words that must bring the old word go into LUTs, 25 bits into a block.
_BLOCK, _LUT, _MUX, _COLLISION = 128, 4, 0.5, 8


def words(width: int, depth: int, kind: str) -> Words:
    """Build ``depth`` words of ``width`` bits; ``kind`` as in `vitaccel.flow.census.Storage`."""
    rows = -(-depth // 16)
    luts = Words(0, -(-width // 4) * rows, width * (rows - 1))
    if kind == "queue":
        return luts
    options = [_blocks(width, depth, shape) for shape in _SHAPES]
    block = min(options, key=lambda o: _BLOCK * o.blocks + _MUX * o.muxes)
    collision = _COLLISION if kind == "clocked" else 0
    in_blocks = _BLOCK * block.blocks + _MUX * block.muxes + collision
    return block if in_blocks < _LUT * luts.luts + _MUX * luts.muxes else luts


def _blocks(width: int, depth: int, shape: int) -> Words:
    """Rows of blocks ``shape`` bits wide; the last row wider if little of the depth is left."""
    whole, left = divmod(depth, _SHAPES[shape])
    blocks = whole * -(-width // shape)
    if left:
        widest = max(other for other, n_words in _SHAPES.items() if n_words >= left)
        blocks += -(-width // max(widest, shape))
    return Words(blocks, 0, width * (whole + bool(left) - 1))
