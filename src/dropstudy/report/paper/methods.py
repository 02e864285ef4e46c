"""Sentences for the methods section of a paper: training, pairing, intervals, tests, decisions, versions.

Names of tests and references are those of docs/verdict.md.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from dropstudy.analysis.assess import looks
from dropstudy.analysis.stats.sign_flip import SAMPLED
from dropstudy.analysis.verdict.phrases import capital, described, is_dropout, listed, quoted
from dropstudy.analysis.verdict.rule import EQUIVALENCE, LEVEL, SEEDS
from dropstudy.core.metrics import METRICS
from dropstudy.core.text import counted
from dropstudy.report.title import data_name
from dropstudy.spec.arms import arm_name
from dropstudy.spec.splits import validation_count
from dropstudy.store.directory import FIND_RATE, UNTIL_DECIDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dropstudy.analysis.given_scores import ScoresAssessed
    from dropstudy.analysis.verdict.types import ArmComparison, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm
    from dropstudy.report.assessed import Assessed
    from dropstudy.report.snapshot import Snapshot


def methods(snapshot: Snapshot) -> list[str]:
    """What was done, a sentence each, true of this study."""
    verdict = snapshot.verdict
    pairing = "Runs of one seed share split, initial weights, batch order and random draws."
    if snapshot.spec.of_function:
        pairing = "Runs of one seed got the same seed."
    return [
        *([] if len(snapshot.finals) else ["No run has finished: this describes the plan."]),
        *_training(snapshot),
        *_arms(snapshot, _of(snapshot), pairing),
        *_test_set(snapshot),
        *_inference(verdict),
        *_looks(snapshot),
        *_confirmations(verdict),
        *_margins(verdict),
        _versions(snapshot),
    ]


def _training(snapshot: Snapshot) -> Iterator[str]:
    spec, metadata = snapshot.spec, snapshot.metadata
    networks = listed(list(dict.fromkeys(hidden for hidden, _ in snapshot.conditions)))
    sizes = listed([f"{size:,}" for size in dict.fromkeys(size for _, size in snapshot.conditions)])
    subject = f"Fully connected networks with hidden layers {networks} ({spec.activation})"
    if spec.of_function:
        yield from _of_function(snapshot)
        return
    if spec.model is not None:
        subject = (
            f"Networks of the Keras model {quoted(spec.model.name)} ({spec.model.parameters:,} parameters)"
        )
    yield (
        f"{subject} were trained on "
        f"{data_name(snapshot)} ({sizes} training examples, {metadata['n_test']:,} test examples)."
    )
    optimizer = spec.optimizer
    decay = f", times {optimizer.decay:g} after each epoch" if optimizer.decay != 1 else ""
    momentum = f", momentum {optimizer.momentum:g}" if optimizer.momentum else ""
    stop = f", or until validation loss had not fallen for {counted(spec.patience, 'epoch')}"
    settings = (
        f"{'Adam' if optimizer.name == 'adam' else 'SGD'} (learning rate "
        f"{optimizer.learning_rate:g}{decay}{momentum})"
    )
    optimized = settings if spec.model is None else spec.model.optimizer
    yield (
        f"They were trained with {optimized} in batches of {spec.batch_size} for "
        f"{counted(spec.epochs, 'epoch')}{stop if spec.patience else ''}."
    )


def _of_function(snapshot: Snapshot) -> Iterator[str]:
    """What is known of a training function, which its author describes."""
    on = "" if snapshot.has_own_data else f" on {data_name(snapshot)}"
    yield f"Networks were trained{on} by the function {snapshot.spec.model.function} [describe it here]."  # type: ignore[union-attr]
    epochs = snapshot.history.groupby("key" if "key" in snapshot.history else ["arm", "seed"])["epoch"].max()
    if len(epochs) and epochs.max() > 1:
        low, high = int(epochs.min()), int(epochs.max())
        yield f"They were trained for {low if low == high else f'{low} to {high}'} epochs."


def methods_on_scores(scores: ScoresAssessed) -> list[str]:
    """The same of scores that others computed: what was done with them."""
    return [
        f"{scores.metric.subject} of runs that had been trained already was read from {scores.table.source}.",
        *_metric(scores.metric),
        *_arms(scores, "units", "Runs of one seed were compared with each other."),
        *_choice(scores),
        *_inference(scores.verdict),
        f"Computed by dropstudy {version('dropstudy')} with Python {platform.python_version()}.",
    ]


def _arms(snapshot: Assessed, dropped: str, pairing: str) -> Iterator[str]:
    baseline, *others = snapshot.arms
    if not others:
        return
    if all(map(is_dropout, others)):
        rates = listed([f"{arm.common_rate:g}" for arm in others])
        subject = (
            f"Dropout at {'rate' if len(others) == 1 else 'rates'} {rates} (share of {dropped} dropped) was"
        )
    else:
        subject = f"{listed(list(map(_named, others)))} {'was' if len(others) == 1 else 'were'}"
    yield f"{capital(subject)} compared with {_named(baseline)}."
    if any(isinstance(arm.rate, tuple) for arm in snapshot.arms):
        yield "Rates in a list are those of the hidden layers, from the input on."
    pairs = sorted({c.n for c in _comparisons(snapshot.verdict)})
    n = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else str(pairs[0])
    yield f"Each comparison has n = {n} paired {'seed' if pairs == [1] else 'seeds'}."
    yield pairing
    lost = [(quoted(s.arm), s.diverged) for c in snapshot.verdict.conditions for s in c.arms if s.diverged]
    if lost:
        runs = listed([f"{counted(count, 'run')} of {arm}" for arm, count in lost])
        yield f"The loss diverged in {runs}. Comparisons with these arms have no decision."


def _of(snapshot: Snapshot) -> str:
    if snapshot.spec.of_function:
        return "units"
    return (
        "hidden units" if snapshot.spec.model is None else f"units in {listed([*snapshot.spec.model.noise])}"
    )


def _named(arm: Arm) -> str:
    """An arm by its name, and by its settings where the name does not have them."""
    if is_dropout(arm):
        return described(arm)
    settings = arm_name(arm)
    return quoted(arm.name) if settings == arm.name else f"{quoted(arm.name)} ({settings})"


def _test_set(snapshot: Snapshot) -> Iterator[str]:
    spec = snapshot.spec
    yield from _metric(snapshot.metric)
    best = spec.restore_best_weights or spec.patience
    if spec.of_function:
        yield from () if spec.watches_test else _choice(snapshot)
        return
    weights = "with the weights of the epoch of lowest validation loss" if best else "after the last epoch"
    if spec.watches_test:
        yield f"{snapshot.metric.subject} was measured {weights}."
        yield "The test set was also evaluated after every epoch; no rate and no epoch were chosen on it."
        return
    yield f"{snapshot.metric.subject} was measured once, {weights}."
    count = validation_count(spec, snapshot.metadata["n_train"])
    drawn = "the same for all seeds" if spec.fixed_validation else "drawn for each seed"
    yield f"The validation data are {count:,} training examples that were held out, {drawn}."
    yield from _choice(snapshot)


def _choice(snapshot: Assessed) -> Iterator[str]:
    if any(condition.chosen is not None for condition in snapshot.verdict.conditions):
        metric = snapshot.metric
        best_mean = f"{'highest' if metric.better == 'higher' else 'lowest'} mean {metric.on_validation}"
        yield f"The arm with the {best_mean} was chosen."


def _metric(metric: Metric) -> Iterator[str]:
    """What a metric that is not accuracy is."""
    if metric.name == "balanced-accuracy":
        yield "Balanced accuracy is the mean recall of the classes."
    elif metric.name == "auc":
        yield "AUC is the area under the ROC curve; of several classes, the mean of each against all others."
    elif metric.name == "log-loss":
        yield "Log loss is the mean cross-entropy in nats."


def _inference(verdict: Verdict) -> Iterator[str]:
    compared = _comparisons(verdict)
    if not compared:
        return
    known = [c for c in compared if c.difference.known]
    if not known:
        equal = any(c.all_equal for c in compared)
        yield (
            "No test was made, since all seeds gave the same difference."
            if equal
            else f"No test was made: a decision takes {SEEDS} paired seeds."
        )
        return
    yield _intervals(known, always_valid=verdict.anytime)
    yield from _new_data(known)
    yield from _tests(known)
    yield "Effect sizes are mean over standard deviation of the paired differences (Cumming and Finch 2001)."
    if all(c.n < SEEDS for c in known):
        yield f"No decision was made: it takes {SEEDS} paired seeds."
        return
    several = any(c.family > 1 for c in known)
    yield (
        f"An arm was said to help or hurt if {'adjusted p' if several else 'p'} was at most {LEVEL:g} and the "
        "interval excluded 0."
    )
    holm = ", with Holm's correction (Holm 1979)" if several else ""
    tost = f" and two one-sided t tests at level {EQUIVALENCE:g} agreed (Schuirmann 1987){holm}"
    yield (
        f"It was said to be equivalent to the baseline if the interval lay within "
        f"±{verdict.measure.amount(f'{verdict.margin:g}')}{'' if verdict.anytime else tost}."
    )
    if any(c.unseen is not None and c.new_data is None for c in known):
        yield "That also took enough test examples to resolve the margin (Clopper and Pearson 1934)."
    yield "All other comparisons are undecided."


def _new_data(known: Sequence[ArmComparison]) -> Iterator[str]:
    """What the intervals that decide add to those over seeds."""
    if not any(c.new_data for c in known):
        yield "They allow for other seeds, on these test examples."
        return
    family = max(c.family for c in known)
    arms = f", for {family} arms together (Hasler and Hothorn 2008)" if family > 1 else ""
    yield (
        "Decisions rest on intervals that allow for other test examples too: two-way random effects of seeds and "
        f"examples with Satterthwaite's degrees of freedom{arms} (Cornfield and Tukey 1956; Satterthwaite 1946), never "
        "narrower than those over seeds. Of examples, those that differ in some seed count."
    )


def _intervals(known: Sequence[ArmComparison], *, always_valid: bool) -> str:
    subject = f"Mean paired differences in {known[0].measure.on_test} have"
    family = max(c.family for c in known)
    if always_valid:
        together = f" for {family} arms together, at level {LEVEL:g}/{family} each" if family > 1 else ""
        source = "Lai 1976; Wang and Ramdas 2025; Perez-Ortiz et al. 2024"
        return f"{subject} always-valid 95% intervals{together}, which hold at every look ({source})."
    if family == 1:
        return f"{subject} 95% intervals from Student's t (Student 1908)."
    same_seeds = len({c.seeds for c in known if c.family > 1}) == 1
    how = "Hothorn, Bretz and Westfall 2008" if same_seeds else "Sidak 1967"
    return f"{subject} 95% intervals that hold for {family} arms together (max-t; {how})."


def _tests(known: Sequence[ArmComparison]) -> Iterator[str]:
    sizes = {c.n for c in known}
    if all(c.exact for c in known):
        count = f"all {2 ** min(sizes):,} flips" if len(sizes) == 1 else "all flips"
        yield f"p values are two-sided, from the exact sign-flip test with {count} (Fisher 1935)."
    else:
        yield (
            f"p values are two-sided, from the sign-flip test with {SAMPLED:,} random flips (Fisher 1935; Phipson "
            "and Smyth 2010)."
        )
    family = max(c.family for c in known)
    if family > 1:
        yield (
            f"Adjusted p values are from step-down max-t for {family} arms, with the same flips (Westfall and Young "
            "1993)."
        )


def _looks(snapshot: Snapshot) -> Iterator[str]:
    counts = looks(snapshot.metadata)
    if not counts:
        return
    at = f"The verdict was computed at {listed([str(count) for count in counts])} seeds."
    most, search = snapshot.metadata.get(UNTIL_DECIDED), snapshot.metadata.get(FIND_RATE)
    if search is not None:
        yield (
            f"Rates and seeds were added as validation results came in, up to {search['runs']} runs with those on "
            f"fresh seeds: rates shown to be worse than another one (Hsu 1981) got no more seeds. {at}"
        )
    elif most is None:
        yield f"Seeds were added after a first verdict. {at}"
    else:
        yield f"Seeds were added until the verdict was decided, up to {most}. {at}"


def _confirmations(verdict: Verdict) -> Iterator[str]:
    for comparison in (c for fresh in verdict.confirmations for c in _comparisons(fresh)):
        yield (
            f"Then {quoted(comparison.arm)} and the baseline were trained on {comparison.n} fresh seeds, which had no "
            "part in the choice, and compared alone."
        )


def _margins(verdict: Verdict) -> Iterator[str]:
    if verdict.earlier_metrics:
        metrics = ", then ".join(METRICS[name].title for name in verdict.earlier_metrics)
        yield f"The metric was changed after runs had finished: it was {metrics} before."
    if verdict.earlier_margins:
        before = ", then ".join(f"±{margin:g}" for margin in verdict.earlier_margins)
        yield f"The margin was changed after runs had finished: it was {before} before."


def _versions(snapshot: Snapshot) -> str:
    metadata = snapshot.metadata
    if snapshot.spec.of_function:  # which trains with what it likes, where it likes
        return f"Computed by dropstudy {metadata['dropstudy']} with Python {metadata['python']}."
    devices = listed(sorted(set(snapshot.finals["device"].dropna()))) or "no device yet"
    return (
        f"Computed by dropstudy {metadata['dropstudy']} with jax {metadata['jax']} and Python {metadata['python']} on "
        f"{devices}, precision {snapshot.runs[0].precision}."
    )


def _comparisons(verdict: Verdict) -> list[ArmComparison]:
    return [comparison for condition in verdict.conditions for comparison in condition.comparisons]
