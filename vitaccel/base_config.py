"""Base of every configuration."""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any, Self

import pydantic

from vitaccel.errors import ConfigError

__all__ = ["Config"]


class Config(pydantic.BaseModel):
    """Base of every configuration: immutable, strict about types, no unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Build from parsed TOML or JSON.

        Raises
        ------
        ConfigError
            Names every bad field at once, with the nearest known name for an unknown key.
        """
        try:
            return cls.model_validate(dict(raw))
        except pydantic.ValidationError as bad:
            raise ConfigError("; ".join(cls._explain(e) for e in bad.errors())) from bad

    @classmethod
    def _explain(cls, error: Any) -> str:
        field = ".".join(str(part) for part in error["loc"]) or cls.__name__
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field, cls.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(cls.model_fields)}"
            return f"{field} is not a parameter; {hint}"
        if error["type"] == "value_error":  # raised by a validator of ours, already a sentence
            return str(error["ctx"]["error"])
        return f"{field}: {error['msg'].lower()}, not {error['input']!r}"

    def digest(self) -> str:
        """Twelve hex digits that name build folders and caches."""
        text = self.model_dump_json()
        return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()

    def replace(self, **changes: Any) -> Self:
        """Return a variant, checked like the original."""
        return self.parse(self.model_dump() | changes)
