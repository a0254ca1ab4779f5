"""Energy of a run from a table of energies per operation: to compare ways, not to plan a supply.

The table is that of a 45 nm chip at 0.9 V (Horowitz, "Computing's energy problem", ISSCC 2014,
figure 1.1.9), the energy of a shift that of ShiftAddNet (2010.12785, table 1) for the same process.
An FPGA takes several times as much for everything on chip. Counted is what grows with the work:
products and sums, words of activations, weights and sums read and written, bytes of external
memory. Clock, control and leakage are not.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.spans import working_steps
from vitaccel.tiles import load_cycles, usable_columns
from vitaccel.windows import KERNELS, padded_size, result_size, sum_bits

if TYPE_CHECKING:
    from vitaccel.compile.program import Decoded, Program

__all__ = ["Energy", "energy"]

PRODUCT = 0.2 / 64  # pJ per bit of one factor and bit of the other: 8 x 8 bits take 0.2 pJ
SHIFT = 0.024  # pJ, of 8 bits
SUM = 0.1 / 32  # pJ per bit
SRAM = 10 / 64, 8192  # pJ per bit of a memory of so many bytes; grows as the root of these
EXTERNAL = 1300 / 64  # pJ per bit of DRAM, the lower end of the table
FACTOR_BITS = 16  # of requantisation and of VECTOR's products


@dataclass(frozen=True)
class Energy:
    """Picojoules of one run by what they are spent on.

    Parameters
    ----------
    parts
        ``multiply``, ``shift``, ``add``, ``rescale`` (requantisation, VECTOR), ``activations``
        (and line buffers), ``weights``, ``sums`` (the three on-chip memories) and ``external``.
    """

    parts: Mapping[str, float]

    def summary(self, batch: int, seconds: float) -> dict[str, Any]:
        """Per image, if an image takes ``seconds``: microjoules, and their product with time."""
        each = {name: pj / 1e6 / batch for name, pj in self.parts.items()}
        total = sum(each.values())
        return {
            "uj_per_image": round(total, 3),
            "uj_by_part": {name: round(part, 3) for name, part in each.items()},
            "energy_delay_uj_s": round(total * seconds, 6),
        }

    @staticmethod
    def line(about: Mapping[str, Any]) -> str:
        """The summary in words."""
        total = about["uj_per_image"]
        shares = ", ".join(f"{k} {v / total:.0%}" for k, v in about["uj_by_part"].items() if v)
        return (
            f"energy by a 45 nm table: {total:.4g} uJ per image ({shares}); "
            f"energy x delay {about['energy_delay_uj_s']:.4g} uJ s"
        )


def energy(program: "Program", config: AcceleratorConfig) -> Energy:
    """Energy of one run of ``program.main``."""
    spent: defaultdict[str, float] = defaultdict(float)
    for step in working_steps(program):
        for part, picojoules in _SPENT[step.op](step, config).items():
            spent[part] += picojoules
    spent["external"] += len(program.main.labels) * isa.BYTES * 8 * EXTERNAL
    return Energy(dict(spent))


def _access(bits: float, size: int) -> float:
    """Reading or writing ``bits`` of a memory of ``size`` bytes."""
    each, of = SRAM
    return bits * each * sqrt(size / of)


def _activations(words: int, config: AcceleratorConfig) -> float:
    bank = config.activation_words * config.rows // config.activation_banks
    return _access(words * config.rows * 8, bank)


def _weights(words: int, config: AcceleratorConfig) -> float:
    return _access(words * config.rows * 8, config.weight_words * config.rows)


def _sums(rows: int, columns: int, config: AcceleratorConfig) -> float:
    """One access to a row of sums, of which every column has a memory of its own."""
    size = 2 * config.accumulator_rows * config.accumulator_bits // 8
    return _access(rows * columns * config.accumulator_bits, size)


def _gemm(step: "Decoded", config: AcceleratorConfig) -> Mapping[str, float]:
    fields = step.fields
    tiles = fields["k_tiles"] * fields["n_tiles"]
    beats = fields["n_rows"] * tiles
    columns = usable_columns(config, fields)
    mixed = fields["columns"] == isa.Columns.ALL
    only_shifts = fields["columns"] == isa.Columns.POT
    shifting = columns if only_shifts else config.pot_columns * mixed
    narrow = fields["columns"] == isa.Columns.PACKED or (mixed and config.packed)
    bits = 4 if narrow else 8
    loaded = load_cycles(config, fields) * tiles
    from_weights = fields["source"] == isa.Stationary.WEIGHT
    return {
        "multiply": beats * config.rows * (columns - shifting) * PRODUCT * 8 * bits,
        "shift": beats * config.rows * shifting * SHIFT,
        "add": beats * config.rows * columns * SUM * config.accumulator_bits,
        "activations": _activations(beats + (0 if from_weights else loaded), config),
        "weights": _weights(loaded if from_weights else 0, config),
        # A beat writes its sums; from the second word of a row on it reads them first.
        "sums": _sums(2 * beats - fields["n_rows"] * fields["n_tiles"], columns, config),
    }


def _post(step: "Decoded", config: AcceleratorConfig) -> Mapping[str, float]:
    fields = step.fields
    words = fields["n_rows"] * fields["n_words"]
    return {
        "rescale": words * config.rows * PRODUCT * config.accumulator_bits * FACTOR_BITS,
        "activations": _activations(words * (1 + fields["use_residual"]), config),
        "sums": _sums(words * (1 + fields["wide"]), config.rows, config),
    }


def _vector(step: "Decoded", config: AcceleratorConfig) -> Mapping[str, float]:
    words = step.fields["n_rows"] * step.fields["n_words"]
    return {
        "rescale": 2 * words * config.rows * PRODUCT * FACTOR_BITS * FACTOR_BITS,
        "activations": _activations(2 * words, config),
    }


def _depthwise(step: "Decoded", config: AcceleratorConfig) -> Mapping[str, float]:
    """Line buffer: a column is read for each column of a window and changed by every pixel."""
    fields, bits = step.fields, config.depthwise_bits
    words = prod(result_size(fields)) * fields["n_words"]
    pixels = prod(padded_size(fields)) * fields["n_words"]
    products = words * config.rows * fields["kernel"] ** 2
    column = KERNELS[-1] * config.rows * 8
    lines = _access(
        (words * fields["kernel"] + pixels) * column, config.depthwise_width * column // 8
    )
    held = config.depthwise_steps * config.depthwise_taps * config.rows * bits // 8
    return {
        "multiply": products * PRODUCT * 8 * bits,
        "add": products * SUM * sum_bits(config),
        "rescale": words * config.rows * PRODUCT * sum_bits(config) * FACTOR_BITS,
        "activations": _activations(pixels + words, config) + lines,
        "weights": _access(products * bits, held),
    }


def _transfer(step: "Decoded", config: AcceleratorConfig) -> Mapping[str, float]:
    words = step.fields["n_rows"] * step.fields["n_words"]
    spent = {"external": words * config.rows * 8 * EXTERNAL}
    space = step.fields.get("space", isa.Space.ACTIVATION)
    if space == isa.Space.ACTIVATION:
        spent["activations"] = _activations(words, config)
    elif space == isa.Space.WEIGHT:
        spent["weights"] = _weights(words, config)
    return spent


_SPENT = {
    isa.Op.GEMM: _gemm,
    isa.Op.POST: _post,
    isa.Op.NORM: _vector,
    isa.Op.SOFTMAX: _vector,
    isa.Op.DEPTHWISE: _depthwise,
    isa.Op.LOAD: _transfer,
    isa.Op.STORE: _transfer,
}
