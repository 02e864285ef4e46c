"""How often is a verdict false? Studies whose truth is known, and the shares that say something else.

    python benchmarks/verdict_rates.py --studies 2000

Without an effect, "helps" and "hurts" are false; at an effect of exactly the margin, "equivalent" is. The rule is that
of a verdict (`analysis.verdict.inference.arm_tests`); a study counts as false if any of its arms is.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from common import head, write_json
from dropstudy.analysis.stats.equivalence import tost
from dropstudy.analysis.verdict.inference import arm_tests, holm
from dropstudy.analysis.verdict.rule import EQUIVALENCE, LEVEL
from simulated import CONDITIONS, differences, share

SEEDS, ARMS = (6, 10, 20), (1, 3, 9)


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies)
    rows: list[dict[str, Any]] = []
    print("\n| n | arms | differences | false helps or hurts, % | by Holm, % | false equivalent, % |")
    print("|---|---|---|---|---|---|")
    for n, arms, shape in product(options.seeds, ARMS, CONDITIONS):
        rng = np.random.default_rng([n, arms, CONDITIONS.index(shape)])
        counts = np.zeros(3, dtype=int)
        for _ in range(options.studies):
            x = differences(rng, n, arms, shape=shape)
            tests = arm_tests(x, margin=0.01, always_valid=False)  # so small that nothing is equivalent
            at_the_margin = holm([tost(column + 1, 1) for column in x.T])
            counts += [
                any(test.decision in {"helps", "hurts"} for test in tests),
                any(test.p_holm <= LEVEL for test in tests),
                min(at_the_margin) <= EQUIVALENCE,
            ]
        told = [share(int(count), options.studies) for count in counts]
        print(f"| {n} | {arms} | {shape} | {' | '.join(told)} |", flush=True)
        rows.append({"n": n, "arms": arms, "shape": shape, "counts": counts.tolist()})
    write_json(options.json, about, rates=rows)


if __name__ == "__main__":
    main()
