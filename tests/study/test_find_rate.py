"""A budget of runs that searches the best rate: its plan, its limits, and the same end after a kill."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given as given_cases
from hypothesis import settings
from hypothesis import strategies as st

import fast_command
import training_functions as given
from dropstudy import Study
from dropstudy.analysis.confirm import FIRST_FRESH
from dropstudy.analysis.find_rate import (
    START,
    START_SEEDS,
    arm_means,
    least_runs,
    next_round,
    refuse_to_find_rate,
    runs_left,
    search_runs,
)
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.labels import condition_label
from dropstudy.analysis.verdict.tables import answer_cells
from dropstudy.errors import InvalidArgument
from dropstudy.report.title import about
from dropstudy.spec.study_file import read_spec
from dropstudy.store.directory import confirmations
from dropstudy.store.store import Store
from fake_training import make_runs
from verdicts import around, flat, rates, verdict_of


def search(truth, budget, *, rng, noise=0.15, start=START):
    """Search in made-up scores: the rates, their seeds, and the table at the end."""
    rates, counts = list(start), [START_SEEDS] * len(start)
    shared, own, used = rng.normal(0, noise / 2, 400), {}, START_SEEDS * len(start)

    def table():
        values = np.full((max(counts), len(rates)), np.nan)
        for place, (rate, count) in enumerate(zip(rates, counts, strict=True)):
            each = own.setdefault(rate, rng.normal(truth(rate), noise, 400))
            values[:count, place] = (each + shared)[:count]
        return values

    while (found := next_round(rates, counts, table(), search_runs(budget) - used, draws=300)) is not None:
        before = sum(counts)
        counts = [found.seeds if place in found.racing else count for place, count in enumerate(counts)]
        if found.new is not None:
            rates, counts = [*rates, found.new], [*counts, found.seeds]
        assert sum(counts) - before == found.runs > 0
        used += found.runs
    return rates, counts, table()


@settings(max_examples=40, deadline=None)
@given_cases(
    st.integers(2, 7).flatmap(
        lambda k: st.tuples(st.just(k), st.integers(least_runs(k), least_runs(k) + 80))
    ),
    st.sampled_from([0.0, 0.3, 5.0]),
    st.integers(0, 10**6),
)
def test_a_search_stays_within_its_budget_and_ends_with_a_choice_that_can_be_confirmed(size, slope, seed):
    k, budget = size
    start = tuple(np.linspace(0, 0.8, k).round(2).tolist())
    rates, counts, _ = search(
        lambda r: -slope * abs(r - 0.3), budget, rng=np.random.default_rng(seed), start=start
    )
    assert sum(counts) <= search_runs(budget)
    assert budget - sum(counts) >= 12
    racing = [count for count in counts if count == max(counts)]
    assert len(racing) > 1
    assert max(counts) >= 6
    assert counts[0] == max(counts)
    assert len(set(rates)) == len(rates)
    assert all(0 <= rate < 1 for rate in rates)


def test_rates_that_are_far_worse_stop_at_once_and_close_ones_go_on():
    rates, counts, _ = search(lambda r: -10 * max(0, r - 0.4), 90, rng=np.random.default_rng(1))
    seeds = dict(zip(rates, counts, strict=True))
    assert seeds[0.8] == seeds[0.6] == START_SEEDS
    assert seeds[0.0] == max(counts) > 10


def test_a_peak_between_the_rates_is_tried():
    rates, _, _ = search(lambda r: -4 * abs(r - 0.3), 90, rng=np.random.default_rng(2))
    assert min(abs(rate - 0.3) for rate in rates) < 0.06


def test_a_peak_above_the_highest_rate_is_tried():
    rates, _, _ = search(lambda r: r, 90, rng=np.random.default_rng(3))
    assert max(rates) > 0.8


def test_means_of_a_table_with_gaps_are_those_of_its_differences():
    """A rate that was stopped on easy seeds is no better for it: least squares, by hand for a table of four numbers."""
    values = np.array([[1.0, 2.0], [5.0, np.nan], [9.0, np.nan]])
    low, high = arm_means(values)
    assert high - low == pytest.approx(1.0)


def test_the_best_rate_is_stopped_in_at_most_5_percent_of_searches():
    stopped, studies = 0, 150
    for seed in range(studies):
        rates, counts, _ = search(lambda r: -0.15 * abs(r - 0.4), 90, rng=np.random.default_rng(seed))
        stopped += counts[rates.index(0.4)] < max(counts)
    assert stopped <= 0.05 * studies


SMALL = {"data": "digits", "hidden": [16], "epochs": 1}


@pytest.mark.parametrize(
    ("settings", "runs", "words"),
    [
        ({"validation_split": "test"}, 60, "validation_split=0.15"),
        ({}, 44, "45 runs or more"),
        ({}, 0, "45 runs or more"),
        ({}, True, "45 runs or more"),
        ({"rates": [0, 0.5]}, 35, "36 runs or more.*12 at least.*find_rate=36.\\.$"),
        ({"hidden": [[16], [8]]}, 60, "one network"),
        ({"train_sizes": [100, 200]}, 60, "one network"),
        ({"arms": [{"rate": 0}, {"rate": 0.5, "max_norm": 3}]}, 60, "max norm"),
        ({"rates": [0.5]}, 60, "one arm"),
    ],
)
def test_a_search_that_cannot_end_in_an_answer_is_refused(tmp_path, settings, runs, words):
    study = Study("tune", out=tmp_path / "study", **{**SMALL, **settings})
    with pytest.raises(InvalidArgument, match=words):
        study.find_rate(runs, verbose=False)
    assert not (tmp_path / "study").exists()


def test_the_least_budget_is_accepted():
    spec = read_spec("tune", {"rates": list(START)})
    assert refuse_to_find_rate(spec, least_runs(5), seeds=3, searching=False) == 45


COMMAND = ("run", "tune", "--data", "digits", "--hidden", "16", "--epochs", "4", "--find-rate", "50")


def state(folder):
    """Runs of a study and its confirmations, with their scores."""
    found = []
    for place in (folder, *confirmations(folder)):
        snapshot = Study.open(place).results().snapshot
        columns = ["arm", "seed", "test_accuracy", "test_loss"]
        found += snapshot.finals[columns].sort_values(["arm", "seed"]).values.tolist()
        assert len(snapshot.finals) == len(snapshot.runs)
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "study"
    done = fast_command.run(*COMMAND, "--out", folder)
    assert done.code == 0, done.err
    return folder, done


def test_the_answer_of_a_search_is_that_of_its_fresh_seeds(uninterrupted):
    folder, done = uninterrupted
    study, fresh = Study.open(folder), Study.open(confirmations(folder)[-1])
    assert study.answer().helps == fresh.answer().helps
    assert study.answer().sure.startswith(fresh.answer().sure)
    assert study.answer().helps in done.out
    assert {run.seed for run in fresh.results().snapshot.runs}.isdisjoint(study.spec.seeds)


def test_programs_read_the_answer_of_the_fresh_seeds_too(uninterrupted):
    folder, _ = uninterrupted
    told = json.loads(fast_command.run("show", folder, "--json").out)
    fresh = Study.open(confirmations(folder)[-1]).verdict()
    assert told["decision"] == fresh.decision
    assert told["label"] == fresh.label
    assert told["headline"] == told["sentences"][0] == f"On fresh seeds: {fresh.headline}"
    assert Study.open(folder).verdict().decision == fresh.decision


def test_the_page_counts_the_seeds_of_each_rate():
    runs = (*make_runs("no dropout", seeds=range(9)), *make_runs("dropout 0.8", seeds=range(3)))
    facts = {"conditions": [("2", 10)], "runs": runs, "has_own_data": False, "arms": [0, 0.8], "finals": runs}
    assert about(SimpleNamespace(**facts, spec=read_spec("tune"))) == (
        "10 training examples · 2 arms · 3 to 9 seeds · 20 epochs · 12 of 12 runs finished"
    )


def test_a_finished_search_says_so_and_trains_nothing(uninterrupted):
    folder, done = uninterrupted
    before = state(folder)
    again = fast_command.run(*COMMAND, "--out", folder)
    assert "Search ends" in done.out
    assert "Search ends" not in again.out
    assert again.out.startswith(f"This search is finished; nothing to train. {folder}")
    assert state(folder) == before


def test_a_larger_budget_goes_on_and_its_answer_is_that_of_the_arm_chosen_then(uninterrupted, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(uninterrupted[0], folder)
    before = len(state(folder))
    done = fast_command.run(*COMMAND[:-1], "90", "--out", folder)
    assert done.code == 0, done.err
    runs = state(folder)
    assert before < len(runs) <= 90
    study = Study.open(folder)
    verdict, answer = study.verdict(), study.answer()
    fresh = [v for v in verdict.confirmations if v.conditions[0].comparisons[0].arm == verdict.chosen]
    assert verdict.decision == fresh[-1].decision
    assert fresh[-1].conditions[0].comparisons[0].n >= 6
    assert fresh[-1].anytime == (len(verdict.confirmations) == 1)  # seeds were added after a look at them
    assert any("90 runs at most" in sentence for sentence in verdict.disclosures)
    assert answer.helps in done.out


@given_cases(st.integers(36, 200), st.integers(0, 100), st.integers(0, 133))
def test_a_larger_budget_pays_for_the_fresh_seeds_before_and_a_verdict_after(first, more, used):
    used, budget = min(used, search_runs(first)), first + more
    fresh = 2 * ((first - used) // 2)
    left = max(0, runs_left(budget, used, fresh))
    assert used + left <= search_runs(budget) or not left
    assert used + left + fresh + 12 <= budget or not left
    assert runs_left(first, used, fresh) <= 0 or not fresh
    assert runs_left(first, used, 0) == search_runs(first) - used


def test_a_rate_that_the_search_stopped_is_called_so_and_why():
    arms = rates(0, 0.2, 0.8)
    scores = {"no dropout": flat(10), "dropout 0.2": around(0.1, 10), "dropout 0.8": around(-3, 3)}
    search = {"looks": (3, 10), "most_runs": 60, "stopped": frozenset({"dropout 0.8"})}
    verdict = verdict_of(arms, scores, **search)
    cells, _ = answer_cells(verdict)
    assert list(cells["verdict"]) == ["", "undecided", "stopped"]
    assert "'dropout 0.8' stopped by the search (-3.00 points)" in verdict.headline
    assert "too few" not in str(verdict)
    assert "A rate is stopped once validation data show another one to be better." in str(verdict)
    assert "1 was stopped by the search" in condition_label(verdict.conditions[0], Design(arms))
    # The same seeds without a search are too few.
    assert "too few seeds" in str(verdict_of(arms, scores, looks=(3, 10)))


def test_a_function_without_validation_scores_is_refused_with_what_to_do(tmp_path):
    study = Study(function=given.score, out=tmp_path / "s", rates=[0, 0.5], seeds=3)
    with pytest.raises(InvalidArgument, match="accuracy on validation data") as caught:
        study.find_rate(36, verbose=False)
    assert "val_accuracy" in str(caught.value)
    assert "find_rate" in str(caught.value)
    assert len(Study.open(tmp_path / "s").results().test_scores()) == 6  # they stay


def test_the_search_keeps_its_budget_and_fresh_seeds_are_fresh(uninterrupted):
    folder, done = uninterrupted
    runs = state(folder)
    assert len(runs) <= 50
    assert "get 5 seeds" in done.out
    with Store(folder) as store:
        seeds = {run.seed for run in store.runs()}
    assert max(seeds) < FIRST_FRESH
    for place in confirmations(folder):
        with Store(place) as store:
            fresh = {run.seed for run in store.runs()}
        assert min(fresh) >= FIRST_FRESH


def test_a_killed_search_goes_on_as_it_would_have(uninterrupted, tmp_path):
    folder, command = tmp_path / "study", (*COMMAND, "--out", tmp_path / "study")
    for until in ("get 5 seeds", "Run ", "fresh seeds"):  # in the first rounds, and in the confirmation
        with fast_command.started(*command, seconds=0.02) as process:
            for line in process.stdout:
                if until in line:
                    process.kill()
                    break
    assert fast_command.run(*command).code == 0
    assert state(folder) == state(uninterrupted[0])
