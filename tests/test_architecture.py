"""The rooms of the house, and what each may bring in. docs/design.md, section 3, says why."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dropstudy

SOURCE = Path(dropstudy.__file__).parent
MOST_LINES = 400

# For each room, lowest first, which rooms it may import; itself it may import always. What is imported for
# types alone counts too. A room that is not here fails, and so does one that stands below what it uses.
ROOMS = {
    "__init__": set(),  # and the homes of the public names, which it imports when they are asked for
    "safe_path": set(),
    "names": set(),
    "errors": {"names"},
    "profile": set(),
    "records": {"profile"},
    "files": {"errors"},
    "tensors": {"errors", "records", "files"},
    "streams": {"names"},
    "presets": set(),
    "values": {"errors"},
    "settings": {"errors", "names", "records", "values"},
    "spec": {"errors", "records", "files", "presets", "values", "settings"},
    "growth": {"errors", "records", "values", "settings"},
    "splits": {"errors", "names", "records"},
    "plan": {"errors", "records", "splits"},
    "data": {"errors", "profile", "records", "files"},
    "engine": {"records"},
    "hardware": {"errors", "records"},
    "kernels": {"data", "hardware"},
    "workers": {"safe_path", "errors", "records", "hardware", "data", "kernels", "engine"},
    "canvases": set(),
    "typefaces": {"files"},
    "pictures": {"errors", "hardware", "workers", "canvases", "typefaces"},
    "layout": {"errors", "files"},
    "ledger": set(),
    "contents": {"profile", "records", "settings", "spec", "plan", "layout"},
    "migrations": set(),
    "schema": {"errors", "files", "names", "ledger", "contents", "migrations"},
    "recorded": {"errors", "records", "names", "tensors", "layout", "ledger", "contents", "schema"},
    "store": {"errors", "records", "files", "tensors", "layout", "ledger", "schema", "recorded"},
    "sameness": {"errors", "records", "store"},
    "pacing": {"records"},
    "patience": {"records", "pacing"},
    "watching": {"records", "patience"},
    "turns": set(),
    "coordinator": {"errors", "records", "workers", "store", "pacing", "turns", "patience", "watching"},
    "history": {"records"},
    "pace": {"records", "recorded", "pacing", "turns"},
    "standing": {"records", "names", "recorded"},
    "progress": {"records", "names", "streams", "splits", "data", "recorded", "watching", "coordinator", "pace"},
    "tables": {"names", "files", "streams"},
    "live": {"records", "names", "streams", "recorded", "pace", "standing", "progress", "tables"},
    "inline": {"records", "recorded", "live"},
    "stats": {"records"},
    "verdict": {"records", "names", "stats"},
    "charts": {"errors", "records", "files", "pictures", "names", "stats"},
    "keras_config": {"errors"},
    "models": {"errors", "records", "files", "tensors", "keras_config"},
    "sampling": {"records", "models"},
    "doctor": {"hardware", "data", "kernels", "workers"},
    "locking": {"errors", "files", "names"},
    "folder": {
        "errors", "records", "files", "names", "presets", "spec", "growth", "splits", "hardware", "plan", "layout",
        "store", "locking",
    },
    "space": {"errors", "records", "spec", "layout", "recorded", "store", "coordinator", "locking", "folder"},
    "outputs": {"errors", "layout"},
    "taking_out": {"errors", "records", "growth", "splits", "store", "locking", "folder", "space"},
    "judge": {"records", "stats", "folder", "taking_out", "verdict"},
    "deciding": {"errors", "records", "values", "verdict"},
    "confirming": {"errors", "records", "files", "spec", "layout", "folder", "names", "verdict", "deciding"},
    "report": {
        "errors", "records", "files", "tensors", "spec", "data", "store", "history", "progress", "names", "stats",
        "verdict", "charts", "models", "sampling", "folder", "pictures", "recorded", "judge", "confirming",
        "layout", "tables",
    },
    "one_run": {
        "errors", "profile", "records", "tensors", "data", "store", "history", "report", "models", "folder", "outputs",
    },
    "results": {
        "streams", "records", "spec", "pictures", "layout", "recorded", "store", "stats", "verdict", "report", "folder",
        "one_run",
    },
    "running": {
        "errors", "records", "streams", "growth", "splits", "hardware", "plan", "data", "workers", "store", "watching",
        "coordinator", "progress", "locking", "folder", "space",
    },
    "rehearsal": {
        "records", "splits", "hardware", "plan", "data", "workers", "store", "coordinator", "pace", "names", "folder",
        "space", "running", "turns",
    },
    "study": {
        "errors", "spec", "growth", "hardware", "store", "coordinator", "live", "inline", "verdict", "locking",
        "folder", "deciding", "confirming", "results", "running", "rehearsal", "taking_out",
    },
    "view": {"errors", "store", "report", "folder", "study"},
    "cli": {
        "errors", "streams", "records", "presets", "growth", "data", "standing", "progress", "live", "verdict",
        "report", "tables", "doctor", "locking", "folder", "deciding", "space", "study", "sameness", "view", "names",
        "taking_out", "outputs",
    },
    "__main__": {"safe_path", "cli"},
}  # fmt: skip

# Who may import what is heavy, or what one room alone should know. Others, such as numpy, are everyone's.
LIBRARIES = {
    "jax": {"engine"},
    "keras": {"models"},
    "sqlite3": {"ledger", "contents", "schema", "recorded", "store"},
    "altair": {"charts", "report"},
    "sklearn": {"data", "splits"},
    "loky": {"workers", "hardware"},
    "concurrent": {"files", "workers", "pictures", "coordinator", "watching"},
    "filelock": {"data", "kernels", "locking"},
    "pooch": {"data"},
    "requests": {"data"},
    "PIL": {"data", "report"},
    "jinja2": {"report"},
    "starlette": {"view"},
    "uvicorn": {"view"},
    "markupsafe": {"report"},
    "vl_convert": {"pictures", "typefaces", "report"},
    "safetensors": {"tensors"},
    "tomllib": {"spec"},
    "tomli_w": {"spec"},
    "typer": {"cli"},
    "rich": {"tables", "live", "inline"},
    "statsmodels": {"stats"},
}
FOR_TYPES = {
    ("one_run", "keras"),
    ("study", "concurrent"),
    ("running", "concurrent"),
    ("rehearsal", "concurrent"),
    *((room, "sqlite3") for room in ("ledger", "contents", "recorded", "store")),
}
"""Imported only where a type checker looks."""

MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path):
    """Every module that a file imports, wherever in it, and whether for types alone: (name, for_types)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative path: say dropstudy.{node.module}"
            # `from dropstudy import x` imports the room x; of other modules, the first two names tell enough.
            names = (
                [f"dropstudy.{alias.name}" for alias in node.names]
                if node.module == "dropstudy"
                else [node.module]
            )
            yield from ((name, id(node) in for_types) for name in names)


