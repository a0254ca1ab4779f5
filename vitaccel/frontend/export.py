"""From a PyTorch model to a float `Network`, by `torch.export`."""

import copy
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram, default_decompositions

from golden.network import Network
from vitaccel.errors import ConfigError
from vitaccel.frontend.interpret import Finding, Interpreter

__all__ = ["check", "from_module", "from_pt2"]


def from_module(module: nn.Module, example: Tensor, name: str = "") -> Network:
    """Translate a model; it is exported in evaluation mode and not changed.

    Parameters
    ----------
    module
        Takes float images ``[n, channels, height, width]``, returns logits ``[n, classes]``.
    example
        Images of the right size; values do not matter.
    name
        Of the network; the name of the class if empty.

    Raises
    ------
    ConfigError
        The model cannot be exported, or something in it is not supported: what, and where.
    """
    return _translate(_export(module, example), name or type(module).__name__)


def from_pt2(path: Path | str) -> Network:
    """Translate a model that `torch.export.save` wrote; the file's stem names the network.

    Raises
    ------
    ConfigError
        As `from_module`, or the file is missing or damaged.
    """
    return _translate(_load(Path(path)), Path(path).stem)


def check(model: nn.Module | Path | str, example: Tensor | None = None) -> list[Finding]:
    """List everything in a model that is not supported; empty if `from_module` would succeed.

    Parameters
    ----------
    model
        Module, or a ``.pt2`` file.
    example
        Images of the right size, for a module.
    """
    if isinstance(model, nn.Module):
        if example is None:
            raise TypeError("a module is checked with an example image")
        return Interpreter(_export(model, example)).findings
    return Interpreter(_load(Path(model))).findings


def _translate(program: ExportedProgram, name: str) -> Network:
    interpreter = Interpreter(program)
    findings = interpreter.findings
    if findings:
        more = f"; and {len(findings) - 1} more, which `vitaccel check` lists"
        raise ConfigError(f"{findings[0]}{more if findings[1:] else ''}")
    return interpreter.network(name)


def _export(module: nn.Module, example: Tensor) -> ExportedProgram:
    module = copy.deepcopy(module).eval()
    try:
        return _functional(torch.export.export(module, (example[:1],)))
    except Exception as bad:
        raise ConfigError(
            f"{type(module).__name__} cannot be exported by torch.export: {_first_line(bad)}"
        ) from bad


def _load(path: Path) -> ExportedProgram:
    if not path.is_file():
        raise ConfigError(f"model {path} does not exist")
    with _unlogged() as reasons:
        try:
            return _functional(torch.export.load(path))
        except Exception as bad:
            reason = [*reasons, _first_line(bad)][0]
            if foreign := re.match(r"Deserializing (\S+) in pytree is not registered", reason):
                raise ConfigError(
                    f"model {path} returns {foreign[1]}, which only its own library can read; "
                    "export a module that returns the logits alone, as a tensor"
                ) from bad
            raise ConfigError(
                f"model {path} is not a whole file of torch.export.save: {reason}"
            ) from bad


@contextmanager
def _unlogged() -> Iterator[list[str]]:
    """Keep what PyTorch would log of a file, whole tracebacks, and yield the reasons in it."""
    logger, reasons = logging.getLogger("torch.export"), list[str]()

    def keep(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            reasons.append(_first_line(record.exc_info[1]))
        return False

    logger.addFilter(keep)
    try:
        yield reasons
    finally:
        logger.removeFilter(keep)


def _functional(program: ExportedProgram) -> ExportedProgram:
    """Replace operators that write to their operands, such as ``+=``, and `einsum`, if any."""
    targets = {node.target for node in program.graph.nodes if isinstance(node.target, OpOverload)}
    decompositions = default_decompositions()
    table: dict[Any, Callable[..., Any]] = {
        op: decompositions[op] for op in targets & {torch.ops.aten.einsum.default}
    }
    if not table and not any(op._schema.is_mutable for op in targets):
        return program
    with warnings.catch_warnings():  # PyTorch copies its own deprecated classes here
        warnings.simplefilter("ignore", FutureWarning)
        return program.run_decompositions(table)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
