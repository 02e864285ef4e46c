"""How often is a verdict about new data false, where the answers are those of real networks?

    python benchmarks/new_data.py --out studies/pool

Trains MNIST networks with many seeds. They are the population: a study draws seeds and test examples from them, both
with replacement. Examples are drawn with probabilities, as near to equal ones as possible (exponential tilting), at
which the true difference of each arm is 0, or one of `EFFECTS`. So the truth is known, and the noise of seeds, of
examples and of both together is real. Beside the rule stands the one that allows for other seeds only.

Sign flips and the draws of max-t are fewer than in a verdict, which saves most of the time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from common import head, write_json
from dropstudy import Study
from dropstudy.analysis.sequential import MAX_SEEDS, looks
from dropstudy.analysis.stats import sign_flip, simultaneous, two_way
from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.mcnemar import right_answers
from dropstudy.analysis.verdict.inference import ArmTests, arm_tests
from dropstudy.analysis.verdict.rule import SEEDS
from simulated import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATES = (0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
ONE = 7
"""Place of the arm that studies of one arm have: rate 0.45."""

BAD_RATE, BAD_SHARE, BAD_LOSS = 0.6, 0.2, 1.5
"""Skewed differences: this share of the arm's runs is of another network, which is worse by so many points."""

EFFECTS = {100: 3.0, 360: 1.5, 1_000: 1.0, 10_000: 0.4}
"""For power: true differences in points, by the number of test examples."""

COUNTS_OF_SEEDS = (6, 10, 20, 50)
NOTHING = 1e-9
"""A margin so small that nothing is equivalent."""

sign_flip.MOST_EXACT, sign_flip.SAMPLED = 12, 16_384
simultaneous.DRAWS = two_way.DRAWS = 2_000


