"""Table of the ATen operators that the frontend knows, and what their handlers share."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vitaccel.frontend.views import Refused, View

__all__ = ["MOVES", "OPERATORS", "Value", "computed", "known", "need", "operator"]

Value = View | Tensor | float  # computed from the image, parameter, number

# Operators that only move elements: PyTorch performs them on the index of a view.
MOVES = frozenset(
    """_unsafe_view alias chunk clone contiguous detach expand expand_as flatten index index_select
    mT movedim narrow numpy_T permute repeat_interleave reshape reshape_as select slice split
    split_with_sizes squeeze swapaxes swapdims t transpose unbind unflatten unsqueeze view
    view_as""".split()
)

OPERATORS: dict[str, Callable[..., Any]] = {}


def operator(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the handler of ATen operators; it takes the builder, then their arguments."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS.update(dict.fromkeys(names, handler))
        return handler

    return register


def need(condition: bool, reason: str) -> None:
    """Refuse the operation at hand unless the condition holds."""
    if not condition:
        raise Refused(reason)


def computed(x: Value, what: str) -> View:
    """Return ``x``, which must be computed from the image."""
    if not isinstance(x, View):
        raise Refused(f"{what} must be computed from the image, not a constant")
    return x


def known(x: Value | None, what: str = "operand") -> Tensor:
    """Return ``x``, which must not depend on the image."""
    if not isinstance(x, Tensor):
        raise Refused(f"{what} must be a parameter, not computed from the image")
    return x
