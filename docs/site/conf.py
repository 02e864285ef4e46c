"""The documentation site: `make docs`. Its pages are the documents of this repository, where they lie."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import reference

import dropstudy

project = "dropstudy"
author = "the dropstudy authors"
copyright = author  # noqa: A001 - Sphinx reads this name
release = dropstudy.__version__

# The repository is the source folder, so that one link works in the repository and on the site.
root_doc = "docs/index"
# Folders without pages are not searched, which takes longer than the rest: .venv alone has thousands.
exclude_patterns = [".*", "build", "dist", "studies", "tests", "docs/package_index.md"]
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/site/*.md",
    "examples/*.ipynb",
    "benchmarks/README.md",
    "src/dropstudy/engine/README.md",
]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
highlight_language = "none"  # of blocks that name no language: commands and what they print

myst_enable_extensions = ["html_image"]  # pictures with a width
myst_heading_anchors = 4  # the names that GitHub gives to headings
nb_execution_mode = "off"  # the notebooks are stored with their outputs
# Charts as pictures: the site loads no scripts of others.
nb_mime_priority_overrides = [("html", "image/png", 0)]

suppress_warnings = [
    "myst.header",  # the notebooks have headings of levels 1 and 3, as the original
    "mystnb.unknown_mime_type",  # a chart is there as Vega-Lite, too
]

smartquotes = False  # they make one dash of the two of a flag
default_role = "code"  # docstrings write code between single backticks
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "exclude-members": "set_fit_request, set_score_request",  # scikit-learn's own
}
autodoc_type_aliases = {
    **dict.fromkeys(("Rate", "Fraction", "Positive", "NonNegative", "Progress"), "float"),
    "Rates": "float | tuple[float, ...]",
    "Count": "int",
    "Text": "str",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True  # a function as it is written, not its address
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"dropstudy {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_extra_path = ["index.html"]  # leads to docs/index.html
html_show_sourcelink = False
copybutton_prompt_text = "$ "

PICTURE = re.compile(
    r'<picture>\s*<source [^>]*srcset="(?P<dark>[^"]+)">\s*'
    r'<img src="(?P<light>[^"]+)"(?: width="(?P<width>\d+)")? alt="(?P<alt>[^"]+)">\s*</picture>'
)
"""A picture that follows the machine, as GitHub shows it."""


def follow_the_site(match: re.Match[str]) -> str:
    """Both pictures; the theme shows the one of the reader's setting on this site."""
    return "\n\n".join(
        f"```{{image}} {match[mode]}\n:class: only-{mode}\n:width: {match['width']}\n:alt: {match['alt']}\n```"
        for mode in ("light", "dark")
    )


def complete(app: Any, docname: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx' signature
    """Complete the source of a page: its pictures, and what the reference takes from the program."""
    if docname == "README":
        # The head of the README is the first page, and its last links are in the sidebar.
        start, end = source[0].index("# Start"), source[0].index("## More")
        source[0] = source[0][start:end]
    source[0] = PICTURE.sub(follow_the_site, source[0])
    for mark, make in reference.PARTS.items():
        if mark in source[0]:
            source[0] = source[0].replace(mark, make())


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("source-read", complete)
