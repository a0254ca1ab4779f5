"""Network under construction: layers by name, and what of their tensors an operand is."""

from collections import Counter
from dataclasses import replace
from itertools import chain, count
from typing import Literal

import torch
from torch import Tensor

from golden.network import Add, Constant, Conv, Layer, LayerNorm, Linear, MatMul, Network, Slice
from vitaccel.frontend.pick import pick
from vitaccel.frontend.views import Refused, View, tokens, whole

__all__ = ["Builder"]


class Builder:
    """Collects layers; names them after the module ``path`` that the interpreter is in.

    Members
    -------
    path : str
        Module of the operation at hand, such as ``blocks.0.attn``.
    leaf : bool
        It is one of PyTorch's own modules: its layer then bears its name.
    origins : dict[Tensor, str]
        Parameter that a constant was made from.
    """

    def __init__(self) -> None:
        self.path = ""
        self.leaf = False
        self.layers: dict[str, Layer] = {}
        self.params: dict[str, Tensor] = {}
        self.origins: dict[Tensor, str] = {}
        self._used: Counter[str] = Counter()  # reads by layers: then not to be rescaled any more
        self._opaque: set[str] = set()  # computed from something refused: never refuse again
        self._versions: Counter[str] = Counter()

    def fresh(self, kind: str, *, own: bool = False) -> str:
        """Name a layer: the module itself if it is the module's ``own``, else a part of it."""
        if own and self.leaf and self.path not in self.layers:
            return self.path
        return self.free(f"{self.path}.{kind}".lstrip("."))

    def free(self, name: str) -> str:
        """``name``, or with a number if a layer has it already."""
        numbered = (f"{name}_{i}" for i in count(2))
        return next(free for free in chain((name,), numbered) if free not in self.layers)

    def emit(self, layer: Layer, **params: Tensor) -> View:
        """Append a layer with its parameters and return its tensor."""
        self.layers[layer.name] = layer
        self.params |= {f"{layer.name}.{key}": value for key, value in params.items()}
        if self._opaque.intersection(layer.operands):
            self._opaque.add(layer.name)
        return View(layer.name, whole(layer.shape))

    def constant(self, value: Tensor, shape: torch.Size) -> str:
        """Name of a `Constant` layer with the value, expanded to ``[.., tokens, channels]``."""
        origin = self.origins.get(value)
        name = self.free(origin) if origin else self.fresh("constant")
        self.params[name] = tokens(value.expand(shape)).contiguous()
        return self.emit(Constant(name, tuple(self.params[name].shape))).source

    def opaque(self, shape: tuple[int, ...]) -> View:
        """Stand-in for a refused operation's result, so that all that follows is looked at too."""
        name = self.free("?")
        self._opaque.add(name)
        self.layers[name] = Layer(name, ())
        return View(name, whole(shape))

    def is_opaque(self, view: View) -> bool:
        """Whether a view was computed from something refused."""
        return view.source in self._opaque

    def operand(self, view: View, order: Tensor, kind: str = "slice") -> str:
        """Name of a layer whose tensor holds the elements ``order``: all or a slice of a layer's.

        Raises
        ------
        Refused
            They are no whole tokens and channels.
        """
        if view.source in self._opaque:
            return view.source
        if view.affine is not None:
            raise Refused("an image may be normalised right before a convolution only")
        if view.scale != 1:
            view = self.fold(view, view.scale)
        if view.version != self._versions[view.source]:
            raise Refused(f"{view.source!r} is used both before and after it is scaled")
        self._used[view.source] += 1
        layer = self.layers[view.source]
        everything = whole(layer.shape)
        if torch.equal(order, everything):
            return view.source
        if order.ndim == everything.ndim == 2:
            t, c = divmod(int(order[0, 0]), layer.shape[1])
            if torch.equal(order, everything[t : t + order.shape[0], c : c + order.shape[1]]):
                name = self._slice(view.source, 0, t, t + order.shape[0], kind)
                return self._slice(name, 1, c, c + order.shape[1], kind)
            picked = order[0] % layer.shape[1]
            if torch.equal(order, everything[:, picked]) and (
                name := pick(self, layer, picked, kind)
            ):
                return name
        raise Refused(f"it needs elements of {view.source!r} that are no whole tokens or channels")

    def _slice(self, x: str, axis: Literal[0, 1], start: int, stop: int, kind: str) -> str:
        shape = list(self.layers[x].shape)
        if (start, stop) == (0, shape[axis]):
            return x
        shape[axis] = stop - start
        cut = Slice(self.fresh(kind), tuple(shape), x, axis, start, stop)
        for other in self.layers.values():
            if replace(cut, name=other.name) == other:
                return other.name
        return self.emit(cut).source

    def part(self, layer: Layer, **params: Tensor) -> str:
        """Name of a layer like ``layer``, emitted unless there is the same one already."""
        for other in self.layers.values():
            same = replace(layer, name=other.name) == other if type(other) is type(layer) else False
            if same and all(
                torch.equal(value, self.params[f"{other.name}.{key}"])
                for key, value in params.items()
            ):
                return other.name
        return self.emit(layer, **params).source

    def foldable(self, view: View) -> bool:
        """Whether the view is all of a layer with parameters that no other layer has read."""
        if view.source in self._opaque:
            return True
        layer = self.layers[view.source]
        return (
            isinstance(layer, Linear | Conv | LayerNorm)
            and view.source not in self._used
            and torch.equal(tokens(view.index), whole(layer.shape))
        )

    def fold(self, view: View, factor: Tensor | float, shift: Tensor | float = 0.0) -> View:
        """Change the layer to ``factor * layer + shift``, per channel, and return the new view.

        Views of the old tensor have an older version from now on, and are refused when used.
        """
        name = view.source
        layer = self.layers[name]
        if name in self._opaque:
            return view.unscaled()
        if name in self._used or view.version != self._versions[name]:
            raise Refused(f"{name!r} is used both before and after it is scaled")
        if isinstance(layer, MatMul) and isinstance(factor, float):
            self.layers[name] = replace(layer, scale=layer.scale * factor)
        elif isinstance(layer, Add) and isinstance(factor, float) and self._own(layer):
            for part in layer.operands:
                self._scale(part, factor)
                self._versions[part] += 1
        elif isinstance(layer, Linear | Conv | LayerNorm):
            self._scale(name, factor, shift)
        else:
            raise Refused(f"it scales the result of {type(layer).__name__} {name!r}")
        self._versions[name] += 1
        return View(name, view.index, version=self._versions[name])

    def version(self, name: str) -> int:
        """How often a layer has been rescaled."""
        return self._versions[name]

    def _own(self, layer: Add) -> bool:
        """Whether it adds two layers with parameters that nothing else reads."""
        return all(
            isinstance(self.layers[part], Linear) and self._used[part] == 1
            for part in layer.operands
        )

    def _scale(self, name: str, factor: Tensor | float, shift: Tensor | float = 0.0) -> None:
        factor = torch.as_tensor(factor)
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        per_row = factor.reshape(-1, *(1,) * (weight.ndim - 1))
        self.params |= {
            f"{name}.weight": per_row * weight,
            f"{name}.bias": factor * bias + shift,
        }

    def network(self, name: str, output: str) -> Network:
        """Keep what the output depends on."""
        needed = {output}
        for layer in reversed(self.layers.values()):
            if layer.name in needed:
                needed.update(layer.operands)
        layers = [layer for key, layer in self.layers.items() if key in needed and key != output]
        params = {
            key: value.contiguous()
            for key, value in self.params.items()
            if key in needed or key.rpartition(".")[0] in needed
        }
        return Network(name, (*layers, self.layers[output]), params)
