"""Seeds until a verdict is decided: the looks, the error under repeated looking, the whole command; and confirming."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

import random_results
from dropstudy import Callback, Study
from dropstudy.analysis.confirm import FIRST_FRESH, nothing_decided
from dropstudy.analysis.sequential import looks, more_seeds, until_decided
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.errors import InvalidArgument
from dropstudy.report.sections.verdict import verdict as section
from dropstudy.report.write import conclusion
from dropstudy.runtime import local
from dropstudy.runtime.removal import remove_study
from dropstudy.store.directory import SEED_COUNTS, confirmations, read_metadata
from dropstudy.store.store import Store
from expected import Analysis
from fake_training import Recorder
from verdicts import accuracies_of, around, flat, predictions_of, rates, verdict_of

BUDGET = 16


@given(st.integers(1, 60), st.integers(6, 200))
def test_looks_grow_up_to_the_budget(have, most):
    counts = list(looks(have, most))
    assert counts[0] == max(have, 6)
    assert all(later > earlier for earlier, later in pairwise(counts))
    assert counts[-1] == max(most, counts[0])


@given(
    st.lists(st.integers(0, 50), unique=True, max_size=5),
    st.integers(0, 9),
    st.lists(st.integers(0, 99), max_size=4),
)
def test_seeds_that_are_added_are_new(seeds, more, unlike):
    grown = more_seeds(tuple(seeds), len(seeds) + more, unlike=tuple(unlike))
    assert grown[: len(seeds)] == tuple(seeds)
    assert len(set(grown)) == len(seeds) + more
    assert not set(grown[len(seeds) :]) & set(unlike)


def ends(rng, effect, *, arms=1, margin=0.01):
    """End of a simulated study with looks until it is decided: its decision and number of seeds."""
    x = rng.normal(effect, 1, (BUDGET, arms))
    for n in looks(6, BUDGET):
        decisions = {test.decision for test in arm_tests(x[:n], margin=margin, always_valid=True)}
        if decisions & {"helps", "hurts"} or decisions == {"equivalent"}:
            break
    return decisions, n


@pytest.mark.slow
def test_without_an_effect_looking_again_and_again_stays_within_its_error():
    """And one look after the other with a rule made for one does not, so that the test can tell."""
    rng = np.random.default_rng(11)
    studies = 300
    false = sum(bool({"helps", "hurts"} & ends(rng, 0, arms=2)[0]) for _ in range(studies))
    assert reference.binomtest(false, studies, 0.05, alternative="greater").pvalue > 0.01
    naive = 0
    for _ in range(studies):
        x = rng.normal(size=BUDGET)
        naive += any(reference.ttest_1samp(x[:n], 0).pvalue < 0.05 for n in looks(6, BUDGET))
    assert reference.binomtest(naive, studies, 0.05, alternative="greater").pvalue < 1e-6


def test_an_effect_is_found_and_a_large_one_sooner():
    rng = np.random.default_rng(12)
    middling, large = ([ends(rng, effect) for _ in range(60)] for effect in (1.0, 2.0))
    assert all(decisions == {"helps"} for decisions, _ in large)
    assert np.mean([decisions == {"helps"} for decisions, _ in middling]) > 0.6
    assert np.mean([n for _, n in large]) < np.mean([n for _, n in middling]) < BUDGET


def test_no_effect_is_called_equivalent_where_the_margin_is_wide():
    rng = np.random.default_rng(13)
    found = [ends(rng, 0, margin=1.5)[0] for _ in range(60)]
    assert np.mean([decisions == {"equivalent"} for decisions in found]) > 0.9


def test_training_stops_once_decided_and_each_look_is_printed():
    arms, notices, seen = rates(0, 0.5), [], []

    def look(seeds):
        seen.append(len(seeds))
        rng = np.random.default_rng(0)
        points = rng.normal(0.5, 0.7, 50)[: len(seeds)]
        accuracies = {
            "no dropout": dict.fromkeys(seeds, 0.98),
            "dropout 0.5": {seed: 0.98 + points[i] / 100 for i, seed in enumerate(seeds)},
        }
        return verdict_of(arms, accuracies, looks=tuple(seen), most_seeds=40)

    verdict = until_decided((0,), 40, look, notices.append)
    assert verdict.decision == "helps"
    assert seen[0] == 6
    assert 6 < seen[-1] < 40
    assert [line.split(" ")[0] for line in notices] == [str(n) for n in seen]
    assert notices[0] == "6 seeds: Undecided."  # a round is a short line
    assert all(len(line) < 80 for line in notices)
    assert Analysis.UNTIL_DECIDED.format(40) in str(verdict)
    valid = verdict.conditions[0].comparisons[0].anytime
    assert f"always-valid 95% interval over seeds {valid.low:+.2f} to {valid.high:+.2f}" in verdict.headline
    assert valid.low > 0
    with pytest.raises(InvalidArgument, match="max_seeds"):
        until_decided((0,), 5, look, notices.append)


def test_seeds_are_not_added_where_test_examples_are_missing():
    """Every seed loses the same example of 40 and another one at times: 40 cannot tell that from nothing."""

    def wrong(arm, seed):
        return (
            (0, 1 + seed) if arm == "dropout 0.5" and seed % 3 == 0 else (0,) if arm == "dropout 0.5" else ()
        )

    notices, seen = [], []

    def look(seeds):
        seen.append(len(seeds))
        return verdict_of(
            rates(0, 0.5),
            accuracies_of(wrong, 40, len(seeds)),
            predictions=predictions_of(wrong),
            looks=tuple(seen),
            most_seeds=40,
        )

    verdict = until_decided((0,), 40, look, notices.append)
    assert seen == [6]
    assert verdict.conditions[0].comparisons[0].decision == "undecided"
    assert re.search(r"No more seeds are added: .* test examples instead of 40, not more seeds", notices[-1])


def test_seeds_are_not_added_if_the_budget_cannot_decide():
    notices, seen = [], []

    def look(seeds):
        seen.append(len(seeds))
        accuracies = {"no dropout": flat(len(seeds)), "dropout 0.5": around(0.05, len(seeds), spread=4)}
        return verdict_of(rates(0, 0.5), accuracies, looks=tuple(seen), most_seeds=40)

    assert until_decided((0,), 40, look, notices.append).decision == "undecided"
    assert seen == [6]
    assert "more than the 40 allowed (--max-seeds)" in notices[-1]


@pytest.fixture
def learning(monkeypatch):
    """Let runs learn by a rule in place of training."""

    def start(effect):
        random_results.replace_workers(monkeypatch)
        monkeypatch.setattr(local, "train", random_results.learned(effect))

    return start


def small(where, **more):
    """A small study on the digits, with validation data."""
    settings = {"rates": [0, 0.5], "validation_split": 300, "hidden": [4], **more}
    return Study("notebook", out=where, data="digits", epochs=2, **settings)


class AtOnce(Callback):
    """Interrupts a study before it trains."""

    def on_train_begin(self, *_):
        raise KeyboardInterrupt


@pytest.mark.parametrize(("finished", "looked"), [(0, False), (5, False), (6, True), (9, True)])
def test_seeds_added_after_an_interrupt_count_as_a_look_where_there_was_a_verdict(
    tmp_path, learning, finished, looked
):
    learning(effect=0.004)
    study = small(tmp_path / "s", seeds=12).run(workers=1, verbose=False)
    with Store(study.folder, write=True) as store:  # as an interrupt leaves it
        store.restart(run for run in store.runs() if run.seed >= finished)
    with pytest.raises(KeyboardInterrupt):
        small(study.folder, seeds=14).run(workers=1, callbacks=AtOnce(), verbose=False)
    grown, alone = (
        small(tmp_path / name, seeds=16).run(workers=1, verbose=False).verdict() for name in ("s", "alone")
    )
    assert (grown.anytime, alone.anytime) == (looked, False)
    assert ("after a first verdict" in str(grown)) == looked
    assert looked or str(grown) == str(alone)


def test_a_number_of_seeds_that_was_seen_stays_a_look_after_seeds_are_removed_and_added(tmp_path, learning):
    learning(effect=0.004)
    study = small(tmp_path / "s", seeds=8).run(workers=1, verbose=False)
    study.remove(seeds=[0, 1, 2])  # 5 are left, too few for a verdict
    again = small(study.folder, seeds=[*range(3, 11)]).run(workers=1, verbose=False)
    assert read_metadata(study.folder)[SEED_COUNTS] == [8, 8]
    assert again.verdict().anytime


def test_a_study_grows_until_decided_and_records_its_looks(tmp_path, learning):
    learning(effect=0.004)
    study, shown = small(tmp_path / "s"), Recorder()
    verdict = study.run_until_decided(max_seeds=40, callbacks=shown, verbose=False)
    assert verdict.decision == "helps"
    assert verdict.anytime
    rounds = shown.notices[shown.notices.index("6 seeds: Undecided.") :]
    assert not [line for line in rounds if "Network" in line or "grows" in line]  # said in the first round
    assert sum("Network" in line for line in shown.notices) == 1
    assert 6 <= len(study.spec.seeds) <= 40
    again = Study.open(tmp_path / "s")
    assert again.verdict().anytime
    assert again.verdict().to_dict() == verdict.to_dict()
    trained = len(study.spec.seeds)
    assert (
        len(small(tmp_path / "s", seeds=trained).run_until_decided(max_seeds=40).conditions[0].arms[0].seeds)
        == trained
    )


def test_a_study_to_which_seeds_are_added_by_hand_allows_for_the_first_look(tmp_path, learning):
    learning(effect=0.0)
    study = small(tmp_path / "s", seeds=6).run()
    assert not study.verdict().anytime
    grown = small(tmp_path / "s", seeds=8).run()
    assert grown.verdict().anytime
    assert Analysis.GROWN.format("6, then 8") in str(grown.verdict())
    # Fewer than a verdict takes are no look.
    assert not small(tmp_path / "t", seeds=2).run().verdict().anytime
    assert not small(tmp_path / "t", seeds=9).run().verdict().anytime


def test_the_chosen_arm_is_confirmed_on_fresh_seeds(tmp_path, learning):
    learning(effect=0.01)
    study = small(tmp_path / "s", rates=[0, 0.2, 0.5], seeds=7).run()
    first = study.verdict()
    assert first.chosen == "dropout 0.5"
    shown = Recorder()
    verdict = study.confirm(callbacks=shown, verbose=False)
    (fresh,) = verdict.confirmations
    (path,) = confirmations(tmp_path / "s")
    # The data stood above.
    assert shown.notices == [f"Confirmation: 2 arms on 7 fresh seeds; study in {path}"]
    with Store(path) as store:
        seeds = {run.seed for run in store.runs()}
        arms = {run.arm.name for run in store.runs()}
    assert seeds == set(range(FIRST_FRESH, FIRST_FRESH + 7))
    assert arms == {"no dropout", "dropout 0.5"}
    (comparison,) = fresh.conditions[0].comparisons
    assert comparison.seeds == tuple(range(FIRST_FRESH, FIRST_FRESH + 7))
    assert verdict.headline.endswith(
        f"Confirmed on 7 fresh seeds, same test examples: helps, {comparison.difference.value:+.2f} percentage points "
        f"({comparison.difference.low:+.2f} to {comparison.difference.high:+.2f})."
    )
    assert "Confirmed on 7 fresh seeds, same test examples: Dropout at rate 0.5" in str(verdict)
    answer = study.results().snapshot.answer
    assert "Confirmed on 7 fresh seeds" in answer.sure
    assert not any("--confirm" in step.command for step in answer.steps)
    estimates = {c.arm: c.difference.value for c in first.conditions[0].comparisons}
    assert f"The study's own estimate is {estimates['dropout 0.5']:+.2f} points" in str(verdict)
    before = (path / "study.db").stat().st_mtime_ns
    study.confirm()  # nothing is missing
    assert (path / "study.db").stat().st_mtime_ns == before
    grown = Study(tmp_path / "s", seeds=20)
    assert not seeds & set(grown.spec.seeds)  # or else those that confirm would have a part in choosing


def test_every_output_has_the_recorded_confirmation(tmp_path, learning):
    learning(effect=0.01)
    study = small(tmp_path / "s", seeds=6, margin=0.01).run()
    before = study.results().snapshot
    learning(effect=-0.01)  # as if luck had chosen the arm
    verdict = study.confirm()
    assert verdict.decision == "helps"
    assert "Not confirmed on 6 fresh seeds, same test examples: hurts" in verdict.headline
    now = study.results().snapshot
    assert now.state != before.state
    page = section(now)
    assert page.head.lines == now.answer.lines
    assert page.head.lines[0][1].startswith("Doubtful")
    (figure,) = page.blocks
    assert figure.table["arm"].to_list() == ["dropout 0.5", "dropout 0.5, fresh seeds"]
    fresh = verdict.confirmations[0].conditions[0].comparisons[0].difference
    assert figure.table["mean"].to_list()[1] == fresh.value
    assert conclusion(now).count(verdict.headline) == 1


def test_a_confirmation_of_an_arm_no_longer_chosen_does_not_count(tmp_path, learning):
    learning(effect=0.01)
    study = small(tmp_path / "s", rates=[0, 0.2], seeds=6).run()
    study.confirm()
    verdict = small(tmp_path / "s", rates=[0, 0.2, 0.5], seeds=6).run().verdict()
    assert verdict.chosen == "dropout 0.5"
    assert Analysis.NOT_CHOSEN_NOW.format("dropout 0.2") in verdict.headline
    steps = Study.open(tmp_path / "s").results().snapshot.answer.steps
    assert any(step.command.endswith("--confirm") for step in steps)
    notices = []
    until_decided(tuple(range(6)), 8, lambda _: verdict, notices.append)
    assert "Not confirmed" not in " ".join(notices)  # which no look changes
    # To confirm once more trains the arm chosen now, in a folder of its own, and leaves the first one as it is.
    before = (tmp_path / "s" / "confirmation" / "study.db").stat().st_mtime_ns
    verdict = small(tmp_path / "s", rates=[0, 0.2, 0.5], seeds=6).confirm()
    assert "Confirmed on 6 fresh seeds, same test examples: helps" in verdict.headline
    assert "Not confirmed" not in str(verdict)
    confirmed = [confirmation.conditions[0].comparisons[0].arm for confirmation in verdict.confirmations]
    assert confirmed == ["dropout 0.2", "dropout 0.5"]
    places = confirmations(tmp_path / "s")
    times = [(path / "study.db").stat().st_mtime_ns for path in places]
    assert times[0] == before
    small(tmp_path / "s", rates=[0, 0.2, 0.5], seeds=6).confirm()  # nothing is missing
    assert confirmations(tmp_path / "s") == places
    assert [(path / "study.db").stat().st_mtime_ns for path in places] == times
    assert remove_study(tmp_path / "s") == []
    assert not (tmp_path / "s").exists()


def test_a_second_network_is_confirmed_beside_a_first_one_that_was_alone(tmp_path, learning):
    learning(effect=0.01)
    small(tmp_path / "s", rates=[0, 0.5], seeds=6).run().confirm()
    study = small(tmp_path / "s", rates=[0, 0.5], seeds=6, hidden=[[4], [6]])
    verdict = study.run().confirm()
    assert len(confirmations(tmp_path / "s")) == len(verdict.confirmations) == 2
    assert "On fresh seeds, same test examples: confirmed in 2 of 2." in verdict.headline


def test_an_invalid_margin_is_refused_before_training(tmp_path, learning):
    learning(effect=0.0)
    for margin in (0, -0.1, float("nan"), float("inf")):
        with pytest.raises(InvalidArgument, match=r"margin.*above 0"):
            small(tmp_path / "s", margin=margin).run_until_decided()
    assert not (tmp_path / "s").exists()


def test_the_margin_is_stored_and_a_later_change_is_reported(tmp_path, learning):
    learning(effect=0.0)
    study = small(tmp_path / "s", seeds=6, rates=[0, 0.2]).run()
    study.confirm()
    assert study.verdict().margin == 0.1
    files = [path for path in tmp_path.rglob("*.safetensors") if path.stat()]
    times = {path: path.stat().st_mtime_ns for path in files}
    small(tmp_path / "s", seeds=6, rates=[0, 0.2], margin=2).run()
    # Nothing is trained.
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == times
    opened = Study.open(tmp_path / "s")
    assert opened.spec.margin == 2
    verdict = opened.verdict()
    assert (verdict.margin, verdict.earlier_margins) == (2, (0.1,))
    assert Analysis.MARGIN_CHANGED.format("0.1", "2") in str(verdict)
    (path,) = confirmations(tmp_path / "s")
    assert Study.open(path).verdict().margin == verdict.confirmations[0].margin == 2
    # A request without a margin keeps the stored one; an open margin may be set until training.
    assert small(tmp_path / "s", seeds=7, rates=[0, 0.2]).run().verdict().margin == 2
    fresh = small(tmp_path / "t", margin=0.5).run()
    assert (fresh.verdict().margin, fresh.verdict().earlier_margins) == (0.5, ())


def test_another_metric_trains_nothing_and_is_disclosed(tmp_path, learning):
    """Accuracy rises with the rate and AUC falls, so that the two metrics decide differently."""
    learning(effect=0.01)
    study = small(tmp_path / "s", seeds=6, rates=[0, 0.5]).run()
    study.confirm()
    first = study.verdict()
    assert (first.metric, first.decision, first.earlier_metrics) == ("accuracy", "helps", ())
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    study = small(tmp_path / "s", seeds=6, rates=[0, 0.5], metric="auc").run()
    verdict = study.verdict()
    assert (verdict.metric, verdict.decision, verdict.margin) == ("auc", "hurts", 0.001)
    assert (verdict.earlier_metrics, verdict.earlier_margins) == (("accuracy",), ())
    assert Analysis.METRIC_CHANGED.format("accuracy", "AUC") in verdict.disclosures[0]
    assert [fresh.metric for fresh in verdict.confirmations] == ["auc"]
    # A request without a metric keeps it; back again, all that was tried is told.
    assert small(tmp_path / "s", seeds=6, rates=[0, 0.5]).run().verdict().metric == "auc"
    back = small(tmp_path / "s", seeds=6, rates=[0, 0.5], metric="accuracy", margin=0.2).run().verdict()
    assert back.decision == "helps"
    assert (back.earlier_metrics, back.earlier_margins) == (("accuracy", "auc"), (0.1,))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == times


def test_a_metric_is_recorded_before_training_without_a_disclosure(tmp_path, learning):
    learning(effect=0.01)
    study = small(tmp_path / "s", seeds=6, rates=[0, 0.5], metric="auc").run()
    assert (study.verdict().decision, study.verdict().disclosures) == ("hurts", ())
    assert Study.open(tmp_path / "s").spec.metric == "auc"
    with pytest.raises(InvalidArgument, match=r"margin: expected at most 0.5 for the metric auc, received 1"):
        small(tmp_path / "s", seeds=6, rates=[0, 0.5], margin=1)


@pytest.mark.parametrize("effect", [0.01, -0.01])
@pytest.mark.parametrize("validation", ["test", 0.2])
def test_the_only_arm_is_confirmed_whether_it_was_chosen_or_the_baseline(
    tmp_path, learning, effect, validation
):
    learning(effect=effect)
    verdict = small(tmp_path / "s", rates=[0, 0.5], seeds=6, validation_split=validation).run().confirm()
    (fresh,) = verdict.confirmations
    assert [comparison.arm for comparison in fresh.conditions[0].comparisons] == ["dropout 0.5"]
    assert "onfirmed on 6 fresh seeds" in verdict.headline
    assert nothing_decided(verdict, ()) == ""


def test_an_arm_that_was_not_chosen_is_not_confirmed(tmp_path, learning):
    learning(effect=-0.01)
    study = small(tmp_path / "s", rates=[0, 0.2, 0.5], seeds=6).run()
    with pytest.raises(InvalidArgument, match="chose the baseline"):
        study.confirm()
    watched = small(tmp_path / "t", rates=[0, 0.2, 0.5], seeds=6, validation_split="test").run()
    with pytest.raises(InvalidArgument, match="evaluated the test set"):
        watched.confirm()
    with pytest.raises(InvalidArgument, match="fewer than 6 paired seeds"):
        small(tmp_path / "u", seeds=2).run().confirm()
