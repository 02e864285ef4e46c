"""What is released: packages that install and run, their data, the dependencies, the documentation site."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dropstudy

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = ROOT / ".github" / "workflows"


def run(*words, folder):
    """Standard output of a program that succeeds."""
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, encoding="utf-8")  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_of_the_source_distribution_runs_from_an_empty_environment_and_folder(tmp_path):
    """Dependencies are those of this environment: installing them takes minutes, and `make release-check` does it."""
    build = (sys.executable, "-m", "hatchling", "build")
    run(*build, "-t", "sdist", "-d", tmp_path, folder=ROOT)
    (sources,) = tmp_path.glob("dropstudy-*.tar.gz")
    run("tar", "xf", sources, folder=tmp_path)
    run(*build, "-t", "wheel", "-d", tmp_path, folder=tmp_path / sources.name.removesuffix(".tar.gz"))
    (wheel,) = tmp_path.glob("*.whl")

    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        folder=tmp_path,
    )
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip()
    )
    # Modules of this environment, but not the paths in its .pth files, of which one leads to the source.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    installed = site / "dropstudy"
    assert (installed / "py.typed").exists()
    assert list(site.glob("dropstudy-*.dist-info/licenses/LICENSE"))

    (tmp_path / "empty").mkdir()
    words = ("run", "notebook", "--data", "digits", "--epochs", "1", "--hidden", "16")
    program = python.parent / "dropstudy"
    assert str(installed) in run(python, "-c", "import dropstudy; print(dropstudy.__file__)", folder=tmp_path)
    assert "Does dropout help?" in run(program, *words, folder=tmp_path / "empty")
    assert (tmp_path / "empty" / "studies" / "notebook-digits" / "report.html").exists()


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    """All but the writing of HTML: a link, an anchor or a page that leads nowhere is a warning."""
    words = ("-q", "-W", "--keep-going", "-b", "dummy", "-c", "docs/site", ".", tmp_path)
    run(sys.executable, "-m", "sphinx", *words, folder=ROOT)


def test_the_citation_has_what_its_format_requires_and_the_package_s_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == dropstudy.__version__
    assert citation["license"] == PROJECT["license"]


def test_workflows_test_the_versions_of_python_that_the_package_names():
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    jobs = yaml.safe_load((WORKFLOWS / "tests.yml").read_text("utf-8"))["jobs"]
    *tested, tried = jobs["linux"]["strategy"]["matrix"]["python"]
    assert tested == named
    assert tried in jobs["linux"]["continue-on-error"]
    assert PROJECT["requires-python"] == f">={named[0]}"
    jobs = yaml.safe_load((WORKFLOWS / "release.yml").read_text("utf-8"))["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "id-token" not in str(jobs["build"])


def test_every_dependency_has_a_reason():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| [\d.]+ \| \S.+ \|$", text, re.MULTILINE)
    assert rows == [Requirement(each).name for each in PROJECT["dependencies"]]


def test_the_lock_file_has_a_version_for_everything_that_is_installed_and_no_address():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    locked = {canonicalize_name(line.partition("==")[0]) for line in lines}
    assert needed("dropstudy", {"test", "docs"}) - locked == {"dropstudy"}


def needed(name, extras=frozenset(), found=None):
    """Names of a distribution that is installed here and of all that it needs on this machine."""
    found = set() if found is None else found
    found.add(canonicalize_name(name))
    for each in map(Requirement, metadata.requires(name) or []):
        wanted = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        if wanted and canonicalize_name(each.name) not in found:
            needed(each.name, each.extras, found)
    return found


def test_the_description_on_a_package_index_has_no_link_into_the_repository():
    assert PROJECT["readme"] == "docs/package_index.md"
    assert not re.search(r"\]\(|<\w", (ROOT / PROJECT["readme"]).read_text("utf-8"))
