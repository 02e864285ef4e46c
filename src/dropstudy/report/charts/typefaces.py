"""The typefaces of pictures: first that which vl-convert carries, of Arial's widths, then those of the machine.

A machine's typeface is opened anew for every letter that is measured or drawn, which takes longer than all else about a
picture. The carried one is in memory, and makes pictures look the same wherever they are drawn; letters that it lacks
still come from the machine's.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import vl_convert

from dropstudy.core.atomic import at_home

# Where fontconfig looks unless it is told otherwise.
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_SETTING = "FONTCONFIG_FILE"
_NONE = "<fontconfig><dir>/nonexistent</dir></fontconfig>"
_EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@cache
def carried_first() -> None:
    """Have this process draw that way; before it draws anything else. Who has set `FONTCONFIG_FILE` is left alone."""
    if _SETTING in os.environ:
        return
    # Of two typefaces of one name the first one found is drawn with, and vl-convert finds the machine's first. So it
    # finds none as it starts, and is told of them afterwards.
    with NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as settings:
        settings.write(_NONE)
        settings.flush()
        os.environ[_SETTING] = settings.name
        try:
            vl_convert.svg_to_pdf(_EMPTY)
        finally:
            del os.environ[_SETTING]
    for folder in map(Path, _FOLDERS):
        if at_home(folder).is_dir():
            vl_convert.register_font_directory(str(at_home(folder)))
