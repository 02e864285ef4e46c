"""Render the page: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from dropstudy.report.charts import palette
from dropstudy.report.style import POLICY, style
from dropstudy.teach.answer import SAMPLES
from dropstudy.teach.lesson import EPOCHS, HIDDEN, READER_RATE

if TYPE_CHECKING:
    from dropstudy.teach.lesson import Lesson

_SERIES = (("running", palette.PURPLE), ("clean", palette.VERMILLION), ("test", palette.BLUE))
"""Curves of the live training in the colours of the report's learning curves."""


def page(lesson: Lesson) -> str:
    """Page of a lesson."""
    dataset, arrays = lesson.dataset, lesson.arrays
    colors = "; ".join(f"--{name}: var(--c{color[1:]})" for name, color in _SERIES)
    return _template().render(
        policy=POLICY,
        css=Markup(f"{style()}\n:root {{ {colors} }}\n{_file('teach.css')}"),  # noqa: S704 - our own files
        script=Markup(_file("teach.js")),  # noqa: S704 - likewise
        form=lesson.form,
        example=json.dumps(lesson.example(0)),
        rows=dataset.input_shape[0],
        features=dataset.features,
        hidden=HIDDEN,
        samples=SAMPLES,
        epochs=EPOCHS,
        reader_rate=READER_RATE,
        data="MNIST" if dataset.name == "mnist" else "scikit-learn's 8x8 digits",
        fallback=dataset.fallback,
        examples=f"{len(arrays.y):,}",
        available=f"{len(dataset.y_train):,}",
        tests=f"{len(arrays.tested[1]):,}",
        version=version("dropstudy"),
    )


@lru_cache
def _file(name: str) -> str:
    return (files("dropstudy.teach") / "templates" / name).read_text(encoding="utf-8")


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("teach.html.j2"))
