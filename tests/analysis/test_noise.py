"""Where the noise comes from, against statsmodels' analysis of variance and simulated tables of known components."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from dropstudy.analysis.stats.noise import noise
from dropstudy.analysis.stats.two_way import two_way
from dropstudy.analysis.verdict.noise import of_spread
from dropstudy.core.text import whole_percent
from dropstudy.report.sections.noise import noise_table
from verdicts import accuracies_of, around, flat, predictions_of, rates, verdict_of

ARMS = rates(0, 0.5)


def table(seed, example, single, *, n=8, m=30, number=0):
    """Differences with these deviations over seeds, examples and their answers from seed to seed."""
    rng = np.random.default_rng(number)
    return rng.normal(0, seed, (n, 1)) + rng.normal(0, example, (1, m)) + rng.normal(0, single, (n, m))


def test_components_are_those_of_an_analysis_of_variance():
    d = table(0.3, 0.4, 1.0)
    n, m = d.shape
    rows = pd.DataFrame({"d": d.ravel(), "seed": np.repeat(range(n), m), "example": np.tile(range(m), n)})
    squares = anova_lm(ols("d ~ C(seed) + C(example)", rows).fit())["sum_sq"] / [
        n - 1,
        m - 1,
        (n - 1) * (m - 1),
    ]
    by_seed, by_example, single = squares
    expected = np.array([(by_seed - single) / m / n, (by_example - single) / n / m, single / (n * m)])
    found = noise(two_way([d])[0])
    assert (found.seeds, found.examples, found.both) == pytest.approx(expected / expected.sum())
    assert found.of_spread.value == pytest.approx(single / by_seed)


def test_the_share_of_the_spread_is_covered_by_its_interval():
    """True share: single / m over seed + single / m."""
    truth, held = 1 / 40 / (0.2**2 + 1 / 40), 0
    for number in range(400):
        (found,) = two_way([table(0.2, 0.1, 1.0, n=6, m=40, number=number)])
        share = noise(found).of_spread
        held += share.low <= truth <= share.high
    assert 0.92 <= held / 400 <= 0.98


def test_without_an_effect_of_seeds_all_of_their_spread_is_the_choice_of_examples():
    shares = [noise(two_way([table(0, 0.2, 1.0, number=number)])[0]).of_spread for number in range(50)]
    assert all(share.value <= 1 for share in shares)
    assert sum(share.high == 1 for share in shares) >= 45


def test_where_nothing_varies_nothing_is_told():
    assert noise(two_way([np.zeros((6, 20))])[0]) is None
    assert noise(two_way([np.ones((6, 1))])[0]) is None


def test_the_verdict_says_it_and_the_page_has_a_table():
    def wrong(arm, seed):
        return (0, seed % 7 + 1) if arm == "no dropout" else range(9, 12 + seed % 3)

    verdict = verdict_of(ARMS, accuracies_of(wrong, 40, 8), predictions=predictions_of(wrong))
    (condition,) = verdict.conditions
    (c,) = condition.comparisons
    d = np.zeros((8, 40))
    for seed in range(8):
        d[seed, list(wrong("no dropout", seed))] += 1
        d[seed, list(wrong("dropout 0.5", seed))] -= 1
    assert c.noise == noise(two_way([d])[0])
    told = f"Of the spread of 'dropout 0.5' over seeds, about {of_spread(c.noise.of_spread)} comes from measuring"
    assert told in str(verdict)
    assert f"{whole_percent(c.noise.both)} how single examples are answered from seed to seed." in str(
        verdict
    )
    study = SimpleNamespace(
        arms=ARMS, metric=condition.measure, conditions=[1], condition_verdict=lambda _: condition
    )
    (row,) = noise_table(study, 1).frame.to_dict(orient="records")
    assert row["seeds"] == whole_percent(c.noise.seeds)
    assert row["answers from seed to seed"] == whole_percent(c.noise.both)


def test_scores_alone_do_not_tell():
    verdict = verdict_of(ARMS, {"no dropout": flat(), "dropout 0.5": around(0.1)})
    assert verdict.conditions[0].comparisons[0].noise is None
    assert "comes from measuring" not in str(verdict)