@dataclass(frozen=True, eq=False)
class Population:
    """Answers that a study draws from.

    Args:
        tables: (arms, seeds, examples): 1 where only the arm is right, -1 where only the baseline is, else 0.
        chances: of each example.
    """

    tables: NDArray[np.int8]
    chances: NDArray[np.float64]

    @classmethod
    def of(cls, tables: NDArray[np.int8], effect: float) -> Population:
        """The population in which every arm's mean difference is `effect`, in points."""
        return cls(tables, _tilted(tables.mean(axis=1), np.full(len(tables), effect)))

    @classmethod
    def with_bad_runs(cls, usual: NDArray[np.int8], bad: NDArray[np.int8], effect: float) -> Population:
        """The population of one arm, a share of whose runs is of a network that is worse by `BAD_LOSS`."""
        n = round(BAD_SHARE * len(usual))
        kinds = usual[n:], bad[:n]
        apart = effect + BAD_LOSS * np.array([BAD_SHARE, BAD_SHARE - 1])
        return cls(
            np.concatenate(kinds)[None], _tilted(np.array([kind.mean(axis=0) for kind in kinds]), apart)
        )

    def seeds(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Draw seeds."""
        return rng.integers(0, self.tables.shape[1], n)

    def examples(self, rng: np.random.Generator, m: int) -> NDArray[np.int64]:
        """Draw examples."""
        return rng.choice(self.chances.size, m, p=self.chances)

    def study(self, seeds: NDArray[np.int64], examples: NDArray[np.int64]) -> NDArray[np.int8]:
        """Differences of the answers of these, (arms, n, m)."""
        return self.tables[:, seeds][:, :, examples]

    def told(self) -> str:
        """What a study of these has to expect, of its first arm."""
        (table, *_), m = self.tables, self.chances.size
        by_seed, by_example = 100 * (table @ self.chances), 100 * table.mean(axis=0)
        return (
            f"{len(self.tables)} arms, true difference {by_seed.mean():+.3f} points; deviation {by_seed.std():.2f} "
            f"over seeds (skewness {stats.skew(by_seed):+.1f}), {np.sqrt(self.chances @ by_example**2):.1f} over "
            f"examples; {1 / (self.chances**2).sum():,.0f} of {m:,} examples effectively"
        )


def _tilted(differences: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chances of examples at which these differences (k, examples) have means of so many points.

    They are proportional to exp(l d), d an example's differences and l as fits: of all chances with those means, the
    nearest to equal ones in relative entropy.
    """
    beyond = differences - points[:, None] / 100

    def mean_weight(tilt: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = np.exp(tilt @ beyond)
        return float(weights.mean()), beyond @ weights / weights.size

    found = optimize.minimize(mean_weight, np.zeros(len(beyond)), jac=True, method="BFGS", tol=1e-10)
    weights = np.exp(found.x @ beyond)
    chances: NDArray[np.float64] = weights / weights.sum()
    if not np.allclose(beyond @ chances, 0, atol=1e-6):
        raise ValueError(found.message)
    return chances


def main() -> None:
    """Train, simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=60, help="networks of each arm")
    parser.add_argument("--n", type=int, nargs="*", default=COUNTS_OF_SEEDS, help="seeds of a study")
    parser.add_argument("--m", type=int, nargs="*", default=EFFECTS, choices=EFFECTS, help="its examples")
    parser.add_argument("--parts", nargs="*", default=("one", "looks", "confirm", "nine"))
    parser.add_argument("--out", type=Path, default=Path("studies/pool"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = head(studies=options.studies, networks=options.seeds)
    answers = _answers(options.out, options.seeds)
    worlds = {}
    for effect in (0.0, *EFFECTS.values()):
        worlds["as they are", effect] = Population.of(answers[ONE][None], effect)
        worlds["skewed", effect] = Population.with_bad_runs(answers[ONE], answers[-1], effect)
        worlds["nine", effect] = Population.of(answers[:-1], effect)
    for (kind, effect), world in worlds.items():
        print(f"{kind}, effect {effect:g}: {world.told()}")
    results: dict[str, Any] = {}
    if "one" in options.parts:
        results["one"] = _grid(worlds, ("as they are", "skewed"), options.n, options.m, options.studies)
    if "looks" in options.parts:
        results["looks"] = _until_decided(worlds, options.m, options.studies)
    if "confirm" in options.parts:
        results["confirm"] = _confirmed(worlds["as they are", 0.0], options.m, options.studies)
    if "nine" in options.parts:
        results["nine"] = _grid(worlds, ("nine",), options.n, options.m, options.studies)
    write_json(options.json, about, **results)


def _answers(out: Path, seeds: int) -> NDArray[np.int8]:
    """Differences of every arm's answers from the baseline's, (arms, seeds, examples)."""
    study = Study(
        "notebook",
        out=out,
        data="mnist",
        rates=[*RATES, BAD_RATE],
        hidden=[64],
        train_sizes=[2_000],
        epochs=10,
        seeds=seeds,
        validation_split=1_000,
    ).run(verbose=False)
    snapshot = study.results().snapshot
    ((hidden, size),) = snapshot.conditions
    right = []
    for arm, seed in product(snapshot.arms, range(seeds)):
        stored = snapshot.predictions_of(arm.name, hidden, size, seed)
        if stored is None:
            raise ValueError((arm.name, seed))
        right.append(right_answers(stored))
    by_arm = np.array(right, dtype=np.int8).reshape(len(snapshot.arms), seeds, -1)
    return by_arm[1:] - by_arm[0]


def _tests(study: NDArray[np.int8], *, always_valid: bool = False) -> list[ArmTests]:
    """The verdict's tests of a study, for new data, in points."""
    found = two_way.two_way(list(study))
    estimates = [each.difference for each in found]
    beyond = [replace(e, value=100 * e.value, low=100 * e.low, high=100 * e.high) for e in estimates]
    errors = [100 * each.example_error for each in found]
    points = 100 * study.mean(axis=2).T
    return arm_tests(
        points, margin=NOTHING, always_valid=always_valid, new_data=beyond, example_errors=errors
    )


def _claims(tests: list[ArmTests]) -> tuple[set[str], set[str]]:
    """What is claimed of any arm: by the rule for other seeds only, and by that for new data."""
    claims = {"helps", "hurts"}
    return {t.decision_on_these for t in tests} & claims, {t.decision for t in tests} & claims


def _grid(
    worlds: dict[tuple[str, float], Population],
    kinds: tuple[str, ...],
    counts_of_seeds: Sequence[int],
    counts_of_examples: Sequence[int],
    studies: int,
) -> list[dict[str, Any]]:
    """False claims, coverage and power of studies with one look."""
    print(
        "\n| arms | differences | seeds | test examples | false, seeds alone, % | false, new data, % | coverage, % | "
        "true difference | power, seeds alone, % | power, new data, % |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = []
    for kind, n, m in product(kinds, counts_of_seeds, counts_of_examples):
        rng = np.random.default_rng([len(kind), n, m])
        null, real = worlds[kind, 0.0], worlds[kind, EFFECTS[m]]
        counts = np.zeros(5, dtype=int)
        for _ in range(studies):
            tests = _tests(null.study(null.seeds(rng, n), null.examples(rng, m)))
            before, now = _claims(tests)
            holds = all(t.deciding.low <= 0 <= t.deciding.high for t in tests if t.deciding.known)
            counts[:3] += [bool(before), bool(now), holds]
        tried = studies // 2
        for _ in range(tried):
            first = _tests(real.study(real.seeds(rng, n), real.examples(rng, m)))[0]
            counts[3:] += [first.decision_on_these == "helps", first.decision == "helps"]
        told = [share(int(c), of) for c, of in zip(counts, [studies] * 3 + [tried] * 2, strict=True)]
        arms = len(null.tables)
        name = "as they are" if kind == "nine" else kind
        told.insert(3, f"{EFFECTS[m]:g}")
        print(f"| {arms} | {name} | {n} | {m:,} | {' | '.join(told)} |", flush=True)
        rows.append({"arms": arms, "differences": name, "n": n, "m": m, "counts": counts.tolist()})
    return rows


def _until_decided(
    worlds: dict[tuple[str, float], Population], counts_of_examples: Sequence[int], studies: int
) -> list[dict[str, Any]]:
    """False claims where seeds are added until something is decided, on the same examples."""
    print(
        "\n| differences | test examples | false, seeds alone, % | false, new data, % | true difference "
        "| power, new data, % |\n|---|---|---|---|---|---|"
    )
    rows = []
    for kind, m in product(("as they are", "skewed"), counts_of_examples):
        rng = np.random.default_rng([len(kind), m])
        counts = np.zeros(3, dtype=int)
        for _ in range(studies):
            counts[:2] += _ends(rng, worlds[kind, 0.0], m)
        for _ in range(studies // 2):
            counts[2] += _ends(rng, worlds[kind, EFFECTS[m]], m)[1]
        told = [share(int(c), of) for c, of in zip(counts, (studies, studies, studies // 2), strict=True)]
        told.insert(2, f"{EFFECTS[m]:g}")
        print(f"| {kind} | {m:,} | {' | '.join(told)} |", flush=True)
        rows.append({"differences": kind, "m": m, "counts": counts.tolist()})
    return rows


def _ends(rng: np.random.Generator, world: Population, m: int) -> list[bool]:
    """Whether a study ends with a claim, by each rule."""
    seeds, examples = world.seeds(rng, MAX_SEEDS), world.examples(rng, m)
    study = world.study(seeds, examples)
    ended = [False, False]
    for n in looks(SEEDS, MAX_SEEDS):
        over_seeds = anytime(100 * study[0, :n].mean(axis=1))
        if not (over_seeds.above_zero or over_seeds.below_zero):
            continue  # neither rule claims anything
        claims = _claims(_tests(study[:, :n], always_valid=True))
        ended = [before or bool(now) for before, now in zip(ended, claims, strict=True)]
        if all(ended):
            break
    return ended


def _confirmed(world: Population, counts_of_examples: Sequence[int], studies: int) -> list[dict[str, Any]]:
    """False claims that fresh seeds confirm, on the same examples and on others."""
    print(
        "\n| seeds, then fresh seeds | test examples | false, seeds alone, % | of these confirmed, % "
        "| false, new data, % | of these confirmed, % | confirmed on other examples, % |\n|---|---|---|---|---|---|---|"
    )
    rows = []
    for n, m in product((10,), counts_of_examples):
        rng = np.random.default_rng([n, m, 1])
        counts = np.zeros(5, dtype=int)
        for _ in range(2 * studies):
            examples = world.examples(rng, m)
            first = _claims(_tests(world.study(world.seeds(rng, n), examples)))
            if not first[0]:
                continue
            fresh = world.seeds(rng, n)
            again = _claims(_tests(world.study(fresh, examples)))
            others = _claims(_tests(world.study(fresh, world.examples(rng, m))))
            counts += [
                True,
                first[0] == again[0],
                bool(first[1]),
                bool(first[1]) and first[1] == again[1],
                bool(first[1]) and first[1] == others[1],
            ]
        all_studies, old, new = 2 * studies, int(counts[0]), int(counts[2])
        of = (all_studies, old, all_studies, new, new)
        told = [share(int(c), each) if each else "-" for c, each in zip(counts, of, strict=True)]
        print(f"| {n}, then {n} | {m:,} | {' | '.join(told)} |", flush=True)
        rows.append({"n": n, "m": m, "studies": all_studies, "counts": counts.tolist()})
    return rows


if __name__ == "__main__":
    main()
