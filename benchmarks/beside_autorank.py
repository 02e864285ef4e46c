"""The verdict on a table of scores beside scipy's paired t and autorank's ranking (`pip install autorank`)."""

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

import dropstudy

ARMS = {"no dropout": 0.0, "dropout 0.2": 0.0005, "dropout 0.5": 0.003}
"""Arms with their true gain."""


def table(seeds: int = 10) -> pd.DataFrame:
    """Scores with noise that all arms of a seed share, and noise of each run."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0.97, 0.002, seeds)
    scores = {arm: shared + gain + rng.normal(0, 0.0006, seeds) for arm, gain in ARMS.items()}
    return pd.DataFrame(scores).rename_axis("seed")


if __name__ == "__main__":
    scores = table()
    found = dropstudy.verdict(scores)
    for each in found.conditions[0].comparisons:
        test = ttest_rel(scores[each.arm], scores["no dropout"])
        low, high = 100 * np.array(test.confidence_interval())
        print(f"{each.arm}: {each.decision}, all arms {each.deciding.low:+.4f} to {each.deciding.high:+.4f}")
        print(
            f"  one arm {each.difference.low:+.6f} to {each.difference.high:+.6f}, scipy {low:+.6f} to {high:+.6f}"
        )
    try:
        from autorank import autorank
    except ImportError:
        print("autorank is not installed")
    else:
        rank = autorank(scores)
        print(f"autorank: {rank.omnibus}, {rank.posthoc}, p {rank.pvalue:.3g}")
        print(rank.rankdf[["mean", "ci_lower", "ci_upper"]].to_string())
