"""The projected number of seeds: a study that follows it is nearly always decided."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.analysis.sequential import looks
from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.projection import PROBABLY, seeds_to_decide
from dropstudy.analysis.verdict.inference import arm_tests

MARGIN = 0.1


def is_undecided(differences):
    (tests,) = arm_tests(differences[:, None], margin=MARGIN, always_valid=True)
    return tests.decision == "undecided"


def is_open(interval):
    return not (interval.above_zero or interval.below_zero or interval.within(MARGIN))


@pytest.mark.parametrize("n", [6, 10])
@pytest.mark.parametrize("true", [0.0, 0.05, 0.1])
def test_a_study_that_follows_the_proposal_seldom_gets_a_second_one(n, true):
    rng, proposals, again = np.random.default_rng(n), 0, 0
    for _ in range(40):
        differences = rng.normal(true, 0.1, 2000)
        if not is_open(paired_t(differences[:n])):
            continue
        seeds = seeds_to_decide(differences[:n], MARGIN)
        proposals += 1
        again += all(is_undecided(differences[:count]) for count in looks(n, int(seeds)))
    assert proposals > 5
    assert again <= 1 + (1 - PROBABLY) * proposals


@given(
    differences=st.lists(st.integers(-20, 20), min_size=6, max_size=12).filter(lambda x: len(set(x)) > 1),
    unit=st.sampled_from([0.001, 1, 1000]),
)
def test_the_projection_is_free_of_unit_and_sign_and_beyond_the_present_seeds(differences, unit):
    x = np.array(differences, float) / 20
    seeds = seeds_to_decide(x, MARGIN)
    assert seeds > len(x)
    assert seeds_to_decide(-x, MARGIN) == seeds
    assert seeds_to_decide(unit * x, unit * MARGIN) == seeds
    assert seeds_to_decide(x, MARGIN, probability=0.5) <= seeds
    assert seeds_to_decide(x, MARGIN, level=0.01) >= seeds
    assert seeds_to_decide(x, MARGIN, example_error=0.01) >= seeds
    assert seeds_to_decide(x, MARGIN, unseen=0.05) >= seeds


def test_no_number_of_seeds_decides_what_other_test_examples_may_change():
    x = 0.1 * np.tile([1, -1], 5)
    # Equivalence cannot be shown, and a difference from 0 that small takes very many seeds.
    assert seeds_to_decide(x, MARGIN, unseen=1.1 * MARGIN) > 50 * seeds_to_decide(x, MARGIN)
    assert seeds_to_decide(x, MARGIN, example_error=0.6 * MARGIN) == np.inf
    assert len(x) < seeds_to_decide(x, MARGIN) < 100
    assert np.isnan(seeds_to_decide(np.zeros(9), MARGIN))


def test_the_projected_seeds_are_those_at_which_the_interval_is_narrow_enough():
    x = 0.5 + 0.2 * np.tile([1.0, -1.0], 20)  # far from 0, so that the mean will hardly move
    x -= 0.45
    seeds = int(seeds_to_decide(x, 1e-6, probability=0.5))
    at = np.resize(x, seeds + seeds % 2)
    assert anytime(at).low == pytest.approx(0, abs=0.01)
