"""The sentences follow the numbers, whatever the study; the files are there, whole and safely named."""

import re
from math import nan

import pandas as pd
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy import charts, report, stats
from dropstudy.progress import STAND_IN
from dropstudy.records import Arm
from dropstudy.report.files import write_report
from dropstudy.report.sections.curves import MOST_NOTEBOOK_ARMS
from dropstudy.report.vega import vega
from notebook_history import ARMS, finals_of, many_seeds, notebook_finals, notebook_history
from sources import source_of


def conclude(history, finals, arms, *, watches_test=True, n_test=10_000):
    summaries = stats.summarise(history, finals, arms)
    return report.conclusion(summaries, stats.compare(finals, arms), watches_test=watches_test, n_test=n_test)


def study(accuracies, *, running=0.95, val=0.98, clean=0.99):
    """A study from {arm: {seed: test accuracy}}; every run has one epoch."""
    history, finals = [], []
    for i, (arm, seeds) in enumerate(accuracies.items()):
        for seed, accuracy in seeds.items():
            history.append((arm, seed, 1, 0.1, running, 0.1, val, 0.1, clean, 1.0))
            finals.append((arm, i / 10, seed, 0.1, accuracy, 0.03))
    finals_columns = ["arm", "rate", "seed", "test_loss", "test_accuracy", "brier"]
    return (
        pd.DataFrame(history, columns=notebook_history().columns),
        pd.DataFrame(finals, columns=finals_columns),
        [Arm(arm, i / 10) for i, arm in enumerate(accuracies)],
    )


def test_the_notebooks_conclusion_put_right():
    test, gap, certainty, watched = conclude(notebook_history(), notebook_finals(), ARMS)
    assert test == (
        "On the test set 'no dropout' classifies better: "
        "98.49% against 97.37%, 1.12 points or 112 of 10,000 examples."
    )
    assert gap == (
        "Keras' numbers put the training accuracy of 'dropout 0.8' 2.87 percentage points below its "
        "test accuracy, as if it did better on data it was not trained on; measured cleanly (same weights, "
        "dropout off) training accuracy is 98.03% and the gap to the test set +0.66 points."
    )
    assert certainty.startswith("One seed cannot settle it")
    assert "0.12 points (standard error)" in certainty
    assert certainty.endswith("--seeds 6 or more.")
    assert "nothing may be selected on it" in watched


def test_a_study_with_validation_data_is_not_told_off():
    sentences = conclude(notebook_history(), notebook_finals(), ARMS, watches_test=False)
    assert len(sentences) == 3
    assert "below its validation accuracy" in sentences[1]


def test_dropout_that_helps_is_named_the_better_one():
    accuracies = {"plain": {0: 0.980, 1: 0.981, 2: 0.982}, "half": {0: 0.981, 1: 0.983, 2: 0.983}}
    sentences = conclude(*study(accuracies))
    assert sentences[0] == (
        "On the test set 'half' classifies better in each of 3 seeds: "
        "98.23% against 98.10%, 0.13 points on average (+0.10 to +0.20)."
    )
    assert sentences[2].startswith(
        "3 seeds cannot settle it: from seed to seed the accuracy of 'plain' varies by 0.10"
    )
    assert "--seeds 6" in sentences[2]


def test_seeds_that_disagree_are_counted():
    accuracies = {"plain": {0: 0.98, 1: 0.98}, "half": {0: 0.97, 1: 0.981}}
    assert conclude(*study(accuracies))[0] == (
        "On the test set 'plain' classifies better on average over 2 seeds: "
        "98.00% against 97.55%, 0.45 points (-0.10 to +1.00; better in 1 of 2)."
    )


def test_a_tie_is_a_tie():
    assert conclude(*study({"plain": {0: 0.98}, "half": {0: 0.98}}))[0] == (
        "On the test set 'plain' and 'half' do equally well: 98.00%."
    )


def test_many_arms_are_listed_and_very_many_give_the_range():
    few = conclude(*study({"plain": {0: 0.98}, "a": {0: 0.985}, "b": {0: 0.97}}))
    assert few[0] == "On the test set, against the 98.00% of 'plain': 'a' +0.50, 'b' -1.00 points."
    many = conclude(*study({f"arm {i}": {0: 0.98 - 0.001 * i, 1: 0.98} for i in range(10)}))
    assert (
        "9 arms differ by -0.45 points ('arm 9') to -0.05 points ('arm 1') on average over 2 seeds" in many[0]
    )


def test_no_verdict_even_with_many_seeds():
    accuracies = {"plain": dict.fromkeys(range(8), 0.98), "half": dict.fromkeys(range(8), 0.99)}
    certainty = conclude(*study(accuracies))[2]
    assert certainty.startswith("This describes 8 seeds and is no verdict")
    assert "--seeds" not in certainty


def test_a_gap_that_is_not_negative_is_told_without_wonder():
    accuracies = {"plain": {0: 0.98}, "half": {0: 0.98}}
    gap = conclude(*study(accuracies, running=0.985))[1]
    assert "0.50 percentage points above its test accuracy; measured cleanly" in gap
    assert "as if" not in gap
    assert "+1.00 points" in gap


