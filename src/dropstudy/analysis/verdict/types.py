"""Records of a verdict, frozen: from the whole study down to one arm at one condition.

Differences of accuracies are in percentage points, an arm minus the baseline; accuracies are shares in [0, 1].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dropstudy.analysis.stats import Estimate, Mean

Decision = Literal[
    "helps",
    "hurts",
    "equivalent",
    "undecided",
    "too few seeds",
    "diverged",
    "nothing to compare",
    "depends on the condition",
]
DECIDED: frozenset[Decision] = frozenset({"helps", "hurts", "equivalent"})

Protocol = Literal["final", "best"]
"""Weights that are tested: those of the last epoch, or of each run's epoch of lowest validation loss."""


@dataclass(frozen=True)
class ArmScores:
    """Scores of an arm's runs at a condition.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        seeds: that finished, ascending.
        test_accuracy: theirs, seed by seed.
        mean: of these.
        val_accuracy: mean over the seeds that finished, at the epoch whose weights were tested; what an arm is
            chosen by.
        val_loss: likewise, in nats.
        diverged: runs whose loss was no longer finite.
        failed: runs that ended without a result for another cause.
        missing: runs planned or under way.
        still_falling: seeds whose validation loss was lowest at the very end of training.
        seconds: mean time of a run.
        epochs: mean epochs of a run.
        most_epochs: of the longest run.
        one_class: finished runs whose answers on the test set are all one class, although the labels are not.
    """

    arm: str
    rate: float
    seeds: tuple[int, ...]
    test_accuracy: tuple[float, ...]
    mean: Mean
    val_accuracy: Mean
    val_loss: Mean
    diverged: int
    failed: int
    missing: int
    still_falling: int
    seconds: float
    epochs: float
    most_epochs: int = 0
    one_class: int = 0

    @property
    def planned(self) -> int:
        """Runs, whatever became of them."""
        return len(self.seeds) + self.diverged + self.failed + self.missing

    @property
    def converged(self) -> bool:
        """False where most runs were still getting better on validation data when they ended."""
        return 2 * self.still_falling <= len(self.seeds)


@dataclass(frozen=True)
class MetricDifference:
    """Another metric of an arm and the baseline, over the seeds of the comparison.

    Args:
        metric: its name, for instance "log loss".
        unit: "points", "nats" or "".
        better: whether lower or higher is better, or neither.
        baseline: mean of the baseline.
        arm: mean of the arm.
        difference: arm - baseline, paired t.
    """

    metric: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    baseline: float
    arm: float
    difference: Estimate


@dataclass(frozen=True)
class ArmComparison:
    """An arm against the baseline at one condition, paired by seed; test accuracy, percentage points.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        baseline: the baseline's name.
        n: seeds that finished in both.
        seeds: which, ascending.
        differences: theirs.
        difference: mean with the 95% paired t interval, of this arm alone and for a single look. Like all intervals
            here it is unknown where the differences are all equal.
        bca: with a bootstrap interval.
        simultaneous: with the interval that holds for all arms of the condition at once.
        anytime: with the interval that holds for all arms at once and however often seeds were added and looked at.
        deciding: the one of these that the decision rests on, which sentences, tables and charts show: `anytime` where
            seeds were added until a decision, else `simultaneous`.
        deciding_label: what that interval is, in words.
        family: arms that p values and intervals allow for.
        new_data: with an interval for other test examples from the same source, too; None without predictions.
        example_error: standard error from the choice of test examples alone; None likewise.
        test_examples: in the test set; None where that is not known.
        unseen: what a difference may be on other examples although none of these shows it (`stats.newdata.unseen`), in
            points; None likewise.
        diverged: seeds in which the arm or the baseline diverged.
        p_value: of the sign-flip test, two-sided.
        exact: whether all flips were gone through, or a sample of them.
        p_adjusted: for all arms of the condition (step-down max-t over the same flips); what the decision rests on.
        p_holm: by Holm's correction, for comparison.
        improvement: probability that the arm is the better one at a seed.
        effect_size: mean over deviation of the differences.
        tost_p: of two one-sided t tests that the true difference lies within ±margin.
        tost_holm: Holm's, over the arms of the condition.
        decision: about this arm.
        sought: the difference that `seeds_needed` is for: the one observed, or the margin where that is larger.
        seeds_needed: for 80% power at a true difference of `sought`, over the arms of the condition; infinite where no
            study can, not a number where the differences are all equal.
        seeds_low: likewise, at the lower end of the 95% interval of the deviation from seed to seed.
        seeds_high: likewise, at its upper end.
        detectable: smallest true difference found with 80% power with these n seeds.
        metrics: other metrics.
    """

    arm: str
    rate: float
    baseline: str
    n: int
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    difference: Estimate
    bca: Estimate
    simultaneous: Estimate
    anytime: Estimate
    deciding: Estimate
    deciding_label: str
    family: int
    new_data: Estimate | None
    example_error: float | None
    test_examples: int | None
    unseen: float | None
    diverged: int
    p_value: float
    exact: bool
    p_adjusted: float
    p_holm: float
    improvement: Estimate
    effect_size: Estimate
    tost_p: float
    tost_holm: float
    decision: Decision
    sought: float
    seeds_needed: float
    seeds_low: float
    seeds_high: float
    detectable: float
    metrics: tuple[MetricDifference, ...] = ()

    @property
    def all_equal(self) -> bool:
        """True where all seeds gave the same difference, and so say nothing of other seeds."""
        return self.n > 1 and not self.difference.known

    @property
    def resolution(self) -> float:
        """The least margin, in points, of which so many test examples can show that a difference lies within it."""
        return max(self.unseen or 0.0, self.example_error or 0.0)

    @property
    def only_here(self) -> bool:
        """True where the interval for other test examples, too, holds 0: the decision is about this test set."""
        return self.new_data is not None and self.new_data.low <= 0 <= self.new_data.high


