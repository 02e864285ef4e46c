"""Build a study's verdict from its tables."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from dropstudy.analysis.stats import by_condition
from dropstudy.analysis.verdict import asides
from dropstudy.analysis.verdict import sentences as words
from dropstudy.analysis.verdict.comparison import compare_arms
from dropstudy.analysis.verdict.pairs import shape_tables
from dropstudy.analysis.verdict.rule import MARGIN, SEEDS, decide_together
from dropstudy.analysis.verdict.scores import arm_scores, choose, gap
from dropstudy.analysis.verdict.types import ConditionVerdict, Verdict
from dropstudy.core.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dropstudy.analysis.verdict.pairs import Answers, ShapeTables
    from dropstudy.analysis.verdict.types import ArmComparison, ArmScores, Decision, Protocol
    from dropstudy.core.types import Arm

    Predictions = Callable[[str, str, int, int], Mapping[str, NDArray[Any]] | None]


def give_verdict(
    history: pd.DataFrame,
    finals: pd.DataFrame,
    arms: Sequence[Arm],
    *,
    watches_test: bool,
    margin: float = MARGIN,
    protocol: Protocol = "final",
    looks: tuple[int, ...] = (),
    most_seeds: int | None = None,
    outcomes: pd.DataFrame | None = None,
    predictions: Predictions | None = None,
    test_examples: int | None = None,
) -> Verdict:
    """Verdict of a study.

    Args:
        history: one row per arm, condition, seed and epoch, columns of `EpochMetrics`.
        finals: one row per finished run: arm, rate, condition, seed, test_loss, test_accuracy, brier, and `epoch` where
            the weights tested need not be the last epoch's.
        arms: baseline first.
        watches_test: whether the test set was looked at every epoch.
        margin: differences within ±margin do not matter, in points, above 0.
        protocol: whose weights were tested.
        looks: numbers of seeds at which the verdict may have been looked at before more were added. With any, decisions
            rest on always-valid intervals.
        most_seeds: seeds up to which they are to be added until a decision; None where they are not.
        outcomes: arm, hidden, train_size, seed and status of every run planned. With it, a condition that nothing is
            recorded of has its part in the verdict too.
        predictions: of (arm, hidden, train_size, seed) the `confidence` and `likelihood` of every test example, or None
            where they are not there; `labels` besides says whether all are one class.
        test_examples: how many there are, where no predictions say so.
    """
    conditions = []
    for (hidden, train_size), rows, done in by_condition(history, finals, outcomes):
        of_condition = outcomes
        if outcomes is not None and hidden:
            of_condition = outcomes[(outcomes["hidden"] == hidden) & (outcomes["train_size"] == train_size)]
        conditions.append(
            _shape_verdict(
                shape_tables(
                    rows,
                    done,
                    arms,
                    outcomes=of_condition,
                    answers=_answers(predictions, hidden, train_size),
                    examples=test_examples,
                ),
                (hidden, train_size),
                watches_test=watches_test,
                margin=margin,
                protocol=protocol,
                always_valid=bool(looks),
                most_seeds=most_seeds,
            )
        )
    decision, chosen, headline = _of_all(conditions, arms, protocol)
    return Verdict(
        decision=decision,
        chosen=chosen,
        label=words.label_of_shapes(decision, (condition.label for condition in conditions)),
        headline=headline,
        sentences=(*_sentences(conditions, headline), *_about_looking(looks, most_seeds)),
        margin=margin,
        protocol=protocol,
        watches_test=watches_test,
        anytime=bool(looks),
        conditions=tuple(conditions),
    )


def _about_looking(looks: tuple[int, ...], most_seeds: int | None) -> list[str]:
    if not looks:
        return []
    if most_seeds is not None:
        why = f"Seeds are added until this is decided, {most_seeds} at most"
    else:
        changed = "added" if looks == tuple(sorted(looks)) else "added and taken out"
        why = f"Seeds were {changed} after a first look ({', then '.join(map(str, looks))})"
    return [
        f"{why}: decisions rest on intervals that hold however often one looks, wider than those of a single look."
    ]


def _answers(predictions: Predictions | None, hidden: str, train_size: int) -> Answers | None:
    if predictions is None:
        return None
    return lambda arm, seed: predictions(arm, hidden, train_size, seed)


def shape_title(hidden: str, train_size: int) -> str:
    """A condition as a heading: "Hidden layers 512-512, 60,000 training examples"."""
    return f"Hidden layers {hidden}, {train_size:,} training examples"


def _shape_verdict(
    tables: ShapeTables,
    condition: tuple[str, int],
    *,
    watches_test: bool,
    margin: float,
    protocol: Protocol,
    always_valid: bool,
    most_seeds: int | None,
) -> ConditionVerdict:
    scores = tuple(arm_scores(tables, arm) for arm in tables.arms)
    comparisons = compare_arms(tables, margin=margin, always_valid=always_valid)
    choice = None if watches_test else choose(scores, tables, SEEDS)
    chosen = None if choice is None else choice.arm
    finished = {c.arm: c.decision for c in comparisons} if any(arm.seeds for arm in scores) else {}
    decision = decide_together(finished, chosen)
    gaps = tuple(gap(tables, arm) for arm in tables.arms)
    about = words.About(
        {arm.name: arm for arm in tables.arms},
        {arm.arm: arm for arm in scores},
        margin,
        protocol,
        always_valid,
    )
    headline = _headline(about, scores, comparisons, decision=decision, chosen=chosen)
    several, told = len(comparisons) > 1, _undecided(comparisons, chosen)
    sentences = [
        headline,
        asides.about_one_class(scores),
        asides.about_watching(comparisons, margin) if watches_test else "",
        ""
        if choice is None
        else asides.about_choosing(
            choice, comparisons, protocol=protocol, margin=margin, headlined=chosen == tables.arms[0].name
        ),
        asides.about_the_gap(gaps, chosen),
        asides.about_artefact(gaps, watches_test=watches_test),
        asides.about_few_seeds(scores[0], tables.examples) if decision == "too few seeds" else "",
        *(
            asides.about_undecided(
                c, margin, always_valid=always_valid, several=several, most_seeds=most_seeds
            )
            for c in told
        ),
        asides.about_examples(told, margin),
        asides.about_unfinished(scores),
        asides.about_convergence(scores),
    ]
    return ConditionVerdict(
        hidden=condition[0],
        train_size=condition[1],
        baseline=tables.arms[0].name,
        decision=decision,
        chosen=chosen,
        label=words.label(decision, comparisons, about.arms, chosen),
        headline=headline,
        sentences=tuple(sentence for sentence in sentences if sentence),
        arms=scores,
        comparisons=comparisons,
        gaps=gaps,
    )


def _headline(
    about: words.About,
    scores: Sequence[ArmScores],
    comparisons: Sequence[ArmComparison],
    *,
    decision: Decision,
    chosen: str | None,
) -> str:
    if not any(arm.seeds for arm in scores):
        told = words.about_divergence(about, ()).strip()
        return f"No run finished, so there is nothing to compare.{f' {told}' if told else ''}"
    baseline = about.baseline
    if not comparisons:
        told = words.about_divergence(about, ())
        if not scores[0].seeds:
            return f"There is one arm, {words.quoted(baseline.name)}, and no run of it finished.{told}"
        reached = f"{percent(scores[0].mean.value)} over {counted(scores[0].mean.n, 'seed')}"
        only = words.quoted(baseline.name)
        return f"There is one arm, {only}, and nothing to compare it with: test accuracy {reached}.{told}"
    one = next((c for c in comparisons if c.arm == chosen), comparisons[0] if len(comparisons) == 1 else None)
    if one is not None:
        told = words.about_an_arm(about, one, baseline_chosen=chosen == baseline.name)
        named = (baseline.name, one.arm) if one.decision == "diverged" else ()
        return f"{told}{words.about_divergence(about, named)}"
    others = words.about_divergence(about, ())
    if all(c.n < SEEDS for c in comparisons) and not others:
        return words.about_too_few(about, comparisons)
    told = words.about_all(about, decision, comparisons, baseline_chosen=chosen == baseline.name)
    return f"{told}{others}"


def _undecided(comparisons: Sequence[ArmComparison], chosen: str | None) -> list[ArmComparison]:
    """The undecided arms that a reader is told more of: the chosen one, else the three nearest to a decision."""
    undecided = [c for c in comparisons if c.decision == "undecided"]
    if chosen in {c.arm for c in comparisons}:
        return [c for c in undecided if c.arm == chosen]
    return sorted(undecided, key=lambda c: (isnan(c.seeds_needed), c.seeds_needed))[:3]


def _of_all(
    conditions: Sequence[ConditionVerdict], arms: Sequence[Arm], protocol: Protocol
) -> tuple[Decision, str | None, str]:
    if len(conditions) == 1:
        return conditions[0].decision, conditions[0].chosen, conditions[0].headline
    decisions = [condition.decision for condition in conditions]
    found = dict.fromkeys(decisions)
    chosen = {condition.chosen for condition in conditions}
    headline = words.about_conditions(conditions, {arm.name: arm for arm in arms}, protocol)
    decision: Decision = decisions[0] if len(found) == 1 else "depends on the condition"
    return decision, chosen.pop() if len(chosen) == 1 else None, headline


def _sentences(conditions: Sequence[ConditionVerdict], headline: str) -> list[str]:
    if len(conditions) == 1:
        return list(conditions[0].sentences)
    told = [headline]
    for condition in conditions:
        first, *others = condition.sentences
        told += [f"{shape_title(condition.hidden, condition.train_size)}: {first}", *others]
    return list(dict.fromkeys(told))  # what holds for all of them is said once
