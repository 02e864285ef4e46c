"""What flipping all arms of a seed together is exact for: shown by going through every flip of one study."""

from itertools import product

import numpy as np
import pytest

from dropstudy.analysis.stats.sign_flip import sign_flips


def smallest_p(differences, effect, n=7):
    """Of two arms without effect, the smaller adjusted p in each of the 2^n studies that symmetry makes as likely."""
    found = []
    for signs in product((1, -1), repeat=n):
        studied = np.array(signs)[:, None] * differences
        studied[:, 2:] += effect
        found.append(min(sign_flips(studied).adjusted[:2]))
    return np.array(found)


@pytest.mark.parametrize("effect", [0.0, 0.5, 50.0])
@pytest.mark.parametrize("level", [0.02, 0.05, 0.1, 0.3])
def test_of_symmetric_differences_arms_without_effect_are_claimed_at_most_at_the_level(effect, level):
    """Whatever the other arms do: the flips of those without effect do not depend on them (Romano and Wolf 2005)."""
    rng = np.random.default_rng(0)
    differences = rng.exponential(size=(7, 4)) - rng.exponential(size=(7, 1))
    assert (smallest_p(differences, effect) <= level).mean() <= level


def test_equal_arms_that_share_a_skewed_baseline_are_not_symmetric():
    """Sums over arms of a_k - b have the third moment (k - k^3) times that of a run: 0 for one arm, -6 for two."""
    runs = np.random.default_rng(0).exponential(size=(400_000, 3))
    one, two = runs[:, 1] - runs[:, 0], runs[:, 1:].sum(axis=1) - 2 * runs[:, 0]
    assert (one**3).mean() == pytest.approx(0, abs=0.2)
    assert (two**3).mean() == pytest.approx(-6 * 2, abs=0.7)  # an exponential's is 2
