"""Files are one idea each, and what is slow to import is imported by whoever needs it.

Which room may import which is said in pyproject.toml and held by `lint-imports`.
"""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import dropstudy

SOURCE = Path(dropstudy.__file__).parent
MOST_LINES = 400
MOST_ENTRIES = 14

MODULES = sorted(SOURCE.rglob("*.py"))


def test_the_package_has_few_entries():
    entries = [path for path in SOURCE.iterdir() if path.name != "__pycache__"]
    assert len([path for path in entries if not path.name.startswith("__")]) <= MOST_ENTRIES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_one_idea_said_at_its_top_in_at_most_400_lines(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert (ast.get_docstring(ast.parse(text)) or "").strip()


def test_test_files_have_names_of_their_own():
    """Tests are not a package, so that pytest takes two files of one name for one; part of the tests would not tell."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def imported_by(statement):
    """The modules that are loaded after a statement in a fresh process."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603 - our own script
    return set(done.stdout.split())


def test_importing_the_package_is_cheap():
    slow = {"numpy", "pandas", "jax", "keras", "scipy", "sklearn", "altair", "sqlite3", "typer", "rich"}
    assert (
        not imported_by("import dropstudy; dropstudy.__version__; dropstudy.__all__; dir(dropstudy)") & slow
    )
    assert not imported_by("from dropstudy import Arm, Optimizer, DropstudyError") & slow


def test_help_is_cheap():
    slow = {"numpy", "pandas", "jax", "keras", "scipy", "sklearn", "altair"}
    assert not imported_by("import dropstudy.cli") & slow


def test_making_a_study_needs_neither_an_array_framework_nor_what_draws():
    slow = {"jax", "keras", "scipy", "sklearn", "altair", "vl_convert", "pooch", "requests"}
    assert not imported_by("from dropstudy import Study; Study('notebook', out='none')") & slow


def test_an_array_framework_is_loaded_by_whoever_asks_for_it():
    """Else the tests above would find nothing because they look in the wrong place."""
    assert "jax" in imported_by("import dropstudy.engine.mlp.train")
    assert "altair" in imported_by("import dropstudy.report.charts")
