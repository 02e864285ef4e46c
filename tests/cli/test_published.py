"""A study that repeats published results shows these beside its own, in every output."""

import json

import pytest

from dropstudy import Study
from dropstudy.analysis.answered import AS_PUBLISHED
from sources import trained_at_once

SOURCE = "A. Author & <b>others</b> 2014, Table 1"
RESULTS = [
    {"arm": "dropout 0.5", "source": SOURCE, "value": 50.0, "within": 30.0, "updates": 1_000_000},
    {"arm": "dropout 0.5", "source": SOURCE, "expected": "lower"},
    {"arm": "dropout 0.5", "source": SOURCE, "measure": "training-loss", "expected": "not lower"},
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return trained_at_once(patch, tmp_path_factory.mktemp("published") / "study", published=RESULTS)


def test_answer_page_and_conclusion_have_what_was_published(study):
    results = study.results()
    found = results.snapshot.published
    errors = results.test_scores().query("arm == 'dropout 0.5'")["test_accuracy"]
    assert found[0].here.value == pytest.approx(100 * (1 - errors.mean()))
    assert [each.here.n for each in found] == [6, 6, 6]
    told = dict(results.answer().lines)[AS_PUBLISHED]
    assert "Trained for 27 updates, not 1,000,000 as published." in told
    page = results.report()[0].read_text(encoding="utf-8")
    assert '<section id="published"' in page
    assert "A. Author &amp; &lt;b&gt;others&lt;/b&gt; 2014, Table 1" in page
    assert told in (study.folder / "conclusion.txt").read_text(encoding="utf-8")


def test_show_prints_a_table_and_its_json_has_the_numbers(study, call):
    shown = call("show", study.folder).out
    assert f"Published: {SOURCE}" in shown
    assert "Intervals are over 6 seeds, each for itself" in shown
    found = json.loads(call("show", study.folder, "--json").out)["published"]
    assert [each["published"]["arm"] for each in found] == ["dropout 0.5"] * 3
    assert found[0]["here"]["low"] < found[0]["here"]["value"] < found[0]["here"]["high"]
    assert found[0]["here"]["updates"] == 27  # 1,137 examples in batches of 128, 3 epochs


@pytest.mark.usefixtures("made_up_training")
def test_a_study_without_a_finished_run_compares_nothing_and_says_what_is_done_and_what_to_do(
    study, call, monkeypatch
):
    (study.folder.parent / "copy.toml").write_bytes((study.folder / "study.toml").read_bytes())
    begun = study.folder.parent / "begun"
    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.run.train_runs", interrupt)
        call("run", study.folder.parent / "copy.toml", "--out", begun)
    shown = call("show", begun).out
    assert "0 of 12 runs are done, 12 queued. 0 of 36 epochs are done." in shown
    assert shown.count("no run has finished") == 1
    assert f"To finish the study: dropstudy run {begun}" in shown
    for words in ("Published", "Trained for", "0 seeds", "n = 0", "--all"):
        assert words not in shown
    assert "no pair has finished" in call("show", begun, "--pairs").out
    assert call("table", begun, "--methods").out.startswith("No run has finished: this describes the plan.")
    page = Study.open(begun).results().report()[0].read_text(encoding="utf-8")
    assert '<section id="published"' not in page


@pytest.mark.usefixtures("made_up_training")
def test_a_study_that_changes_what_the_results_are_about_says_that_they_are_not_compared(study, call):
    told = "The published results of {} are not compared with this study, which changes the {}."
    copy = study.folder.parent / "copy.toml"
    copy.write_bytes((study.folder / "study.toml").read_bytes())
    words = ("run", copy, "--hidden", "4", "--rates", "0,0.3")
    assert told.format(copy, "hidden layers and the rates") in call(*words, "--out", "other", "--dry-run").out
    assert told.format(copy, "hidden layers and the rates") in call(*words, "--out", "other").out
    assert (
        told.format("liu-one-pass", "data")
        in call("run", "liu-one-pass", "--data", "digits", "--dry-run").out
    )
    for same in (("run", copy, "--seeds", "7"), ("run", study.folder, "--rates", "0,0.5,0.7")):
        assert "are not compared" not in call(*same, "--dry-run").out


@pytest.mark.usefixtures("made_up_training")
def test_a_published_number_may_be_put_right_after_the_study_has_finished(study, call):
    file, out = study.folder.parent / "mine.toml", study.folder.parent / "finished"
    text = (study.folder / "study.toml").read_text(encoding="utf-8")
    for value in ("50.0", "49.25"):
        file.write_text(text.replace("value = 50.0", f"value = {value}"), encoding="utf-8")
        assert f"test error {value}" in call("run", file, "--out", out).out
        assert f"test error {value}" in call("show", out).out
        assert value in (out / "report.html").read_text(encoding="utf-8")
    assert len(Study.open(out).spec.published) == 3


@pytest.mark.usefixtures("made_up_training")
def test_python_says_it_too_and_once(tmp_path, capsys):
    Study("liu-one-pass", data="digits", seeds=2, out=tmp_path / "other").run()
    told = "The published results of liu-one-pass are not compared with this study, which changes the data."
    assert capsys.readouterr().out.count(told) == 1


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_study_that_continues_keeps_them_and_other_studies_have_none(study, call, tmp_path):
    assert len(Study.open(study.folder).spec.published) == 3
    with pytest.MonkeyPatch.context() as patch:
        plain = trained_at_once(patch, tmp_path / "plain")
    assert AS_PUBLISHED not in dict(plain.results().answer().lines)
    assert json.loads(call("show", plain.folder, "--json").out)["published"] == []
