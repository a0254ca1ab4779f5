"""Words in parts: units that work on fewer lanes than a word has."""

from vitaccel.config import AcceleratorConfig

__all__ = ["part_config"]


def part_config(config: AcceleratorConfig, cycles: int) -> AcceleratorConfig:
    """The same memories in words of ``rows / cycles`` lanes, for what works on one part at a time.

    It shapes units of POST and VECTOR, not an array, and may be past the bounds of a configuration.
    """
    return config.model_copy(
        update={
            "rows": config.rows // cycles,
            "post_words": config.post_words * cycles,
            "vector_words": config.vector_words * cycles,
            "row_words": config.row_words * cycles,
            "post_cycles": 1,
            "vector_cycles": 1,
        }
    )
