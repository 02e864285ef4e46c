"""From a study's tables to its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropstudy.names import counted
from dropstudy.stats import accuracy_standard_error, by_shape
from dropstudy.verdict import words
from dropstudy.verdict.comparing import compare_arms
from dropstudy.verdict.decide import MARGIN, SEEDS, decide_together
from dropstudy.verdict.paired import shape_tables
from dropstudy.verdict.records import ShapeVerdict, Verdict
from dropstudy.verdict.scores import arm_scores, choose, gap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dropstudy.records import Arm
    from dropstudy.verdict.paired import Answers, ShapeTables
    from dropstudy.verdict.records import ArmComparison, ArmScores, Decision, Protocol

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
) -> Verdict:
    """What a study shows.

    Args:
        history: one row per arm, shape, seed and epoch, columns of `EpochMetrics`.
        finals: one row per finished run: arm, rate, shape, seed, test_loss, test_accuracy, brier, and `epoch` where
            the weights tested need not be the last epoch's.
        arms: baseline first.
        watches_test: whether the test set was looked at every epoch.
        margin: differences within ±margin do not matter, in points, above 0.
        protocol: whose weights were tested.
        looks: numbers of seeds at which the verdict may have been looked at before more were added. With any, decisions
            rest on always-valid intervals.
        most_seeds: seeds up to which they are to be added until a decision; None where they are not.
        outcomes: arm, hidden, train_size, seed and status of every run planned.
        predictions: of (arm, hidden, train_size, seed) the `confidence` and `likelihood` of every test example, or None
            where they are not there.
    """
    parts = by_shape(history, finals)
    shapes = []
    for (hidden, train_size), rows, done in parts:
        of_shape = outcomes
        if outcomes is not None and len(parts) > 1:
            of_shape = outcomes[(outcomes["hidden"] == hidden) & (outcomes["train_size"] == train_size)]
        shapes.append(
            _shape_verdict(
                shape_tables(
                    rows, done, arms, outcomes=of_shape, answers=_answers(predictions, hidden, train_size)
                ),
                (hidden, train_size),
                watches_test=watches_test,
                margin=margin,
                protocol=protocol,
                always_valid=bool(looks),
            )
        )
    decision, chosen, headline = _of_all(shapes, arms)
    return Verdict(
        decision=decision,
        chosen=chosen,
        headline=headline,
        sentences=(*_sentences(shapes, headline), *_about_looking(looks, most_seeds)),
        margin=margin,
        protocol=protocol,
        watches_test=watches_test,
        anytime=bool(looks),
        shapes=tuple(shapes),
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
    """A shape as a heading: "Hidden layers 512-512, 60,000 training examples"."""
    return f"Hidden layers {hidden}, {train_size:,} training examples"


def _shape_verdict(
    tables: ShapeTables,
    shape: tuple[str, int],
    *,
    watches_test: bool,
    margin: float,
    protocol: Protocol,
    always_valid: bool,
) -> ShapeVerdict:
    scores = tuple(arm_scores(tables, arm) for arm in tables.arms)
    comparisons = compare_arms(tables, margin=margin, always_valid=always_valid)
    chosen = None if watches_test else choose(scores, tables, SEEDS)
    finished = {c.arm: c.decision for c in comparisons} if any(arm.seeds for arm in scores) else {}
    decision = decide_together(finished, chosen)
    gaps = tuple(gap(tables, arm) for arm in tables.arms)
    headline = _headline(
        tables,
        scores,
        comparisons,
        decision=decision,
        chosen=chosen,
        margin=margin,
        always_valid=always_valid,
    )
    sentences = [
        headline,
        _about_choosing(scores, comparisons, chosen, watches_test=watches_test, protocol=protocol),
        words.about_the_gap(gaps, chosen),
        words.about_artefact(gaps, watches_test=watches_test),
        _about_few_seeds(decision, scores, tables),
        *(words.about_power(c, margin, always_valid=always_valid) for c in _undecided(comparisons, chosen)),
        words.about_unfinished(scores),
        words.about_convergence(scores),
    ]
    return ShapeVerdict(
        hidden=shape[0],
        train_size=shape[1],
        baseline=tables.arms[0].name,
        decision=decision,
        chosen=chosen,
        headline=headline,
        sentences=tuple(sentence for sentence in sentences if sentence),
        arms=scores,
        comparisons=comparisons,
        gaps=gaps,
    )


def _headline(
    tables: ShapeTables,
    scores: Sequence[ArmScores],
    comparisons: Sequence[ArmComparison],
    *,
    decision: Decision,
    chosen: str | None,
    margin: float,
    always_valid: bool,
) -> str:
    baseline, arms = tables.arms[0], {arm.name: arm for arm in tables.arms}
    if not any(arm.seeds for arm in scores):
        return "No run finished, so there is nothing to compare."
    if not comparisons:
        reached = f"{100 * scores[0].mean.value:.2f}% over {counted(scores[0].mean.n, 'seed')}"
        only = words.quoted(baseline.name)
        return f"There is one arm, {only}, and nothing to compare it with: test accuracy {reached}."
    family = sum(c.n >= SEEDS for c in comparisons)
    told = next(
        (c for c in comparisons if c.arm == chosen), comparisons[0] if len(comparisons) == 1 else None
    )
    if told is not None:
        return words.about_an_arm(
            arms[told.arm], told, baseline, margin=margin, family=family, always_valid=always_valid
        )
    if decision == "too few seeds" and family == 0:
        so_far = f"{words.plain_differences(comparisons)} points against {words.quoted(baseline.name)}"
        return f"No verdict: {words.seeds_missing(max(c.n for c in comparisons))}. So far test accuracy: {so_far}."
    return words.about_all(decision, arms, comparisons, baseline)


def _about_few_seeds(decision: Decision, scores: Sequence[ArmScores], tables: ShapeTables) -> str:
    """What one accuracy is worth, for readers who have too few for an interval."""
    examples = next((len(right) for right in tables.right.values()), 0)
    if decision != "too few seeds" or not examples or not scores[0].seeds:
        return ""
    error = 100 * accuracy_standard_error(scores[0].mean.value, examples)
    return (
        f"Another seed gives other accuracies, and {examples:,} test examples alone leave each uncertain by "
        f"{error:.2f} points (standard error)."
    )


def _about_choosing(
    scores: Sequence[ArmScores],
    comparisons: Sequence[ArmComparison],
    chosen: str | None,
    *,
    watches_test: bool,
    protocol: Protocol,
) -> str:
    if watches_test:
        warning = (
            "The test set was watched after every epoch, so nothing may be chosen on it, no epoch and no rate"
        )
        if sum(c.n >= SEEDS for c in comparisons) > 1:
            order = sorted((c for c in comparisons if c.n >= SEEDS), key=lambda c: -c.difference.value)
            ranking = ", ".join(
                f"{words.quoted(c.arm)} {words.signed(c.difference.value)} ({words.span(c.simultaneous)})"
                for c in order
            )
            return f"{warning}; in order, with intervals that hold together at 95%: {ranking} points."
        return f"{warning}: hold out validation data to choose one."
    if chosen is None:
        return ""
    considered = sum(len(arm.seeds) >= SEEDS for arm in scores)
    epoch = "" if protocol == "final" else ", each run at its epoch of lowest validation loss"
    if chosen == scores[0].arm:
        return f"Validation accuracy is best for {words.quoted(chosen)}, of {considered} arms{epoch}."
    rest = words.beside(comparisons, chosen)
    best = f"It is the best of {considered} arms by validation accuracy{epoch}"
    return f"{best}; {rest}." if rest else f"{best}."


def _undecided(comparisons: Sequence[ArmComparison], chosen: str | None) -> list[ArmComparison]:
    """The undecided arms that a reader is told the power of: the chosen one, else that of the widest spread."""
    undecided = [c for c in comparisons if c.decision == "undecided"]
    if chosen in {c.arm for c in comparisons}:
        return [c for c in undecided if c.arm == chosen]
    return sorted(undecided, key=lambda c: -c.seeds_needed)[:1]


def _of_all(shapes: Sequence[ShapeVerdict], arms: Sequence[Arm]) -> tuple[Decision, str | None, str]:
    if len(shapes) == 1:
        return shapes[0].decision, shapes[0].chosen, shapes[0].headline
    decisions = [shape.decision for shape in shapes]
    found = dict.fromkeys(decisions)
    chosen = {shape.chosen for shape in shapes}
    headline = words.about_shapes(shapes, {arm.name: arm for arm in arms})
    decision: Decision = decisions[0] if len(found) == 1 else "depends on the shape"
    return decision, chosen.pop() if len(chosen) == 1 else None, headline


def _sentences(shapes: Sequence[ShapeVerdict], headline: str) -> list[str]:
    if len(shapes) == 1:
        return list(shapes[0].sentences)
    told = [headline]
    for shape in shapes:
        first, *others = shape.sentences
        told += [f"{shape_title(shape.hidden, shape.train_size)}: {first}", *others]
    return list(dict.fromkeys(told))  # what holds for all of them is said once
