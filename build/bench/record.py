"""Where benchmarks leave their figures: docs/benchmarks/<name>.json and a table in <name>.md."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["DOCS", "OUT", "record", "table"]

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "out"
DOCS = ROOT / "docs" / "benchmarks"


def record(
    name: str,
    title: str,
    how: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    more: str = "",
) -> None:
    """Write ``rows``, each with a value for every one of ``columns``, and print the table.

    ``how`` says how to repeat the measurement and under which conditions it was made; ``more``
    comes after the table.
    """
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / f"{name}.json").write_text(json.dumps(list(rows), indent=1) + "\n")
    lines = [f"# {title}", "", how, "", *table(columns, rows)]
    (DOCS / f"{name}.md").write_text("\n".join(lines) + "\n" + more)
    print("\n".join(lines))


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a Markdown table."""
    head = [_line(columns), _line(["---"] * len(columns))]
    return head + [_line([_text(row[column]) for column in columns]) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, Mapping):
        return ", ".join(str(part) for part in value.values())
    return "" if value is None else str(value)