def test_runs_that_did_not_finish_are_said():
    history, finals, arms = study({"plain": {0: 0.98, 1: 0.98, 2: 0.98}, "half": {0: 0.97, 1: 0.97, 2: 0.97}})
    finals = finals.iloc[:-2]
    sentence = conclude(history, finals, arms)[0]
    assert sentence.endswith("(2 runs of 'half' did not finish and are left out).")
    # Means over other seeds than the pairs are not put side by side.
    assert "against" not in sentence
    assert "1.00 points" in sentence


def test_nothing_finished_and_nothing_paired():
    history, finals, arms = study({"plain": {0: 0.98}, "half": {0: 0.97}})
    (sentence,) = conclude(history, finals.iloc[:0], arms)
    assert sentence.startswith("No run finished, so there is nothing to compare")
    assert sentence.endswith("(1 run of 'plain', 1 run of 'half' did not finish and are left out).")
    finals.loc[1, "test_loss"] = nan
    sentences = conclude(history, finals, arms)
    assert sentences[0].startswith("No seed finished in both 'plain' and another arm")
    assert "(1 run of 'half' did not finish and is left out)" in sentences[0]


def test_one_arm_has_nothing_to_be_compared_with():
    sentences = conclude(*study({"plain": {0: 0.98}}))
    assert sentences[0] == "On the test set 'plain' reaches 98.00%."
    assert not any("seed" in sentence for sentence in sentences)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text(max_size=30),
        st.dictionaries(st.integers(0, 7), st.floats(0, 1) | st.just(nan), max_size=7),
        min_size=1,
        max_size=9,
    ),
    st.booleans(),
)
def test_any_study_gets_at_most_four_whole_sentences(accuracies, watches_test):
    sentences = conclude(*study(accuracies), watches_test=watches_test)
    assert 1 <= len(sentences) <= 4
    for sentence in sentences:
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert not re.search(r"\bnan\b|-0\.00 ", re.sub(r"'.*?'", "", sentence)) or "'" in "".join(accuracies)


def test_table_and_cells():
    summaries = stats.summarise(notebook_history(), notebook_finals(), ARMS)
    table = report.summary_table(summaries)
    assert table["arm"].to_list() == ["no dropout", "dropout 0.8"]
    assert table["keras_gap"].to_list() == pytest.approx([0.0136, -0.0287])
    assert table["best_epoch"].to_list() == [4, 20]
    cells = report.summary_cells(summaries)
    assert list(cells.columns) == [
        "arm",
        "test accuracy",
        "Keras' running training accuracy",
        "clean training accuracy",
        "artefact (points)",
        "true gap (points)",
        "best epoch",
        "last epoch",
    ]
    assert cells.iloc[1].to_list() == [
        "dropout 0.8",
        "97.37%",
        "94.50%",
        "98.03%",
        "-3.53",
        "+0.66",
        "20",
        "20",
    ]


def test_cells_of_several_seeds_and_of_none():
    history = many_seeds(ARMS, 3)
    history.loc[(history["seed"] == 1) & (history["epoch"] == 6), "val_loss"] = 0.01
    cells = report.summary_cells(stats.summarise(history, finals_of(history, ARMS), ARMS))
    assert re.fullmatch(r"98\.\d\d% \(SD 0\.\d\d\)", cells["test accuracy"][0])
    assert cells["best epoch"][0] == "4 (4 to 6)"
    none = pd.DataFrame([], columns=notebook_finals().columns)  # as untyped as an empty store gives it
    empty = report.summary_cells(stats.summarise(history, none, ARMS))
    assert stats.compare(none, ARMS)[0].n == 0
    assert set(empty.iloc[0].to_list()[1:]) == {"-"}


def write(folder, history, finals, arms, **changes):
    return write_report(source_of(folder, history, finals, arms, **changes), folder)


def test_a_report_is_a_page_figures_tables_and_conclusion(tmp_path):
    folder = tmp_path / "new" / "report"
    paths = write(folder, notebook_history(), notebook_finals(), ARMS, fallback=True)
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert names[0] == "report.html"
    assert names[-1] == "conclusion.txt"
    figures = {name.removeprefix("figures/").rpartition(".") for name in names if name.startswith("figures/")}
    assert {kind for _, _, kind in figures} == {"png", "svg", "pdf", "csv"}
    assert {stem for stem, _, _ in figures} == {
        "difference",
        "gap",
        "losses",
        "seeds",
        "side_by_side",
        "test_data_dropout-0.8",
        "test_data_no-dropout",
        "training_data_dropout-0.8",
        "training_data_no-dropout",
    }
    assert {name for name in names if "/" not in name} == {
        "report.html",
        "history.csv",
        "runs.csv",
        "summary.csv",
        "conclusion.txt",
    }
    assert all(path.stat().st_size > 0 for path in paths)
    assert {p for p in folder.rglob("*") if p.is_file()} == set(paths)
    written = pd.read_csv(folder / "history.csv")[list(notebook_history().columns)]
    pd.testing.assert_frame_equal(written, notebook_history())
    summary = pd.read_csv(folder / "summary.csv")
    assert summary["test_accuracy"].to_list() == [0.9849, 0.9737]
    conclusion = (folder / "conclusion.txt").read_text(encoding="utf-8")
    assert STAND_IN in conclusion
    assert "1 paired seed" in conclusion
    assert STAND_IN in (folder / "figures/side_by_side.svg").read_text("utf-8")
    assert STAND_IN in (folder / "report.html").read_text("utf-8")


