"""How often does a study of several networks claim something false, and what does allowing for all of them cost?

    python benchmarks/many_conditions.py --studies 1000

The second table is about many networks, half of which have the effect: what is found by Holm's correction, and as a
list by the false discovery rate, and the share of the list that is false. Of "shared" noise half of the variance is
that of all networks.

Each network has arms without an effect. In the last columns one arm of the first network has one of 1.5 deviations. The
rule of a network is that of a verdict over seeds; the networks are independent, so that they find most by chance.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from common import head, write_json
from dropstudy.analysis.stats.simultaneous import sidak
from dropstudy.analysis.verdict.conditions import discoveries_over_groups, holm_over_groups
from dropstudy.analysis.verdict.evidence import p_of_interval, spreads
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.rule import LEVEL
from simulated import differences, share

NETWORKS, ARMS, SEEDS, SHAPES = (2, 10), (1, 3), (6, 10), ("normal", "heavy tails")
MANY, SHARED = 30, (0.0, 0.5)
EFFECT = 1.5
"""Of one arm of the first network, in deviations."""


def claims(x: np.ndarray) -> tuple[list[bool], list[float]]:
    """Whether each arm of a network is claimed to help or hurt, and the p of its interval."""
    n, arms = x.shape
    t = np.abs(x.mean(axis=0)) / x.std(axis=0, ddof=1) * np.sqrt(n)
    if t.max() < sidak(1, n):  # no claim is possible, and most of the time is saved
        claimed = [False] * arms
    else:
        tests = arm_tests(x, margin=0.01, always_valid=False)
        claimed = [test.decision in {"helps", "hurts"} for test in tests]
    p = [p_of_interval(c, spreads(c, None, 1.0), family=arms, always_valid=False) for c in x.T]
    return claimed, p


def study(
    rng: np.random.Generator, networks: int, size: tuple[int, int], shape: str, effect: float
) -> list[bool]:
    """Whether a study has a false claim and whether it finds the effect, alone and for all networks.

    Args:
        rng: of the study.
        networks: their number.
        size: seeds and arms.
        shape: of the differences.
        effect: of one arm.
    """
    found = []
    for network in range(networks):
        x = differences(rng, *size, shape=shape)
        x[:, 0] += effect * (network == 0)
        found.append(claims(x))
    everywhere = holm_over_groups([ps for _, ps in found])
    alone = np.array([claimed for claimed, _ in found])
    together = alone & (np.array(everywhere) <= LEVEL)
    false = np.ones_like(alone)
    false[0, 0] = not effect
    return [
        bool((alone & false).any()),
        bool((together & false).any()),
        bool(alone[0, 0]),
        bool(together[0, 0]),
    ]


def of_many(rng: np.random.Generator, n: int, shared: float, effects: int) -> np.ndarray:
    """Of a study of `MANY` networks with one arm, the first `effects` with an effect: by each rule what is claimed.

    Args:
        rng: of the study.
        n: seeds.
        shared: share of the variance that all networks have in common.
        effects: networks with an effect.

    Returns:
        (alone, Holm, list) by (true claims, false claims).
    """
    common = rng.normal(size=(n, 1))
    x = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=(n, MANY))
    x[:, :effects] += EFFECT
    found = [claims(column[:, None]) for column in x.T]
    alone = np.array([claimed for (claimed,), _ in found])
    ps = [p for _, p in found]
    rules = [
        alone,
        *(alone & (np.ravel(by(ps)) <= LEVEL) for by in (holm_over_groups, discoveries_over_groups)),
    ]
    return np.array([[rule[:effects].sum(), rule[effects:].sum()] for rule in rules])


def many(studies: int) -> list[dict[str, Any]]:
    """Simulate many networks, print, return the rows."""
    effects, rows = MANY // 2, []
    print(
        "\n| n | noise | found alone, % | found by Holm, % | found as a list, % | any false by Holm, % "
        "| false share alone, % | false share of the list, % |\n|---|---|---|---|---|---|---|---|"
    )
    for n, shared in product(SEEDS, SHARED):
        rng = np.random.default_rng([MANY, n, int(10 * shared)])
        counts = np.array([of_many(rng, n, shared, effects) for _ in range(studies)])
        found = 100 * counts[:, :, 0].mean(axis=0) / effects
        false = 100 * (counts[:, :, 1] / np.maximum(1, counts.sum(axis=2))).mean(axis=0)
        anything = share(int((counts[:, 1, 1] > 0).sum()), studies)
        told = [*(f"{each:.0f}" for each in found), anything, f"{false[0]:.1f}", f"{false[2]:.1f}"]
        print(f"| {n} | {'shared' if shared else 'own'} | {' | '.join(told)} |", flush=True)
        rows.append({"n": n, "shared": shared, "found": found.tolist(), "false": false.tolist()})
    return rows


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--networks", type=int, nargs="*", default=NETWORKS)
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=SHAPES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies)
    rows: list[dict[str, Any]] = []
    print(
        "\n| networks | arms | n | differences | false alone, % | false, all, % | found alone, % | found, all, % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for networks, arms, n, shape in product(options.networks, ARMS, SEEDS, options.shapes):
        counts = np.zeros(4, dtype=int)
        rng = np.random.default_rng([networks, arms, n, SHAPES.index(shape)])
        for _ in range(options.studies):
            counts[:2] += study(rng, networks, (n, arms), shape, 0.0)[:2]
            counts[2:] += study(rng, networks, (n, arms), shape, EFFECT)[2:]
        told = [share(int(count), options.studies) for count in counts]
        print(f"| {networks} | {arms} | {n} | {shape} | {' | '.join(told)} |", flush=True)
        rows.append({"networks": networks, "arms": arms, "n": n, "shape": shape, "counts": counts.tolist()})
    write_json(options.json, about, rates=rows, many=many(options.studies))


if __name__ == "__main__":
    main()
