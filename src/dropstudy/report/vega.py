"""Vega, Vega-Lite and Vega-Embed as one script: what draws the charts of a page."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version

import vl_convert

from dropstudy.data.cache import cache_folder
from dropstudy.errors import StoreError
from dropstudy.files import write_text

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@lru_cache
def vega() -> str:
    """The script, fit to stand inside a page. Gathering it takes more than a second, so the cache keeps it."""
    path = cache_folder() / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeDecodeError):
        digest, _, code = path.read_text(encoding="utf-8").partition("\n")
        if digest == _digest(code):
            return code
    code = vl_convert.javascript_bundle(_SNIPPET).replace("</script", "<\\/script")
    with suppress(StoreError):  # a full disk costs a second, no page
        write_text(path, f"{_digest(code)}\n{code}")
    return code


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
