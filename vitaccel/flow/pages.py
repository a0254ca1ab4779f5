"""HTML pages out of the templates, each complete in one file."""

import jinja2

__all__ = ["render"]


def render(template: str, **values: object) -> str:
    """Fill in ``templates/<template>``."""
    here = jinja2.PackageLoader("vitaccel.flow")
    environment = jinja2.Environment(
        loader=here, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # units keep their order
    environment.filters |= {"number": _number, "percent": _percent, "bytes": _bytes}
    return environment.get_template(template).render(**values)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}".replace(",", "\u2009") if value >= 100 else f"{value:.3g}"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def _bytes(value: int) -> str:
    size = next(((n, unit) for n, unit in ((1e6, "MB"), (1e3, "kB")) if value >= n), (1, "bytes"))
    return f"{value / size[0]:.3g} {size[1]}"
