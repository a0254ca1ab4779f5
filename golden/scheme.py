"""Scheme: how a network is quantised, apart from the network and the calibration images."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from golden.quantizers import Observer
from vitaccel.config import AcceleratorConfig, Config
from vitaccel.errors import ConfigError

__all__ = ["SCHEMES", "ActivationObserver", "Observers", "Scheme"]

ActivationObserver = Observer | Literal["output"]
Bits = Annotated[int, Field(ge=2, le=8)]


class Observers(Config):
    """How the range of each kind of tensor is found; see `golden.quantizers.uniform`.

    ``output``: of 8 fractions of the min-max scale, that of least error in the outputs of the
    layers that read the tensor.
    """

    image: ActivationObserver = "minmax"
    norm: ActivationObserver = "output"  # LayerNorm outputs
    qkv: ActivationObserver = "mse"
    scores: ActivationObserver = "output"
    attention: ActivationObserver = "output"  # products of probabilities and values
    gelu: ActivationObserver = "output"  # and any other activation
    pool: ActivationObserver = "output"
    residual: ActivationObserver = "minmax"
    logits: ActivationObserver = "minmax"
    weight: Observer = "mse"


class Scheme(Config):
    """Bits, formats and methods of quantisation.

    `rows`, `groups` and `pot_groups` describe the array that power-of-two filters must suit, see
    `golden.quantizers.choose_pot`; without `pot_groups` every filter is uniform.
    """

    name: Annotated[str, Field(description="recorded in the network")] = "custom"
    weight_bits: Annotated[Bits, Field(description="bits of uniform weights")] = 8
    activation_bits: Annotated[
        Bits, Field(ge=4, description="bits of GEMM operands that are activations")
    ] = 8
    kv_bits: Annotated[
        Bits,
        Field(description="of K and V, at most activation_bits: 4 and less are packed in pairs"),
    ] = 8
    pot_bits: Annotated[
        int, Field(ge=3, le=5, description="bits of a power-of-two weight: sign and exponent")
    ] = 4
    rows: Annotated[int, Field(ge=2, le=32, description="rows of the array")] = 8
    groups: Annotated[int, Field(ge=1, le=8, description="columns of the array over rows")] = 1
    pot_groups: Annotated[int, Field(ge=0, le=7, description="how many are power-of-two")] = 0
    attention: Annotated[
        Literal["table", "log2"],
        Field(description="probabilities of activation_bits, or powers of two in 4 bits"),
    ] = "table"
    depthwise_bits: Annotated[
        Bits, Field(description="bits of the weights of depthwise convolutions")
    ] = 8
    slots: Annotated[
        bool,
        Field(description="activations of convolutions with tables by channel (Trio-ViT)"),
    ] = False
    division: Annotated[
        Literal["log2", "reciprocal"],
        Field(description="by powers of two, or by reciprocals; of linear attention"),
    ] = "log2"
    requant: Annotated[
        Literal["multiplier", "shift"],
        Field(description="shift: every scale is a power of two"),
    ] = "multiplier"
    ptf: Annotated[
        bool, Field(description="shift 0 to 3 per channel of the residual stream (FQ-ViT)")
    ] = True
    equalize: Annotated[
        bool, Field(description="even out channels of GEMM operands beforehand (RepQ-ViT)")
    ] = True
    rounding: Annotated[
        Literal["nearest", "feedback"],
        Field(description="feedback: weights column by column, each error passed on (GPTQ)"),
    ] = "feedback"
    correction: Annotated[
        Literal["none", "bias", "weights"],
        Field(description="what makes up for errors so far, from calibration data"),
    ] = "weights"
    observers: Observers = Observers()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.pot_groups >= self.groups:
            raise ValueError(
                f"pot_groups must leave one of groups ({self.groups}) uniform, "
                f"not {self.pot_groups}"
            )
        if self.division == "reciprocal" and self.requant == "shift":
            raise ValueError("division = 'reciprocal' multiplies: it needs requant = 'multiplier'")
        return self

    @classmethod
    def for_config(cls, preset: str, config: AcceleratorConfig) -> "Scheme":
        """Preset, with bits, array, requantisation and division as `config` has them.

        Raises
        ------
        ConfigError
            Unknown preset, or one with log2 attention for an accelerator without it.
        """
        if preset not in SCHEMES:
            raise ConfigError(f"scheme must be one of {', '.join(SCHEMES)}, not {preset!r}")
        scheme = SCHEMES[preset]
        if scheme.attention == "log2" and not config.log2_attention:
            raise ConfigError(
                f"scheme {preset} has log2 attention, which the accelerator lacks; set "
                "log2_attention and pot_columns"
            )
        if preset == "m2q" and not config.pot_columns:
            raise ConfigError(
                "scheme m2q divides filters between uniform and power-of-two columns, which the "
                "accelerator lacks; set pot_columns, or take scheme trio"
            )
        return scheme.replace(
            weight_bits=config.weight_bits,
            activation_bits=config.activation_bits,
            pot_bits=config.pot_bits,
            rows=config.rows,
            groups=config.groups,
            pot_groups=0 if preset == "trio" else config.pot_groups,  # its filters are uniform
            requant=config.requant,
            division=config.division,
        )


# With 8 bits throughout, evening out channels gains nothing; left out, every tensor remains that of
# the float network.
SCHEMES = {
    "w8a8": Scheme(name="w8a8", equalize=False),
    "w6a6": Scheme(name="w6a6", weight_bits=6, activation_bits=6),
    "w4a8": Scheme(name="w4a8", weight_bits=4, groups=2),
    "w4a8kv4": Scheme(name="w4a8kv4", weight_bits=4, kv_bits=4, groups=2),
    "w4a4": Scheme(name="w4a4", rows=4, weight_bits=4, activation_bits=4, groups=2),
    "mixed": Scheme(name="mixed", groups=2, pot_groups=1, attention="log2", equalize=False),
    "shift": Scheme(name="shift", requant="shift", equalize=False),
    "trio": Scheme(name="trio", equalize=False, slots=True),
    "m2q": Scheme(name="m2q", equalize=False, slots=True, depthwise_bits=4, groups=2, pot_groups=1),
    "naive": Scheme(
        name="naive",
        equalize=False,
        ptf=False,
        division="reciprocal",
        rounding="nearest",
        correction="none",
        observers=Observers(
            norm="minmax",
            qkv="minmax",
            scores="minmax",
            attention="minmax",
            gelu="minmax",
            pool="minmax",
            weight="minmax",
        ),
    ),
}
