"""Do bfloat16 products change test accuracy? Both precisions, the same seeds, the notebook's two arms on MNIST.

    python benchmarks/precision.py --seeds 20 --out FOLDER

Trains every seed in both precisions, pairs the runs by arm and seed, and prints the mean difference of test accuracy
in percentage points (bfloat16 minus float32) with its 95% interval (paired t), for each arm and over both. Studies are
made in blocks of 20 seeds under FOLDER and go on where they stopped, so more seeds train only what is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from common import head, write_json
from dropstudy import Study

BLOCK = 20
MARGIN = 0.05


def main() -> None:
    """Train what is missing, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    about = head(epochs=arguments.epochs, n=f"{arguments.seeds} seeds")
    tables = []
    for first in range(0, arguments.seeds, BLOCK):
        seeds = list(range(first, min(first + BLOCK, arguments.seeds)))
        for precision in ("float32", "bfloat16"):
            folder = arguments.out / f"{precision}-{first}-{len(seeds)}-{arguments.epochs}"
            study = Study(
                "notebook",
                data="mnist",
                seeds=seeds,
                epochs=arguments.epochs,
                precision=precision,
                out=folder,
            )
            tables.append(study.run(verbose=False).results().test_scores().assign(precision=precision))
    finals = pd.concat(tables)
    wide = finals.pivot_table(index=["arm", "seed"], columns="precision", values="test_accuracy", sort=False)
    difference = 100 * (wide["bfloat16"] - wide["float32"])

    rows = [_row(str(arm), values) for arm, values in difference.groupby(level="arm", sort=False)]
    rows.append(_row("both arms", difference))
    print(f"{'bfloat16 - float32':20s} {'n':>4s} {'points':>8s} {'95% interval':>20s} {'SD':>7s}")
    for row in rows:
        interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
        print(f"{row['arm']:20s} {row['n']:4d} {row['mean']:+8.4f} {interval:>20s} {row['sd']:7.4f}")
    inside = max(abs(rows[-1]["low"]), abs(rows[-1]["high"])) < MARGIN
    print(f"interval over both arms {'lies' if inside else 'does not lie'} inside +-{MARGIN} points")
    write_json(arguments.json, about, rows=rows)


def _row(arm: str, values: pd.Series) -> dict[str, float | int | str]:
    x = values.to_numpy()
    interval = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    return {
        "arm": arm,
        "n": len(x),
        "mean": float(np.mean(x)),
        "low": float(interval.low),
        "high": float(interval.high),
        "sd": float(np.std(x, ddof=1)),
    }


if __name__ == "__main__":
    main()
