"""What the serial core does not take."""

from collections.abc import Mapping

from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError

__all__ = ["check_heads", "check_post"]

MOST_SHIFT = 27  # of values with a zero point, which is scaled in 36 bits


def check_heads(layer: str, width: int, config: AcceleratorConfig) -> None:
    """Refuse heads that share words.

    Raises
    ------
    ConfigError
        If the core is the serial one and ``width`` channels are no whole words.
    """
    if config.core == "serial" and width % config.rows:
        raise ConfigError(
            f"layer {layer} has heads of {width} channels, but core = 'serial' takes multiples of "
            f"{config.rows}; take a network with other heads, or core = 'parallel'"
        )


def check_post(layer: str, fields: Mapping[str, int]) -> None:
    """Refuse a zero point that does not fit a register when it is scaled.

    Raises
    ------
    ConfigError
        If it is shifted too far.
    """
    if fields["zero_point"] and fields["post_shift"] > MOST_SHIFT:
        raise ConfigError(
            f"layer {layer} has a zero point and post_shift {fields['post_shift']}, but "
            f"core = 'serial' shifts by {MOST_SHIFT} at most then; quantise without zero points, "
            "or take core = 'parallel'"
        )
