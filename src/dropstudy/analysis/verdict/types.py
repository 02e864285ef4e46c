"""Records of a verdict, frozen: from the whole study down to one arm at one condition.

Differences are in the unit of the study's metric, an arm minus the baseline; values are as they are stored (`Metric`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any, Literal

from dropstudy.core.json_values import json_values
from dropstudy.core.metrics import ACCURACY, METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropstudy.analysis.stats import Estimate, Mean
    from dropstudy.analysis.stats.noise import Noise
    from dropstudy.analysis.stats.posterior import Posterior
    from dropstudy.analysis.stats.rate_curve import RateCurve
    from dropstudy.analysis.stats.robust import RobustCentres
    from dropstudy.analysis.verdict.choice import Choice
    from dropstudy.analysis.verdict.design import TestedWeights
    from dropstudy.analysis.verdict.metrics import MetricDifference
    from dropstudy.analysis.verdict.over_epochs import HalfTime
    from dropstudy.core.types import MetricName, NoiseSource

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


@dataclass(frozen=True)
class ArmScores:
    """Scores of an arm's runs at a condition.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        seeds: that finished, ascending.
        test_accuracy: seed by seed.
        mean: of the study's metric on the test set.
        means: of each metric on the test set, by name; NaN where it was not measured.
        validation: mean over seeds of the study's metric on the validation data, of the tested weights; arms are chosen
            by it.
        val_loss: likewise, in nats.
        diverged: runs whose loss became infinite or not a number.
        failed: runs that ended without a result for another cause.
        missing: runs queued or running.
        still_falling: seeds whose validation loss was lowest at the very end of training.
        seconds: mean time of a run.
        epochs: mean epochs of a run.
        most_epochs: of the longest run.
        one_class: runs that predict one class for the whole test set, although the labels differ.
    """

    arm: str
    rate: float
    seeds: tuple[int, ...]
    test_accuracy: tuple[float, ...]
    mean: Mean
    means: Mapping[MetricName, float]
    validation: Mean
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
        """Runs, whatever their status."""
        return len(self.seeds) + self.diverged + self.failed + self.missing

    @property
    def improving(self) -> bool:
        """True where most runs were still improving on validation data when they ended."""
        return 2 * self.still_falling > len(self.seeds)


@dataclass(frozen=True)
class ArmComparison:
    """An arm against the baseline at one condition, paired by seed; test accuracy, percentage points.

    Intervals, p values and effect size are unknown where the differences are all equal.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        baseline: the baseline's name.
        n: seeds that finished in both.
        seeds: which, ascending.
        differences: seed by seed.
        difference: mean with the 95% paired t interval, of this arm alone and for a single look.
        bca: mean with a bootstrap interval.
        robust: trimmed mean and median, and the differences that lie far from the others.
        simultaneous: mean with the interval that holds for all arms of the condition at once.
        anytime: mean with the interval that holds for all arms and at every look.
        over_seeds: the one that allows for other seeds, on these test examples: `anytime` in a sequential design, else
            `simultaneous`.
        deciding: the one that the decision rests on, shown everywhere: for other seeds and other test examples
            (`stats.two_way`), never narrower than `over_seeds`; without predictions it is `over_seeds`.
        deciding_label: its name.
        family: arms that p values and intervals are adjusted for.
        new_data: mean with the interval for other seeds and other test examples, for all arms of the condition; None
            without predictions.
        example_error: standard error from the choice of test examples, which more seeds do not change; None likewise.
        examples_needed: test examples with which these seeds tell the difference from 0, or from ±margin where that is
            farther away, with 80% power; not a number likewise.
        test_examples: in the test set; None where that is not known.
        unseen: difference that other examples may show although none of these does
            (`stats.unseen.unseen`), in points; None likewise.
        diverged: seeds in which the arm or the baseline diverged.
        p_value: of the sign-flip test, two-sided.
        exact: whether all flips were enumerated, or a sample of them.
        p_adjusted: for all arms of the condition (step-down max-t over the same flips); the decision rests on it.
        p_holm: by Holm's correction, for comparison.
        improvement: probability that the arm is better at a seed.
        effect_size: mean over deviation of the differences.
        tost_p: of two one-sided t tests that the true difference lies within ±margin.
        tost_holm: the same by Holm's correction.
        decision: on this arm.
        decision_on_these: by the interval over seeds: what holds on these test examples.
        sought: the difference that `seeds_needed` is for: the observed one, or the margin where that is larger.
        seeds_needed: for 80% power at a true difference of `sought`, over the arms of the condition, with these test
            examples; infinite above 10,000, not a number where the differences are all equal.
        seeds_low: the same at the lower end of the 95% interval of the deviation from seed to seed.
        seeds_high: the same at its upper end.
        detectable: smallest true difference detected with 80% power by these n seeds at a single look.
        metrics: each measured metric.
        metric: name of the one that all of these are about.
        posterior: probabilities of better, no difference that matters and worse; None without a decision's seeds.
        noise: of the difference, by its sources; None without predictions.
        p_interval: smallest level at which `deciding`, for all arms of the condition, may exclude 0.
        p_everywhere: the same for all conditions (`verdict.conditions`); not a number with one condition.
        q_everywhere: the same for claims as a list, by the false discovery rate; not a number with few conditions.
        stopped: whether a search stopped the arm, because validation data show another one to be better.
    """

    arm: str
    rate: float
    baseline: str
    n: int
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    difference: Estimate
    bca: Estimate
    robust: RobustCentres
    simultaneous: Estimate
    anytime: Estimate
    over_seeds: Estimate
    deciding: Estimate
    deciding_label: str
    family: int
    new_data: Estimate | None
    example_error: float | None
    examples_needed: float
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
    decision_on_these: Decision
    sought: float
    seeds_needed: float
    seeds_low: float
    seeds_high: float
    detectable: float
    metrics: tuple[MetricDifference, ...] = ()
    metric: MetricName = ACCURACY.name
    posterior: Posterior | None = None
    noise: Noise | None = None
    p_interval: float = nan
    p_everywhere: float = nan
    q_everywhere: float = nan
    stopped: bool = False

    @property
    def measure(self) -> Metric:
        """The study's metric."""
        return METRICS[self.metric]

    @property
    def gain(self) -> float:
        """The mean difference, above 0 where the arm is the better one."""
        return self.measure.sign * self.difference.value

    @property
    def all_equal(self) -> bool:
        """True where all seeds gave the same difference, which shows nothing about other seeds."""
        return self.n > 1 and not self.difference.known

    @property
    def state(self) -> Decision | Literal["stopped"]:
        """The decision in tables and sentences: "stopped" where a search gave the arm too few seeds for one."""
        return "stopped" if self.stopped and self.decision == "too few seeds" else self.decision

    @property
    def on_these_only(self) -> bool:
        """True where nothing is decided for new data, and something is on these test examples."""
        return self.decision == "undecided" and self.decision_on_these in DECIDED


