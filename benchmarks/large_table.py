"""Time and memory to load a large CSV file, beside pandas' own reader with pyarrow.

Both read the same file in processes of their own, one after the other, several times.

    python benchmarks/large_table.py --gigabytes 1 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROWS_AT_ONCE = 200_000
SIDES = {
    "pandas": "import pandas; pandas.read_csv(path, engine='pyarrow')",
    "dropstudy": "import dropstudy; print(dropstudy.load_dataset(path, target='kind'), file=sys.stderr)",
}
CHILD = """
import json, resource, sys, time
path = sys.argv[1]
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
"""


def write(path: Path, gigabytes: float) -> int:
    """Write a table of twelve numbers, four categories and three classes; returns its rows."""
    rng, rows = np.random.default_rng(0), 0
    with path.open("w", encoding="utf-8", newline="") as file:
        while path.stat().st_size < gigabytes * 1e9:
            columns = {f"number_{k}": rng.normal(size=ROWS_AT_ONCE).round(4) for k in range(8)}
            columns |= {f"count_{k}": rng.integers(0, 10_000, ROWS_AT_ONCE) for k in range(4)}
            columns |= {f"place_{k}": rng.choice(["north", "south", "west"], ROWS_AT_ONCE) for k in range(4)}
            columns["kind"] = rng.choice(["cat", "dog", "hare"], ROWS_AT_ONCE)
            pd.DataFrame(columns).to_csv(file, index=False, header=not rows)
            file.flush()
            rows += ROWS_AT_ONCE
    return rows


def main() -> None:
    """Alternate both readers and print seconds and gigabytes, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.csv")
        rows = write(path, given.gigabytes)
        print(f"{path.stat().st_size / 1e9:.2f} GB, {rows:,} rows, 17 columns")
        found: dict[str, list[list[float]]] = {name: [] for name in SIDES}
        for _ in range(given.repeats):
            for name, statement in SIDES.items():
                done = subprocess.run(  # noqa: S603 - our own script
                    [sys.executable, "-c", CHILD.format(statement=statement), str(path)],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                found[name].append(json.loads(done.stdout))
    for name, runs in found.items():
        seconds, memory = ([run[k] for run in runs] for k in (0, 1))
        print(
            f"{name}: {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), "
            f"{statistics.median(memory):.2f} GB at most"
        )
    for k, what in enumerate(("time", "memory")):
        ratios = [
            ours[k] / theirs[k] for ours, theirs in zip(found["dropstudy"], found["pandas"], strict=True)
        ]
        print(
            f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times pandas'"
        )


if __name__ == "__main__":
    main()
