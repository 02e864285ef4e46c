"""Trained networks between which there is no difference: how often does a verdict find one?

    python benchmarks/real_null.py --runs 240

At rate 0 masks do nothing, so an arm without dropout cannot be trained again "with other masks": it would be the same
run. What is a null in truth: runs of one arm, all with seeds of their own, dealt at random to two sides. Their scores
come from one distribution, whatever it is. Also how skewed real paired differences between two arms are, which says
what simulated studies have to be like.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from common import head, write_json
from dropstudy import Study
from dropstudy.analysis.verdict.inference import arm_tests
from simulated import share


def main() -> None:
    """Train, deal, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=240)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies, runs=options.runs)
    where = options.out or Path(tempfile.mkdtemp()) / "null"
    study = Study(
        "notebook",
        out=where,
        data="digits",
        rates=[0, 0.5],
        hidden=[64],
        epochs=6,
        seeds=options.runs,
        validation_split=300,
    ).run(verbose=False)
    scores = 100 * study.results().test_scores().pivot_table(
        index="seed", columns="arm", values="test_accuracy"
    )
    paired = (scores["dropout 0.5"] - scores["no dropout"]).to_numpy()
    print(
        f"\nPaired differences of {len(paired)} seeds: mean {paired.mean():.2f}, deviation "
        f"{paired.std(ddof=1):.2f} points, skewness {stats.skew(paired):.2f}, excess kurtosis "
        f"{stats.kurtosis(paired):.2f}"
    )
    print(
        "\n| arm | n | false helps or hurts, % | false equivalent at a shift of the margin, % |\n|---|---|---|---|"
    )
    rows = []
    for arm in scores.columns:
        for n in (6, 10, 20):
            rng = np.random.default_rng(n)
            counts = [0, 0]
            for _ in range(options.studies):
                one, other = rng.permutation(scores[arm].to_numpy())[: 2 * n].reshape(2, n)
                x = (one - other)[:, None]
                margin = float(paired.std(ddof=1))
                counts[0] += arm_tests(x, margin=1e-9, always_valid=False)[0].decision in {"helps", "hurts"}
                moved = arm_tests(x + margin, margin=margin, always_valid=False)[0]
                counts[1] += moved.decision == "equivalent"
            print(
                f"| {arm} | {n} | {' | '.join(share(count, options.studies) for count in counts)} |",
                flush=True,
            )
            rows.append({"arm": arm, "n": n, "counts": counts})
    write_json(options.json, about, rates=rows)


if __name__ == "__main__":
    main()
