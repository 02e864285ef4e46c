"""The example notebook: its stored outputs are whole and small, and it runs in a real kernel."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"
LARGEST = 1_500_000
"""Bytes: what a page that shows notebooks still opens at once."""

TINY = 'DATA, EPOCHS, SEEDS = "digits", 2, 6'


def cells():
    return [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_the_stored_notebook_was_executed_from_top_to_bottom_without_an_error():
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    outputs = [output for cell in cells() for output in cell["outputs"]]
    assert "error" not in {output["output_type"] for output in outputs}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 6
    assert NOTEBOOK.stat().st_size < LARGEST
    text = NOTEBOOK.read_text("utf-8")
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", text)  # no path of the machine that ran it
    assert "mnist" in json.dumps(cells()[1]["outputs"])


@pytest.mark.slow
def test_the_notebook_runs_in_a_kernel_and_training_has_one_output(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells[2].source, count = re.subn("(?m)^DATA, EPOCHS, SEEDS = .*", TINY, notebook.cells[2].source)
    assert count == 1
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        kinds = [output.output_type for output in cell.outputs]
        assert "stream" not in kinds or "print(" in cell.source, cell.outputs
        if ".run()" in cell.source:
            assert kinds == ["display_data", "execute_result"]  # one output that was updated, and the study
        if ".plot." in cell.source:
            assert {"application/vnd.vegalite.v6+json", "image/png"} <= cell.outputs[0].data.keys()
    assert (tmp_path / "studies" / "notebook" / "study.db").exists()