def test_a_figures_csv_holds_what_the_figure_draws(tmp_path):
    history = many_seeds(ARMS, 3)
    write(tmp_path, history, finals_of(history, ARMS), ARMS)
    gap = pd.read_csv(tmp_path / "figures/gap.csv")
    last = history[history["epoch"] == 20].groupby("arm")["accuracy"].mean()
    assert gap.set_index("arm")["running"].to_dict() == pytest.approx((100 * last).to_dict())
    pairs = pd.read_csv(tmp_path / "figures/seeds.csv")
    finals = finals_of(history, ARMS).set_index(["arm", "seed"])["test_accuracy"]
    assert pairs["after"].to_list() == pytest.approx([100 * finals["dropout 0.8", seed] for seed in range(3)])


def test_arm_names_cannot_leave_the_folder_or_meet_in_one_file(tmp_path):
    names = ["../x", "..\\X", "n" * 300, "中🙂", "a,\"b\"\n'c'"]
    arms = [Arm(name, i / 10) for i, name in enumerate(names)]
    history = many_seeds(arms, 1, epochs=2)
    folder = tmp_path / "report"
    paths = write(folder, history, finals_of(history, arms), arms, watches_test=False)
    assert len({path.name.lower() for path in paths}) == len(paths)
    assert len([path for path in paths if "_data_" in path.name]) == 2 * 4 * MOST_NOTEBOOK_ARMS
    assert [p.name for p in tmp_path.iterdir()] == ["report"]
    assert all(re.fullmatch(r"[a-z0-9._-]{1,80}", path.name) for path in paths)
    back = pd.read_csv(folder / "history.csv")
    assert set(back["arm"]) == set(names)


@given(st.lists(st.text(max_size=60), max_size=8))
def test_file_stems_are_safe_and_unlike(names):
    stems = report.file_stems(names)
    assert len(set(stems)) == len(stems) == len(names)
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,44}", stem)
        assert ".." not in stem


def test_file_stems_stay_readable_and_do_not_change_between_runs():
    names = ["no dropout", "dropout 0.8", "Dropout 0.8", "a-2", "a", "A", "é"]
    stems = ["no-dropout", "dropout-0.8", "dropout-0.8-2", "a-2", "a", "a-3", "e"]
    assert report.file_stems(names) == stems


def test_a_diverged_arm_is_reported(tmp_path):
    history, finals = notebook_history(), notebook_finals()
    history.loc[history["arm"] == "dropout 0.8", ["loss", "val_loss", "clean_loss"]] = nan
    finals.loc[1, "test_loss"] = nan
    write(tmp_path, history, finals, ARMS)
    assert "'dropout 0.8', seed 0 diverged" in (tmp_path / "report.html").read_text("utf-8").replace(
        "&#39;", "'"
    )
    assert pd.read_csv(tmp_path / "summary.csv")["unfinished"].to_list() == [0, 1]


def test_pictures_are_drawn_from_finished_runs_and_an_arm_without_any_has_no_figures_of_its_own(
    tmp_path, monkeypatch
):
    history = many_seeds(ARMS, 2)
    finals = finals_of(history, ARMS).query("seed == 0")
    seen = []
    real = charts.side_by_side

    def watch(history, arms, **rest):
        seen.append(set(history["seed"]))
        return real(history, arms, **rest)

    monkeypatch.setattr(charts, "side_by_side", watch)
    paths = write(tmp_path, history, finals, (*ARMS, Arm("late", 0.5)))
    assert seen == [{0}]
    assert not [path for path in paths if "late" in path.name]
    assert "late" in (tmp_path / "figures/side_by_side.svg").read_text("utf-8")
    assert set(pd.read_csv(tmp_path / "history.csv")["seed"]) == {0, 1}


def test_the_script_that_draws_is_kept_and_gathered_again_where_it_was_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path))
    vega.cache_clear()
    code = vega()
    (kept,) = tmp_path.glob("vega-*.js")
    monkeypatch.setattr(vl_convert, "javascript_bundle", None)
    vega.cache_clear()
    assert vega() == code
    monkeypatch.undo()
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path))
    kept.write_text(kept.read_text(encoding="utf-8").replace("vegaEmbed", "evil"), encoding="utf-8")
    vega.cache_clear()
    assert vega() == code
    vega.cache_clear()
