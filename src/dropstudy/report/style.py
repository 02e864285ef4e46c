"""Head of all pages: the content security policy, and a style sheet.

Each colour of the sheet is a variable that has a light and a dark value; then come type and space.
"""

from __future__ import annotations

from importlib.resources import files

from dropstudy.report.charts import palette

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
"""Content security policy: run the page's own scripts, ask its own server alone, load nothing from elsewhere."""

_ROLES = {
    "ink": palette.INK,
    "faint": palette.FAINT_INK,
    "axis": palette.AXIS,
    "line": palette.GRID,
    "paper": palette.PAPER,
    "accent": palette.BLUE,
    "worse": palette.WORSE,
    "raised": palette.MARGIN,
}
"""Colours of the charts by the names that the style sheet uses."""


def style() -> str:
    """Colours, then `page.css`."""
    light = [f"--c{color[1:]}: {color}" for color in palette.DARK]
    dark = [f"--c{color[1:]}: {at_night}" for color, at_night in palette.DARK.items()]
    roles = [f"--{name}: var(--c{color[1:]})" for name, color in _ROLES.items()]
    sheet = (files("dropstudy.report") / "templates" / "page.css").read_text(encoding="utf-8")
    return (
        f":root {{ color-scheme: light dark; {'; '.join(light + roles)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {'; '.join(dark)} }} }}\n{sheet}"
    )
