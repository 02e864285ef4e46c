"""Documents name files, folders, links, tests and commands that exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from command_line import COMMANDS

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "dropstudy"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *DOCS.rglob("*.md"),
    *PACKAGE.rglob("*.md"),
]
FILES = [
    f"/{path.relative_to(ROOT)}"
    for folder in (PACKAGE, TESTS, DOCS, ROOT / "benchmarks", ROOT / "examples")
    for path in folder.rglob("*.*")
]


def names_in(path):
    """Names of the tests in a file."""
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_list_of_faults_names_is_there():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (DOCS / "faults.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(TESTS / file)]
    assert missing == []


def test_every_fault_has_a_test():
    lines = (DOCS / "faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| fault")]
    assert len(rows) > 25
    for row in rows:
        assert re.search(r"\| `[\w/]+\.py::test_[^|]+` \|$", row), row


def test_every_document_is_in_the_contents_of_the_site():
    index = (DOCS / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^(?:.* <)?([\w./]+)>?$", index, re.MULTILINE))
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index", "package_index"}
    assert pages <= listed


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def missing(text, pattern):
    """The files named in a text, by their paths or the ends of these, that no folder of ours has."""
    named = set(re.findall(pattern, text))
    return sorted(name for name in named if not any(file.endswith(f"/{name}") for file in FILES))


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_python_file_that_a_document_names_is_there(page):
    assert missing(page.read_text(encoding="utf-8"), r"\w[\w/]*\.(?:py|cc)\b") == []


def test_every_path_that_a_source_file_names_is_there():
    for path in [
        file
        for folder in ("src", "tests", "benchmarks", "examples")
        for file in (ROOT / folder).rglob("*.py")
    ]:
        assert (
            missing(path.read_text(encoding="utf-8"), r"\b(?:src|tests|benchmarks|examples)/[\w/]+\.py\b")
            == []
        )


def test_the_design_has_every_folder_of_the_package():
    tree = (DOCS / "design.md").read_text(encoding="utf-8")
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}:
        assert f"{folder.name}/" in tree, folder


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_document_shows_can_be_parsed(page):
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = re.findall(r"^(?:\$ )?dropstudy (.+)$", blocks, re.MULTILINE)
    for line in lines + re.findall(r"`dropstudy ([^`\n]+)`", text):
        words = shlex.split(line.split(" > ")[0], comments=True)
        if words[0] in COMMANDS and words[1:] and not words[1].startswith("-"):
            COMMANDS[words[0]].make_context(words[0], words[1:], resilient_parsing=False).close()
