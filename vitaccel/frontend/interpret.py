"""Walk an exported program and make layers of it, or list everything that has no counterpart."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec
from torch.fx import Node
from torch.fx.node import map_aggregate, map_arg

from golden.network import Add, Input, Layer, Linear, Network
from vitaccel.frontend import convolutions, products  # fill the table, with what they import
from vitaccel.frontend.builder import Builder
from vitaccel.frontend.registry import MOVES, OPERATORS
from vitaccel.frontend.views import Refused, View, tokens

__all__ = ["Finding", "Interpreter"]

REGISTERED = (convolutions, products)  # imported for what they put into the table


@dataclass(frozen=True)
class Finding:
    """Something in the user's model that vitaccel has no hardware for.

    Parameters
    ----------
    operator
        As PyTorch names it, such as ``aten.relu.default``; or ``parameter``, ``input``, ``output``.
    module
        Path of the module that it stands in; empty for the model itself.
    source
        ``file:line`` of the user's code; empty if the export does not say.
    reason
        What is wrong with it.
    """

    operator: str
    module: str
    source: str
    reason: str

    def __str__(self) -> str:
        place = f" in {self.module}" if self.module else ""
        source = f" ({self.source})" if self.source else ""
        return f"{self.operator}{place}{source}: {self.reason}"


class Interpreter:
    """Executes a program on `View` values; what depends on parameters only is computed at once.

    Parameters
    ----------
    program
        Result of `torch.export`; a static batch must be 1.

    Members
    -------
    findings : list[Finding]
        What was refused, in the order of the program.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self.findings: list[Finding] = []
        self._builder = Builder()
        self._values: dict[Node, Any] = {}
        self._output: View | None = None
        with torch.no_grad():
            if self._take_inputs(program):
                for node in program.graph.nodes:
                    self._step(node, program)

    def network(self, name: str) -> Network:
        """Return the network; there must be no findings."""
        assert self._output is not None, "there are findings"
        return self._builder.network(name, self._output.source)

    def _take_inputs(self, program: ExportedProgram) -> bool:
        """Give the placeholders their values; whether there is an image to go on with."""
        nodes = (node for node in program.graph.nodes if node.op == "placeholder")
        try:
            for node, spec in zip(nodes, program.graph_signature.input_specs, strict=True):
                self._values[node] = self._input(node, spec, program)
        except Refused as bad:
            self.findings.append(Finding("input", "", "", str(bad)))
            return False
        return True

    def _step(self, node: Node, program: ExportedProgram) -> None:
        self._enter(node)
        try:
            if node.op == "get_attr":
                self._values[node] = getattr(program.graph_module, str(node.target))
            elif node.op == "output":
                self._finish(map_arg(node.args[0], self._values.__getitem__))
            elif node.op == "call_function":
                self._values[node] = self._call(node)
        except Refused as bad:
            what = str(node.target) if node.op == "call_function" else node.op
            where = (self._builder.path, source_of(node))
            self.findings.append(Finding(what, *where, str(bad)))
            self._values[node] = self._opaque(node.meta.get("val"))

    def _enter(self, node: Node) -> None:
        stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
        self._builder.path, kind = stack[-1]
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        container = name.startswith("torch.nn.modules.container.")
        self._builder.leaf = name.startswith("torch.nn.modules.") and not container

    def _opaque(self, value: Any) -> Any:
        """Stand-ins for all tensors of a refused operation; a dynamic axis counts as 1."""

        def stand_in(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return self._builder.opaque(tuple(n if isinstance(n, int) else 1 for n in leaf.shape))

        return tuple(map(stand_in, value)) if isinstance(value, tuple | list) else stand_in(value)

    def _input(self, node: Node, spec: InputSpec, program: ExportedProgram) -> Any:
        name = spec.target or ""
        if spec.kind is InputKind.USER_INPUT:
            return self._image(node) if node.users else None
        value = program.constants.get(name, program.state_dict.get(name))
        if not isinstance(value, Tensor):
            raise Refused(f"{name!r} is no tensor")
        value = value.detach()
        if value.is_floating_point():
            value = value.float()
            bad = int((~value.isfinite()).sum())
            if bad and node.users:
                reason = f"{name!r} has {bad} NaN or infinite values"
                self.findings.append(Finding("parameter", "", "", reason))
        self._builder.origins[value] = name
        return value

    def _image(self, node: Node) -> View:
        """Input layer for the only argument of the model."""
        value = node.meta["val"]
        if any(isinstance(layer, Input) for layer in self._builder.layers.values()):
            raise Refused(f"the model must take one image tensor alone, not also {node.name!r}")
        if not isinstance(value, Tensor) or value.ndim != 4 or not value.is_floating_point():
            raise Refused("the model must take float images [batch, channels, height, width]")
        batch, *shape = value.shape  # ints, or symbols if dynamic
        if not all(isinstance(size, int) for size in shape):
            raise Refused("only the batch may be dynamic, not the size of the image")
        if isinstance(batch, int) and batch != 1:
            raise Refused(f"exported for a batch of {batch}; export it with 1 image")
        return self._builder.emit(Input(node.name, tuple(shape))).shaped(1, *shape)

    def _call(self, node: Node) -> Any:
        args = map_arg(node.args, self._values.__getitem__)
        kwargs: Any = map_arg(node.kwargs, self._values.__getitem__)
        views = leaves((args, kwargs), View)
        if not views:  # depends on parameters only
            return self._fold(node, args, kwargs)
        name = short_name(node.target)
        if name in MOVES:
            return self._move(node, args, kwargs)
        if name not in OPERATORS:
            raise Refused("this operator is not supported")
        handler = OPERATORS[name]
        try:
            signature(handler).bind(self._builder, *args, **kwargs)
        except TypeError as bad:
            raise Refused(f"this form of the operator is not supported: {bad}") from bad
        return handler(self._builder, *args, **kwargs)

    def _fold(self, node: Node, args: Any, kwargs: Any) -> Any:
        value = node.target(*args, **kwargs)  # type: ignore[operator]
        origins = self._builder.origins
        names = [origins[part] for part in leaves(args, Tensor) if part in origins]
        if names:
            origins.update(dict.fromkeys(leaves(value, Tensor), names[0]))
        return value

    def _move(self, node: Node, args: Any, kwargs: Any) -> Any:
        x = args[0]
        indices, options = (mapped(part, index_of) for part in (args, kwargs))
        moved = node.target(*indices, **options)  # type: ignore[operator]
        if isinstance(x, View):
            return mapped(moved if isinstance(moved, Tensor) else tuple(moved), x.moved)
        if not short_name(node.target).endswith("_as"):  # those take only the shape of a view
            raise Refused("it indexes a parameter by a computed tensor")
        return moved

    def _finish(self, results: Any) -> None:
        """Check that the output is logits of one token, or the sum of those of two."""
        outputs = leaves(results, View)
        if len(outputs) != 1:
            raise Refused(f"the model must return the logits alone, not {len(outputs)} tensors")
        order = tokens(outputs[0].index)
        source = self._builder.operand(outputs[0], order)
        layer = self._builder.layers[source]
        if not self.findings and not self._is_logits(layer):
            raise Refused(
                f"the output must be a linear layer on the class token, "
                f"not {type(layer).__name__} {list(layer.shape)}"
            )
        self._output = replace(outputs[0], source=source)

    def _is_logits(self, layer: Layer) -> bool:
        parts = layer.operands if isinstance(layer, Add) else (layer.name,)
        ends = [self._builder.layers[part] for part in parts]
        return all(isinstance(end, Linear) and end.shape[0] == 1 for end in ends)


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to every leaf of nested tuples, lists and dictionaries."""
    return map_aggregate(tree, function)


def index_of(leaf: Any) -> Any:
    """Index of a view; anything else as it is."""
    return leaf.index if isinstance(leaf, View) else leaf


def leaves(tree: Any, kind: type) -> list[Any]:
    """Values of a kind in nested tuples, lists and dictionaries."""
    found: list[Any] = []
    mapped(tree, lambda leaf: found.append(leaf) if isinstance(leaf, kind) else None)
    return found


def short_name(target: Any) -> str:
    """``linear`` of ``aten.linear.default``; other libraries keep their name in front."""
    if target is operator.getitem:
        return "getitem"
    name = target.name() if isinstance(target, torch._ops.OpOverload) else str(target)
    return name.removeprefix("aten::").partition(".")[0]


def source_of(node: Node) -> str:
    """``file:line`` of the innermost frame outside PyTorch."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    own = [frame for frame in frames if "/torch/" not in frame[0]]
    return ":".join(own[-1]) if own else ""