@dataclass(frozen=True)
class Gap:
    """The gap of an arm between training and evaluation, step by step; means over seeds, percentage points.

    Args:
        arm: the arm's name.
        n: seeds.
        printed: the gap as Keras measures it: running training accuracy - validation accuracy.
        moving: effect of weights that move during the epoch: running accuracy - accuracy at its end with dropout on.
            None where that was not measured.
        dropout: effect of dropout: accuracy at the end of the epoch with dropout on - with it off. None likewise.
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
class SourcesOfNoise:
    """Standard deviation over seeds, in the unit of the metric: in all, and of one source drawn anew.

    Args:
        arm: the arm's name.
        baseline: the arm that its difference is from; empty for the arm's own score.
        together: over the study's seeds, which draw everything.
        alone: of each source that was drawn anew; without one that the arm does not draw.
    """

    arm: str
    baseline: str
    together: Estimate
    alone: dict[NoiseSource, Estimate]


@dataclass(frozen=True)
class ConditionVerdict:
    """Verdict of one condition: one network on one number of training examples.

    Args:
        hidden: its hidden layers, such as "512-512"; empty where the tables have no conditions.
        train_size: examples trained on; 0 likewise.
        baseline: name of the arm that the others are compared with.
        decision: on this condition.
        decision_on_these: what holds on these test examples: by the intervals over seeds.
        chosen: the arm that validation data chose, the baseline included; None where nothing may be chosen.
        choice: how it was chosen; None likewise.
        label: the decision in a few words, true of each arm.
        headline: the decision as one sentence.
        sentences: the headline and all remarks.
        arms: scores of each arm, baseline first.
        comparisons: each other arm against the baseline.
        gaps: of each arm.
        metric: name of the study's metric.
        curve: over the rates, on validation data; None below as many rates and seeds as it takes.
        half_time: decision on each arm at half of the epochs, where histories show it.
        sources: of the spread over seeds, where they were asked for; no decision rests on them.
    """

    hidden: str
    train_size: int
    baseline: str
    decision: Decision
    decision_on_these: Decision
    chosen: str | None
    choice: Choice | None
    label: str
    headline: str
    sentences: tuple[str, ...]
    arms: tuple[ArmScores, ...]
    comparisons: tuple[ArmComparison, ...]
    gaps: tuple[Gap, ...]
    metric: MetricName = ACCURACY.name
    curve: RateCurve | None = None
    half_time: tuple[HalfTime, ...] = ()
    sources: tuple[SourcesOfNoise, ...] = ()

    @property
    def measure(self) -> Metric:
        """The study's metric."""
        return METRICS[self.metric]

    @property
    def subject(self) -> ArmComparison | None:
        """The comparison that the decision is about: of the chosen arm, or of the only one."""
        chosen = [c for c in self.comparisons if c.arm == self.chosen]
        only = self.comparisons if len(self.comparisons) == 1 else ()
        return next(iter((*chosen, *only)), None)

    def scores(self, arm: str) -> ArmScores:
        """Scores of the arm of that name."""
        return next(scores for scores in self.arms if scores.arm == arm)