def rooms_imported(path):
    names = (name.split(".") for name, _ in imports(path))
    return {parts[1] if len(parts) > 1 else "__init__" for parts in names if parts[0] == "dropstudy"} - {
        room_of(path)
    }


def test_the_reader_of_imports_sees_them_wherever_they_stand(tmp_path):
    file = tmp_path / "x.py"
    file.write_text(
        "import a.b, c\nfrom d.e import f\nfrom dropstudy import cli, study\n"
        "if TYPE_CHECKING:\n    import g\n"
        "def x():\n    from dropstudy.data.idx import y\n    class Z:\n        import h\n"
    )
    seen = dict(imports(file))
    assert set(seen) == {
        "a.b",
        "c",
        "d.e",
        "dropstudy.cli",
        "dropstudy.study",
        "g",
        "dropstudy.data.idx",
        "h",
    }
    assert [name for name, for_types in seen.items() if for_types] == ["g"]


def test_every_room_is_in_the_table_and_every_line_of_the_table_is_a_room():
    assert {room_of(path) for path in MODULES} == set(ROOMS)


def test_the_table_goes_one_way():
    order = list(ROOMS)
    for room, lower in ROOMS.items():
        for used in lower:
            assert order.index(used) < order.index(room), f"{room} stands below {used}, which it may import"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_what_its_room_may(path):
    room = room_of(path)
    allowed = set(ROOMS) if room == "__init__" else ROOMS[room]
    assert rooms_imported(path) <= allowed, f"{room} may import {sorted(ROOMS[room])}"
    for name, for_types in imports(path):
        library = name.split(".")[0]
        if library in LIBRARIES and room not in LIBRARIES[library]:
            assert for_types, f"{library} is for {sorted(LIBRARIES[library])}"
            assert (room, library) in FOR_TYPES


def test_no_permission_outlives_its_use():
    for room, allowed in ROOMS.items():
        used = set().union(*(rooms_imported(path) for path in MODULES if room_of(path) == room))
        assert room == "__init__" or used == allowed, f"{room} no longer imports {sorted(allowed - used)}"
    used = {(room_of(path), name.split(".")[0]) for path in MODULES for name, _ in imports(path)}
    for library, rooms in LIBRARIES.items():
        assert {room for room in rooms if (room, library) in used} == rooms, library
    assert used >= FOR_TYPES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_one_idea_said_at_its_top_in_at_most_400_lines(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    # An empty __init__.py makes a folder a package and has nothing to say.
    if text.strip():
        assert (ast.get_docstring(ast.parse(text)) or "").strip()


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


def test_making_a_study_needs_neither_an_array_framework_nor_what_draws():
    slow = {"jax", "keras", "scipy", "sklearn", "altair", "vl_convert", "pooch", "requests"}
    assert not imported_by("from dropstudy import Study; Study('notebook', out='none')") & slow


def test_an_array_framework_is_loaded_by_whoever_asks_for_it():
    """Else the tests above would find nothing because they look in the wrong place."""
    assert "jax" in imported_by("import dropstudy.engine.train")
    assert "altair" in imported_by("import dropstudy.charts")
