"""Vega, Vega-Lite and Vega-Embed as one script: what draws the charts of a page."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version

import vl_convert

from dropstudy.data.cache import code_folder, is_intact, keep
from dropstudy.report.charts.render import apart

FOLDER = "scripts"
"""Folder of the cache."""

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@lru_cache
def vega() -> str:
    """The script, fit to stand inside a page. Gathering it takes more than a second, so the cache keeps it."""
    folder = code_folder(FOLDER)
    path = folder / f"vega-{version('vl-convert-python')}.js" if folder else None
    if path and is_intact(path):
        return path.read_text(encoding="utf-8")
    code = apart(vl_convert.javascript_bundle, _SNIPPET).replace("</script", "<\\/script")
    if path:
        with suppress(OSError):  # a full disk costs a second, no page
            keep(path, code.encode())
    return code
