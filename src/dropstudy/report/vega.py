"""Vega on the page: the script that draws charts, and their specifications in the page's colours."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import vl_convert

from dropstudy.data.cache import code_folder, is_intact, store_code
from dropstudy.report.charts import DARK
from dropstudy.report.charts.render import apart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropstudy.report.sections.blocks import Figure

FOLDER = "scripts"
"""Folder of the cache."""

_SNIPPET = "window.vegaEmbed = vegaEmbed;"

# Keys of a specification whose texts are data or words: a name in them may read as a colour.
_DATA = {"data", "datasets"}
_WORDS = {"domain", "title", "text", "subtitle", "description", "field", "sort"}


@lru_cache
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script for a page.

    Bundling takes more than a second, so the result is cached.
    """
    folder = code_folder(FOLDER)
    path = folder / f"vega-{version('vl-convert-python')}.js" if folder else None
    if path and is_intact(path):
        return path.read_text(encoding="utf-8")
    code = apart(vl_convert.javascript_bundle, _SNIPPET).replace("</script", "<\\/script")
    if path:
        with suppress(OSError):  # a full disk costs the next report a second
            store_code(path, code.encode())
    return code


def page_spec(figure: Figure) -> dict[str, Any]:
    """Specification of a figure for the page: without title and background, in colours that follow the page's."""
    spec = {name: value for name, value in figure.spec.items() if name not in {"title", "$schema"}}
    spec["config"] = {**spec["config"], "background": None}
    spec["padding"] = 4
    if "vconcat" in spec:  # the remarks below the key are the caption on the page
        spec["vconcat"] = spec["vconcat"][:2]
    colored: dict[str, Any] = _with_variables(spec)
    return colored


def specs_json(figures: Iterable[Figure]) -> str:
    """Specifications of figures by name, as JSON that cannot end the script element around it."""
    specs = {figure.name: page_spec(figure) for figure in figures}
    text = json.dumps(finite(specs), separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _with_variables(value: Any) -> Any:
    """Replace each colour, such as `#0072b2`, by its variable, `var(--c0072b2)`."""
    if isinstance(value, dict):
        return {
            key: item
            if key in _DATA or (key in _WORDS and not isinstance(item, dict))
            else _with_variables(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_variables(item) for item in value]
    if isinstance(value, str) and value in DARK:
        return f"var(--c{value[1:]})"
    return value


def finite(value: Any) -> Any:
    """Replace NaN and infinities by None; keep seven digits of other floats."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if value - value == 0 else None
    return value
