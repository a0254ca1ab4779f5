"""Imports go one way: gateware knows nothing of torch, the golden model nothing of Amaranth."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it; every import of the project is absolute."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def offenders(files: list[Path], *banned: str) -> list[str]:
    assert files
    return [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files
        for module in sorted(imported(path))
        if any(module == name or module.startswith(f"{name}.") for name in banned)
    ]


def python(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_hardware_imports_neither_torch_nor_golden() -> None:
    above = [f"vitaccel.{name}" for name in ("compile", "flow", "frontend", "host", "cli")]
    assert offenders(python("vitaccel/hw"), "torch", "golden", *above) == []


@pytest.mark.parametrize("name", ["isa", "config", "errors", "registers"])
def test_base_modules_import_no_layer_above(name: str) -> None:
    above = ("torch", "golden", "amaranth", "vitaccel.hw", "vitaccel.compile", "vitaccel.flow")
    assert offenders([ROOT / f"vitaccel/{name}.py"], *above) == []


def test_golden_imports_no_amaranth() -> None:
    above = ("amaranth", "vitaccel.hw", "vitaccel.compile", "vitaccel.flow", "vitaccel.host")
    assert offenders(python("golden"), *above) == []


def test_project_imports_no_tests() -> None:
    assert offenders(python("vitaccel", "golden", "boards"), "hdl_tests") == []


def test_an_offender_is_found(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from torch import nn\n    import golden.ops\n")
    assert imported(file) == {"torch.nn", "golden.ops"}
