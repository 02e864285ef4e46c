"""The verdict on scores that others computed: a study's own, scipy's, and never more than a table of scores shows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference

import dropstudy
import random_results
from dropstudy import Study
from dropstudy.analysis.given_scores import assess_scores
from dropstudy.core.metrics import METRICS
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import local

N = 8


def scores(**effects):
    """Scores of N seeds of arms that differ from 0.95 by these effects, by chance and by seed."""
    rng = np.random.default_rng(3)
    seeds = 0.95 + 0.002 * rng.normal(size=N)
    return pd.concat(
        pd.DataFrame({"arm": arm, "seed": range(N), "score": seeds + effect + 0.0005 * rng.normal(size=N)})
        for arm, effect in effects.items()
    )


@pytest.fixture
def study(monkeypatch, tmp_path):
    """Train a study with made-up results: some rates help."""

    def train(**fields):
        random_results.replace_workers(monkeypatch)
        monkeypatch.setattr(local, "train", random_results.learned(0.003))
        more = {"data": "digits", "hidden": [2], "epochs": 2, "seeds": N, "rates": [0, 0.2, 0.5, 0.8]}
        made = Study("notebook", out=tmp_path / "study", **more, **fields)
        made.run(verbose=False)
        return made.results()

    return train


@pytest.mark.parametrize(
    ("split", "metric"),
    [
        (0.2, "accuracy"),
        pytest.param("test", "accuracy", marks=pytest.mark.slow),
        pytest.param("test", "auc", marks=pytest.mark.slow),
    ],
)
def test_scores_that_a_study_exports_have_its_verdict(split, metric, study, tmp_path):
    """All but what takes predictions, histories and other metrics."""
    results = study(validation_split=split, metric=metric)
    own, measure = results.verdict(), METRICS[metric]
    table = results.snapshot.finals[["arm", "seed", measure.column]]
    last = results.history_frame().groupby(["arm", "seed"], as_index=False).last()
    table = table.merge(last[["arm", "seed", "val_accuracy"]], on=["arm", "seed"])
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    validation = "val_accuracy" if split != "test" else None
    found = dropstudy.verdict(
        path,
        score_column=measure.column,
        validation_column=validation,
        metric=metric,
        test_examples=results.snapshot.metadata["n_test"],
    )

    def compared(verdict):
        (condition,) = verdict.conditions
        lacking = {"metrics": (), "new_data": None, "example_error": None}
        return [repr(replace(comparison, **lacking)) for comparison in condition.comparisons]

    assert compared(found) == compared(own)
    assert (found.decision, found.label) == (own.decision, own.label)
    assert (found.chosen, found.conditions[0].choice) == (own.chosen, own.conditions[0].choice)
    assert (own.chosen is None) == (split == "test")


def test_the_interval_of_two_arms_is_scipys_paired_t():
    table = scores(plain=0, better=0.004)
    (comparison,) = dropstudy.verdict(table).conditions[0].comparisons
    plain, better = (table.loc[table["arm"] == arm, "score"] for arm in ("plain", "better"))
    test = reference.ttest_rel(better, plain)
    ends = test.confidence_interval()
    assert (comparison.deciding.low, comparison.deciding.high) == pytest.approx(
        (100 * ends.low, 100 * ends.high)
    )
    flips = reference.permutation_test((better.to_numpy(), plain.to_numpy()), lambda x, y: (x - y).mean(),
                                       permutation_type="samples", n_resamples=np.inf)  # fmt: skip
    assert comparison.p_value == pytest.approx(flips.pvalue)
    assert comparison.decision == "helps"


def test_the_same_scores_give_one_verdict_in_either_unit_form_and_order():
    table = scores(plain=0, better=0.004, worse=-0.004)
    found = dropstudy.verdict(table).conditions[0].comparisons
    wide = table.pivot(index="seed", columns="arm", values="score")[["plain", "better", "worse"]]  # noqa: PD010
    for same in (wide, 100 * wide, table.sample(frac=1, random_state=1)):
        again = {c.arm: c for c in dropstudy.verdict(same, baseline="plain").conditions[0].comparisons}
        for comparison in found:
            assert again[comparison.arm].decision == comparison.decision
            assert again[comparison.arm].differences == pytest.approx(comparison.differences)


def test_nothing_is_chosen_without_validation_scores():
    table = scores(plain=0, better=0.004, best=0.006)
    assessed = assess_scores(table)
    verdict, answer = assessed.verdict, assessed.answer
    assert verdict.chosen is None
    assert "Without validation scores no arm may be chosen" in str(verdict)
    assert answer.rate == "None may be chosen here: there are no validation scores."
    with_validation = table.assign(val=table["score"] - 0.01)
    assessed = assess_scores(with_validation, validation_column="val")
    verdict, answer = assessed.verdict, assessed.answer
    assert verdict.chosen == "best"
    assert "Validation data chose 'best' among 3 arms" in answer.rate
    assert "no arm may be chosen" not in str(verdict)


def test_a_run_that_diverged_leaves_no_verdict_and_a_gap_leaves_its_pair_out():
    table = scores(plain=0, better=0.004)
    lost = (table["arm"] == "better") & (table["seed"] == 3)
    verdict = dropstudy.verdict(table.assign(score=table["score"].mask(lost)))
    assert verdict.decision == "diverged"
    assert "'better' diverged in 1 of 8 seeds" in verdict.headline
    verdict = dropstudy.verdict(table[~lost])
    assert verdict.decision == "helps"
    assert verdict.conditions[0].comparisons[0].seeds == (0, 1, 2, 4, 5, 6, 7)
    assert "Only seeds that an arm shares with 'plain' are compared: 'better' 7." in str(verdict)
    apart = table.assign(seed=range(len(table)))
    assert "'better' shares no seed with 'plain'" in str(dropstudy.verdict(apart))


@pytest.mark.parametrize("n", range(1, 6))
def test_below_six_seeds_there_is_no_verdict(n):
    table = scores(plain=0, better=0.004)
    assessed = assess_scores(table[table["seed"] < n])
    verdict, answer = assessed.verdict, assessed.answer
    assert verdict.decision == "too few seeds"
    assert answer.helps.startswith("Not known yet")
    assert "it needs 6 of each arm" in str(answer.steps[0])


def test_rates_are_known_by_the_name_of_their_column_or_of_the_arm():
    table = scores(**{"0.5": 0.004, "0": 0})
    assessed = assess_scores(table.rename(columns={"arm": "params.rate"}), arm_column="params.rate")
    verdict, answer = assessed.verdict, assessed.answer
    assert [arm.arm for arm in verdict.conditions[0].arms] == ["no dropout", "dropout 0.5"]
    assert answer.helps.startswith("Yes, on these test examples. Dropout at rate 0.5 raises test accuracy by")
    for column in ("arm", "params.learning_rate"):
        assessed = assess_scores(table.rename(columns={"arm": column}), arm_column=column)
        verdict, answer = assessed.verdict, assessed.answer
        assert [arm.arm for arm in verdict.conditions[0].arms] == ["0.5", "0"]
        assert "ropout" not in str(answer)


def test_a_lower_log_loss_helps():
    found = dropstudy.verdict(scores(plain=0, better=-0.02), metric="log-loss")
    assert (found.decision, found.measure.unit) == ("helps", "nats")


def test_few_test_examples_cannot_show_that_arms_are_equivalent():
    table = scores(plain=0, same=0.00001)
    assert dropstudy.verdict(table).decision == "equivalent"
    assert dropstudy.verdict(table, test_examples=100).decision == "undecided"


def test_a_verdict_shows_itself_in_a_notebook_and_as_json():
    found = dropstudy.verdict(scores(plain=0, better=0.004))
    shown = found._repr_html_()
    assert found.headline.replace("'", "&#x27;") in shown
    assert "The baseline is" in shown
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["decision"] == "helps"


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [("baseline", "c"), ("metric", "f1"), ("margin", 0), ("margin", 60), ("test_examples", 0)],
)
def test_a_wrong_argument_is_refused_by_its_name(argument, wrong):
    with pytest.raises(InvalidArgument, match=rf"^{argument}: expected"):
        dropstudy.verdict(scores(plain=0, better=0.004), **{argument: wrong})
