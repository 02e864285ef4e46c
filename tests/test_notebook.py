"""The example notebooks: their stored outputs are whole and small, and they run in a real kernel."""

import json
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOK = EXAMPLES / "notebook.ipynb"
YOUR_DATA = EXAMPLES / "your_data.ipynb"
LARGEST = 1_500_000
"""Bytes: what a page that shows notebooks still opens at once."""

TINY = 'DATA, EPOCHS, SEEDS = "digits", 2, 6'
TINY_DATA = "RATES, SEEDS, EPOCHS = [0, 0.2, 0.5], 6, 2"


def cells(path):
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize(("path", "pictures"), [(NOTEBOOK, 6), (YOUR_DATA, 2)], ids=str)
def test_a_stored_notebook_was_executed_from_top_to_bottom_without_an_error(path, pictures):
    code = cells(path)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert "error" not in {output["output_type"] for output in outputs}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= pictures
    assert path.stat().st_size < LARGEST
    text = path.read_text("utf-8")
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", text)  # no path of the machine that ran it


def test_the_stored_notebook_is_about_mnist():
    assert "mnist" in json.dumps(cells(NOTEBOOK)[1]["outputs"])


def executed(path, tiny, folder, monkeypatch):
    """The code cells of a notebook after a real kernel has run it in a folder, with its settings replaced by `tiny`."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    settings = re.escape(tiny.partition("=")[0])
    code[0].source, count = re.subn(f"(?m)^{settings}=.*", tiny, code[0].source)
    assert count == 1
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return code


def notes(code):
    """What the cells with a table say of how it was computed: the same in a short run, but for numbers and data."""
    outputs = [output for cell in code if "table" in "".join(cell["source"]) for output in cell["outputs"]]
    texts = ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]
    prose = re.sub(r"(?m)^\|.*$", "", "\n".join(texts)).partition("Computed by")[0]
    return re.sub(r"[-.,\d]*\d|MNIST|digits", "#", " ".join(prose.split()))


@pytest.mark.slow
def test_the_notebook_runs_in_a_kernel_and_training_has_one_output(tmp_path, monkeypatch):
    code = executed(NOTEBOOK, TINY, tmp_path, monkeypatch)
    for cell in code:
        kinds = [output.output_type for output in cell.outputs]
        assert "stream" not in kinds or "print(" in cell.source, cell.outputs
        if ".run()" in cell.source:
            assert kinds == ["display_data", "execute_result"]  # one output that was updated, and the study
        if ".plot." in cell.source:
            assert {"application/vnd.vegalite.v6+json", "image/png"} <= cell.outputs[0].data.keys()
    assert (tmp_path / "studies" / "notebook" / "study.db").exists()
    assert notes(code) == notes(cells(NOTEBOOK)), "CONTRIBUTING.md says how to store new outputs"


@pytest.mark.slow
def test_the_notebook_about_your_data_runs_in_a_kernel_and_shows_verdict_and_table(tmp_path, monkeypatch):
    compared = 0
    code = executed(YOUR_DATA, TINY_DATA, tmp_path, monkeypatch)
    for cell in code:
        kinds = [output.output_type for output in cell.outputs]
        assert "stream" not in kinds, cell.outputs
        if "compare(" in cell.source:
            compared += 1
            assert kinds == ["display_data", "execute_result"]
            shown = cell.outputs[1].data["text/html"]
            assert "Does dropout help?" in shown
            assert "<table" in shown
    assert compared == 2
    assert {path.name for path in (tmp_path / "studies").iterdir()} == {"breast-cancer", "digits"}
    assert notes(code) == notes(cells(YOUR_DATA)), "CONTRIBUTING.md says how to store new outputs"
