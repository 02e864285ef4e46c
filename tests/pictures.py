"""What the pictures of the documents show, of studies whose numbers are made up: the same text on every machine.

A picture carries the digest of that text from the day on which it was made (`docs/make_pictures.py`). Once the program
prints or draws something else, the text has another digest, and the picture is old.
"""

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import chdir, suppress
from importlib.resources import files

import pytest

import random_results
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.snapshot import read_snapshot
from dropstudy.report.style import style
from dropstudy.runtime import local
from dropstudy.study.study import Study

OF_A_TERMINAL = {"NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES"}
"""Variables that would change what is printed."""

OF_TEACH = ("teach_drop", "teach_train")
WIDTH = 112
RATES = {"rates": [0, 0.2, 0.5, 0.8], "seeds": 8}
SMALL = {"data": "digits", "hidden": [4], "epochs": 3}


def terminal(study):
    """What `dropstudy show` prints on a terminal, with its colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, WIDTH))
    plain = {name: value for name, value in os.environ.items() if name not in OF_A_TERMINAL}
    environment = {**plain, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "dropstudy", "show", str(study)]
    with subprocess.Popen(command, stdout=theirs, env=environment):  # noqa: S603 - our own program
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # how Linux says that the other end was closed
            while part := os.read(ours, 1 << 16):
                printed += part
    shown = printed.decode().replace("\r\n", "\n").rstrip()
    return f"$ dropstudy show {study}\n{shown}"


def teach_page():
    """Style, words and script of the page for classes."""
    templates = files("dropstudy.teach") / "templates"
    return style() + "".join(
        (templates / f"teach.{kind}").read_text(encoding="utf-8") for kind in ("css", "html.j2", "js")
    )


def digests(folder, parts):
    """The digest of each picture.

    Args:
        folder: empty, for the studies.
        parts: for each picture of a page the anchors that it shows, in their order.
    """
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        random_results.replace_workers(patch)
        patch.setattr(local, "train", random_results.learned(0.01))
        notebook = Study("notebook", out="studies/notebook", seeds=6, **SMALL).run(verbose=False)
        tune = Study("tune", out="studies/rates", **SMALL, **RATES).run(verbose=False)
        texts = {"terminal": terminal(notebook.folder), **dict.fromkeys(OF_TEACH, teach_page())}
        snapshot = read_snapshot(tune.folder)
        found = sections(snapshot)
        page = html(snapshot, found)
    texts |= {name: _part(page, found, anchors) for name, anchors in parts.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}


def _part(page, found, anchors):
    """What a browser shows from the first anchor to the last: style, words and charts without their data."""
    (style,) = re.findall("<style>.*?</style>", page, re.DOTALL)
    words = page[page.index(_opening(anchors[0])) :]
    end = words.index(_opening(anchors[-1]))
    words = re.sub(
        '<details.*?</details>|data:image[^"]*', "", words[: words.index("</section>", end)], flags=re.DOTALL
    )
    charts = [figure.spec for figure in figures_of(each for each in found if each.name in anchors)]
    return "\n".join((style, words, *(json.dumps(_without_data(chart)) for chart in charts)))


def _opening(anchor):
    return "<header>" if anchor == "header" else f'<section id="{anchor}"'


def _without_data(spec):
    """A chart's specification as every processor makes it: floats end differently."""
    if isinstance(spec, dict):
        return {key: _without_data(value) for key, value in spec.items() if key not in {"data", "datasets"}}
    if isinstance(spec, list):
        return [_without_data(value) for value in spec]
    return f"{spec:.4g}" if isinstance(spec, float) else spec
