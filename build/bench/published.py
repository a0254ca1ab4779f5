"""Published accelerators of vision transformers, and ours in the same terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from record import table

from vitaccel.config import AcceleratorConfig
from vitaccel.resources import resources

__all__ = ["comparison"]

COLUMNS = (
    "accelerator", "network", "bits of weights/activations", "FPGA, MHz", "useful, % of peak",
    "MAC/DSP/cycle", "images/s per DSP", "source",
)  # fmt: skip

P2 = "P2-ViT, arXiv 2405.19915, table {}".format
# A dash: not published. (D) marks what was derived from published figures: MAC/DSP/cycle is
# GOPS/DSP over 2 GHz, images/s per DSP come from GOPS/DSP and dense GOP per image (DeiT-T 2.507,
# -S 9.198, -B 35.13); of peak: of 2 int8 MACs per DSP48 and cycle. (M): clock not verified.
FIXED, MIXED = "Auto-ViT-Acc, fixed point", "Auto-ViT-Acc, fixed + PoT in LUTs"
GROUP, OPEN = "integer-only systolic, TCAS-I 2023", "HeatViT-T in open RTL"
SLOW, FAST, W8A8 = "ZCU102, 150 (M)", "ZCU102, 300", "8/8"
B1, ABSTRACT = "EfficientViT-B1", "arXiv 2302.09108, abstract"
ROWS = (
    (FIXED, "DeiT-S", W8A8, SLOW, "61 (D)", "1.22 (D)", "0.040", P2("VII")),
    (FIXED, "DeiT-B", W8A8, SLOW, "73 (D)", "1.45 (D)", "0.013", P2("VII")),
    (MIXED, "DeiT-S", W8A8, SLOW, "–", "1.95 (D)", "0.064", P2("VII")),
    (MIXED, "DeiT-B", W8A8, SLOW, "–", "2.53 (D)", "0.022", P2("VII")),
    (GROUP, "DeiT-T", W8A8, FAST, "41 (D)", "0.81 (D)", "0.194 (D)", P2("IX")),
    (GROUP, "DeiT-S", W8A8, FAST, "50 (D)", "1.00 (D)", "0.065 (D)", P2("IX")),
    ("P2-ViT", "DeiT-T", W8A8, "–", "–", "–", "0.355 (D)", P2("IX")),
    ("P2-ViT", "DeiT-S", W8A8, "–", "–", "–", "0.100 (D)", P2("IX")),
    (
        "EfficientViT-FPGA",
        B1,
        W8A8,
        "ZCU102, 200",
        "95 (D)",
        "1.90 (D)",
        "0.734 (D)",
        "arXiv 2403.20230",
    ),
    ("ViTA", "ViT, Swin, TNT", W8A8, "150", "90", "–", "–", ABSTRACT),
    (OPEN, "DeiT-T", W8A8, "xc7k325t, 100", "1.5", "–", "0.007 (D)", "its README"),
)

TEXT = """
## Beside published figures

1 MAC = 2 OP, dense MACs of the network. Ours: the rows above at {mhz} MHz. The DSPs (MULT18X18D)
are those of the whole accelerator by `vitaccel.resources` (array, requantisation, LayerNorm and
softmax; in parentheses with the array's alone). One does one 8-bit product per cycle or two of 4
bits; a DSP48E2 does two of 8 bits, so there the ceiling is 2. MACs of power-of-two columns are in
LUTs. Published figures are those of boards, ours of cycles in RTL or of the estimate. (D): derived
from published figures; (M): not verified.

"""


def comparison(
    rows: Sequence[Mapping[str, Any]],
    configs: Mapping[str, tuple[str, AcceleratorConfig]],
    mhz: int,
) -> str:
    """Section of the page: published rows, and measured ``rows`` of ``deit.py`` in their terms.

    ``configs``: network's scheme and accelerator of each value of the column ``array``.
    """
    lines: list[dict[str, Any]] = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    lines += [_ours(row, *configs[row["array"]], mhz) for row in rows if row["array"] in configs]
    return TEXT.format(mhz=mhz) + "\n".join(table(COLUMNS, lines)) + "\n"


def _ours(
    row: Mapping[str, Any], scheme: str, config: AcceleratorConfig, mhz: int
) -> dict[str, Any]:
    units = resources(config)
    array, whole = units["mxu"].dsp, sum(unit.dsp for unit in units.values())
    macs = row["useful MACs"] * config.rows * config.columns
    images = row[f"images/s at {mhz} MHz"]
    figures = (
        f"**vitaccel**, {row['array']}",
        row["network"],
        scheme,
        f"LFE5U, {mhz}",
        f"{100 * row['useful MACs']:.1f}",
        f"{macs / whole:.2f} ({macs / array:.2f})",
        f"{images / whole:.3f} ({images / array:.3f})",
        "RTL" if row["cycles, RTL"] else "estimate",
    )
    return dict(zip(COLUMNS, figures, strict=True))
