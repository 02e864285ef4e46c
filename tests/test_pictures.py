"""Pictures of the documents are shown somewhere and are not older than what they show."""

import pytest
from PIL import Image

from make_pictures import PICTURES, SHOWS, today
from test_docs import DOCUMENTS

MEASURED = {"figure10_dark", "figure10_light", "speed_dark", "speed_light"}
"""Charts of benchmarks, whose pages name the day of the measurement."""


@pytest.mark.slow
def test_every_picture_shows_what_the_program_prints_and_draws_today():
    made = {}
    for path in PICTURES.glob("*.png"):
        with Image.open(path) as picture:
            made[path.stem] = picture.info.get(SHOWS)
    now = today() | dict.fromkeys(MEASURED)
    old = sorted(name for name in made.keys() | now.keys() if made.get(name) != now.get(name))
    assert old == [], "make them again: docs/make_pictures.py says how"


def test_every_picture_is_in_a_document():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    assert [path.name for path in PICTURES.glob("*.png") if f"pictures/{path.name}" not in text] == []