@dataclass(frozen=True)
class Gap:
    """The gap of an arm between training and evaluation, step by step; means over seeds, percentage points.

    Args:
        arm: the arm's name.
        n: seeds.
        printed: the gap as Keras prints it: running training accuracy - validation accuracy.
        moving: running accuracy - accuracy at the end of the epoch with dropout still on: what weights that move while
            the mean is taken do. None where that accuracy was not measured.
        dropout: accuracy at the end of the epoch with dropout on - with it off: what switching units off does. None
            likewise.
        artefact: both together: running accuracy - clean accuracy.
        true: clean accuracy - test accuracy.
        validation: test accuracy - validation accuracy; 0 where they are the same data.
    """

    arm: str
    n: int
    printed: Mean
    moving: Mean | None
    dropout: Mean | None
    artefact: Mean
    true: Mean
    validation: Mean


@dataclass(frozen=True)
class ConditionVerdict:
    """Verdict of one condition: one network on one number of training examples.

    Args:
        hidden: its hidden layers, such as "512-512"; empty where the tables do not say.
        train_size: examples trained on; 0 likewise.
        baseline: name of the arm that the others are held against.
        decision: about dropout at this condition.
        chosen: the arm that validation data chose, the baseline included; None where nothing may be chosen.
        label: the decision in a few words, true of each arm.
        headline: the decision as one sentence.
        sentences: the headline and what belongs beside it.
        arms: what each arm reached, baseline first.
        comparisons: each other arm against the baseline.
        gaps: of each arm.
    """

    hidden: str
    train_size: int
    baseline: str
    decision: Decision
    chosen: str | None
    label: str
    headline: str
    sentences: tuple[str, ...]
    arms: tuple[ArmScores, ...]
    comparisons: tuple[ArmComparison, ...]
    gaps: tuple[Gap, ...]

    @property
    def open_comparisons(self) -> tuple[ArmComparison, ...]:
        """Those without a decision: that of the chosen arm, else all."""
        told = [c for c in self.comparisons if c.arm == self.chosen] or self.comparisons
        return tuple(c for c in told if c.decision not in DECIDED)


@dataclass(frozen=True)
class Verdict:
    """Verdict of a study.

    Args:
        decision: of its one condition, or of all where they agree.
        chosen: likewise the arm that validation data chose.
        label: the decision in a few words, true of each arm and condition.
        headline: the decision as one sentence.
        sentences: all that a reader is told, in order.
        margin: differences within ±margin do not matter, in points.
        protocol: whose weights were tested.
        watches_test: whether the test set was looked at every epoch, so that nothing may be chosen on it.
        anytime: whether decisions rest on intervals that allow for looking while seeds are added.
        conditions: one by one.
        confirmations: verdicts on fresh seeds, where the study was confirmed.
        earlier_margins: that the study had before this one, when runs had finished already.
    """

    decision: Decision
    chosen: str | None
    label: str
    headline: str
    sentences: tuple[str, ...]
    margin: float
    protocol: Protocol
    watches_test: bool
    anytime: bool
    conditions: tuple[ConditionVerdict, ...] = field(repr=False)
    confirmations: tuple[Verdict, ...] = field(default=(), repr=False)
    earlier_margins: tuple[float, ...] = ()

    @property
    def decided(self) -> bool:
        """True where every condition has its decision."""
        return bool(self.conditions) and all(condition.decision in DECIDED for condition in self.conditions)

    def out_of_reach(self, most: int) -> str:
        """Reason why even `most` seeds are unlikely to decide it, as a sentence; empty where they may.

        Where runs diverged, other seeds do not take that back. Else the number of seeds needed counts, at the lower end
        of what the spread from seed to seed may be.
        """
        open_conditions = [condition for condition in self.conditions if condition.decision not in DECIDED]
        undecided = [c for condition in open_conditions for c in condition.open_comparisons]
        if any(c.decision != "undecided" for c in undecided):
            told = {c.decision for c in undecided}
            return "Runs diverged, and more seeds do not change that." if told == {"diverged"} else ""
        least = min((c.seeds_low for c in undecided if not c.all_equal), default=0.0)
        if any(c.all_equal for c in undecided) or least <= most:
            return ""
        count = f"at least {least:,.0f} seeds" if isfinite(least) else "more than 10,000 seeds"
        return f"This is likely to take {count}, more than the {most} allowed (--max-seeds)."

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        return f"Verdict({self.decision!r}: {self.headline})"

    def _repr_html_(self) -> str:
        from dropstudy.analysis.verdict.notebook import html  # noqa: PLC0415 - it shows records, and is above them

        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, text and numbers, for JSON; what is not a finite number becomes None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
