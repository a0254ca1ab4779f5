"""Parameters of an accelerator: frozen, checked once, hashable; TOML or JSON in, JSON out."""

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from vitaccel.base_config import Config

__all__ = ["AcceleratorConfig", "Config", "Products"]


def _int(low: int, high: int, text: str) -> Any:
    return Field(ge=low, le=high, description=text)


Products = Literal["blocks", "mixed", "luts"]


def _products(unit: str) -> Any:
    return Field(
        description=f"{unit} multiplies in multiplier blocks, in LUTs where a factor has 13 bits "
        "or less, or always in LUTs"
    )


class AcceleratorConfig(Config):
    """Everything that shapes the gateware. Words are `rows` bytes; see docs/architecture.md."""

    core: Annotated[
        Literal["parallel", "serial"],
        Field(
            description="units that work side by side, or one small processor with a "
            "dot-product unit, which takes words of 4 bytes and 8-bit values"
        ),
    ] = "parallel"

    # Array. 32 rows and 8 groups bound the netlist at 32 x 256 PEs.
    rows: Annotated[int, _int(2, 32, "array rows R = lanes of a word")] = 8
    columns: Annotated[int, _int(2, 256, "array columns, a multiple of rows, at most 8 times")] = 8
    pot_columns: Annotated[
        int, _int(0, 224, "how many of the columns are power-of-two (no multiplier)")
    ] = 0
    weight_bits: Annotated[int, _int(2, 8, "bits of uniform weights; <= 4 packs two columns")] = 8
    pot_bits: Annotated[int, _int(3, 5, "bits of a power-of-two weight: sign and exponent")] = 4
    activation_bits: Annotated[int, _int(4, 8, "bits of GEMM operands that are activations")] = 8
    log2_attention: Annotated[
        bool, Field(description="power-of-two columns also take log2 probabilities against V")
    ] = False
    hybrid: Annotated[
        bool, Field(description="convolutions, linear attention and tables by channel, too")
    ] = False
    requant: Annotated[
        Literal["multiplier", "shift"],
        Field(description="scale accumulators by multiplier and shift, or by a shift alone"),
    ] = "multiplier"
    division: Annotated[
        Literal["log2", "reciprocal"],
        Field(
            description="linear attention divides by powers of two, or by reciprocals of 16 bits"
        ),
    ] = "log2"
    post_cycles: Annotated[int, _int(1, 16, "cycles of POST for a word: rows / this lanes")] = 1
    vector_cycles: Annotated[int, _int(1, 16, "cycles of VECTOR for a word, alike")] = 1
    array_products: Annotated[
        Literal["blocks", "luts"],
        Field(description="uniform columns multiply in multiplier blocks or in LUTs"),
    ] = "blocks"
    post_products: Annotated[Products, _products("POST")] = "blocks"
    vector_products: Annotated[Products, _products("VECTOR")] = "blocks"
    accumulator_rows: Annotated[int, _int(16, 1024, "rows one GEMM can stream, a power of two")] = (
        256
    )
    accumulator_bits: Annotated[int, _int(20, 32, "bits of an accumulator")] = 32

    # Depthwise engine: 3 x 3 and 5 x 5, see `vitaccel.windows`.
    depthwise_taps: Annotated[
        int,
        _int(0, 5, "taps of a kernel's column that each of its lanes multiplies at once; 0: none"),
    ] = 0
    depthwise_bits: Annotated[Literal[4, 8], Field(description="bits of its weights")] = 4
    depthwise_products: Annotated[Products, _products("the depthwise engine")] = "mixed"
    depthwise_cycles: Annotated[int, _int(1, 16, "cycles of its requantisation for a word")] = 1
    depthwise_width: Annotated[int, _int(5, 1024, "pixels of a row with its padding")] = 128
    depthwise_steps: Annotated[int, _int(16, 4096, "words of depthwise_taps weights a lane")] = 512
    depthwise_words: Annotated[int, _int(4, 1024, "channel words of its requantisation")] = 64

    # Memories, in words.
    activation_words: Annotated[
        int, _int(64, 65536, "activation memory, a multiple of its banks")
    ] = 4096
    activation_banks: Annotated[int, _int(1, 16, "its interleaved banks, a power of two")] = 4
    weight_words: Annotated[int, _int(64, 65536, "weight buffer, a power of two")] = 2048
    post_words: Annotated[int, _int(4, 4096, "channel words of requantisation parameters")] = 128
    vector_words: Annotated[int, _int(4, 1024, "channel words of LayerNorm parameters")] = 64
    row_words: Annotated[int, _int(2, 512, "longest row of LayerNorm and softmax")] = 64
    table_slots: Annotated[int, _int(1, 16, "activation tables and exp tables held at once")] = 2

    # Surroundings.
    axi_bytes: Annotated[Literal[4, 8, 16, 32], Field(description="AXI4 data bus")] = 8
    burst_beats: Annotated[int, _int(1, 256, "longest AXI4 burst")] = 32
    queue_depth: Annotated[int, _int(2, 16, "instructions queued per unit")] = 4

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Self:
        if self.columns % self.rows or self.columns > 8 * self.rows:
            raise ValueError(f"columns must be 1 to 8 times rows ({self.rows}), not {self.columns}")
        if self.pot_columns % self.rows or self.pot_columns > self.columns - self.rows:
            raise ValueError(
                f"pot_columns must be a multiple of rows ({self.rows}) and leave at least one "
                f"group of uniform columns of {self.columns}, not {self.pot_columns}"
            )
        if self.log2_attention and not self.pot_columns:
            raise ValueError("log2_attention needs pot_columns; set pot_columns to at least rows")
        for name in ("accumulator_rows", "activation_banks", "weight_words"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value}")
        for name in ("post_cycles", "vector_cycles", "depthwise_cycles"):
            value = getattr(self, name)
            if self.rows % value or self.rows < 2 * value:
                raise ValueError(
                    f"{name} must divide rows ({self.rows}) and leave two lanes or more, "
                    f"not {value}"
                )
        if self.depthwise_taps and self.depthwise_cycles > 3 * -(-3 // self.depthwise_taps):
            raise ValueError(
                f"depthwise_cycles must not exceed the {3 * -(-3 // self.depthwise_taps)} cycles "
                f"of a 3 x 3 window with depthwise_taps {self.depthwise_taps}, "
                f"not {self.depthwise_cycles}"
            )
        if self.activation_words % self.activation_banks:
            raise ValueError(
                f"activation_words must be a multiple of activation_banks "
                f"({self.activation_banks}), not {self.activation_words}"
            )
        if self.division == "reciprocal":
            self._check_reciprocal()
        if self.core == "serial":
            self._check_serial()
        return self

    def _check_reciprocal(self) -> None:
        for name, value in {"hybrid": True, "requant": "multiplier"}.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} must be {value!r} for division = 'reciprocal', "
                    f"not {getattr(self, name)!r}"
                )
        if self.post_lanes % 4:
            raise ValueError(
                f"rows / post_cycles must be a multiple of 4 for division = 'reciprocal', "
                f"not {self.post_lanes}"
            )

    def _check_serial(self) -> None:
        only = {
            "rows": 4,
            "columns": 4,
            "weight_bits": 8,
            "activation_bits": 8,
            "requant": "multiplier",
            "hybrid": False,
            "axi_bytes": 4,
        }
        for name, value in only.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} must be {value!r} for core = 'serial', not {getattr(self, name)!r}"
                )
        limits = {"activation_words": 16384, "row_words": 16, "parameter_words": 16384}
        for name, limit in limits.items():
            if getattr(self, name) > limit:
                raise ValueError(
                    f"{name} must be at most {limit} for core = 'serial', not {getattr(self, name)}"
                )

    @property
    def parameter_words(self) -> int:
        """Words of all parameter memories of the serial core, rows under way included."""
        post, norm, slots = 16 * self.post_words, 8 * self.vector_words, 768 * self.table_slots
        return self.weight_words + post + norm + slots + self.row_words * self.rows

    @property
    def groups(self) -> int:
        """Groups of `rows` columns: output words per tile of weights."""
        return self.columns // self.rows

    @property
    def pot_groups(self) -> int:
        """Groups of power-of-two columns, after the uniform ones."""
        return self.pot_columns // self.rows

    @property
    def post_lanes(self) -> int:
        """Lanes that POST works on at once."""
        return self.rows // self.post_cycles

    @property
    def depthwise_lanes(self) -> int:
        """Lanes whose results the depthwise engine requantises at once."""
        return self.rows // self.depthwise_cycles

    @property
    def vector_lanes(self) -> int:
        """Lanes that VECTOR works on at once."""
        return self.rows // self.vector_cycles

    @property
    def uniform_groups(self) -> int:
        """Groups of uniform columns, counted as columns, packed or not."""
        return self.groups - self.pot_groups

    @property
    def packed(self) -> bool:
        """Whether one multiplier serves column l of groups 2g (low nibble) and 2g+1 (high)."""
        return self.weight_bits <= 4 and self.uniform_groups % 2 == 0

    @property
    def wide_groups(self) -> int:
        """Groups available to a stationary operand of 8 bits in uniform columns."""
        return self.uniform_groups // 2 if self.packed else self.uniform_groups

    @property
    def multipliers(self) -> int:
        """Multipliers in the array, in blocks or in LUTs."""
        return self.rows * self.rows * self.wide_groups

    @property
    def pot_tile_words(self) -> int:
        """Words that hold the codes of one tile's power-of-two columns: two columns a word."""
        return self.pot_columns if self.pot_bits > 4 else -(-self.pot_columns // 2)

    @property
    def weight_tile_words(self) -> int:
        """Words of one weight tile: uniform columns first, then power-of-two columns."""
        return self.wide_groups * self.rows + self.pot_tile_words


# On CIFAR-10, with filters of both kinds; and at 224 x 224 pixels.