@dataclass(frozen=True)
class Verdict:
    """Verdict of a study.

    Args:
        decision: of its one condition, or of all where they agree.
        chosen: the arm that validation data chose, likewise.
        label: the decision in a few words, true of each arm and condition.
        headline: the decision as one sentence.
        sentences: the headline and all remarks, in order.
        margin: differences within ±margin do not matter, in the unit of the metric.
        tested_weights: which weights were tested.
        watches_test: whether the test set was evaluated every epoch, so that nothing may be chosen on it.
        anytime: whether decisions rest on always-valid intervals.
        conditions: one by one.
        confirmations: verdicts on fresh seeds, where the study was confirmed.
        earlier_margins: margins of its metric that the study had before, when runs had finished already.
        earlier_metrics: names of metrics that it had before, likewise.
        metric: name of its metric.
        disclosures: those of `sentences` on what was changed after results may have been seen.
        hints: sentences on data that make it look too good, and on metrics that fit them better.
    """

    decision: Decision
    chosen: str | None
    label: str
    headline: str
    sentences: tuple[str, ...]
    margin: float
    tested_weights: TestedWeights
    watches_test: bool
    anytime: bool
    conditions: tuple[ConditionVerdict, ...] = field(repr=False)
    confirmations: tuple[Verdict, ...] = field(default=(), repr=False)
    earlier_margins: tuple[float, ...] = ()
    earlier_metrics: tuple[MetricName, ...] = ()
    disclosures: tuple[str, ...] = ()
    metric: MetricName = ACCURACY.name
    hints: tuple[str, ...] = ()

    @property
    def measure(self) -> Metric:
        """The metric that the verdict is about."""
        return METRICS[self.metric]

    @property
    def decided(self) -> bool:
        """True where every condition has its decision."""
        return bool(self.conditions) and all(condition.decision in DECIDED for condition in self.conditions)

    @property
    def open_comparisons(self) -> list[ArmComparison]:
        """Comparisons without a decision, of each open condition that of the chosen arm, else all."""
        found = []
        for condition in self.conditions:
            if condition.decision not in DECIDED:
                chosen = [c for c in condition.comparisons if c.arm == condition.chosen]
                found += [c for c in chosen or condition.comparisons if c.decision not in DECIDED]
        return found

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        return f"Verdict({self.decision!r}: {self.headline})"

    def _repr_html_(self) -> str:
        from dropstudy.analysis.verdict.tables import html  # noqa: PLC0415 - pandas is slow to import

        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, text and numbers, for JSON; numbers that are not finite become None."""
        plain: dict[str, Any] = json_values(asdict(self))
        return plain
