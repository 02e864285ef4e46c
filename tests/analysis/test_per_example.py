"""What each test example adds to a metric: its mean against scikit-learn, its variance against textbook formulas."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from dropstudy.analysis.stats.per_example import per_example
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.core.metrics import METRICS
from dropstudy.engine.class_scores import auc_and_misranked
from verdicts import flat, rates, tables

RNG = np.random.default_rng(0)


def predictions(probabilities, y):
    """What a run stores, with 64 bits instead of 16."""
    rows, labels = np.arange(len(y)), probabilities.argmax(axis=1)
    return {
        "labels": labels,
        "confidence": probabilities[rows, labels],
        "likelihood": probabilities[rows, y],
        "right": (labels == y).astype(np.uint8),
        **({"misranked": auc_and_misranked(probabilities, y)[1]} if probabilities.shape[1] > 2 else {}),
    }


def of_class_1(y, p):
    """Scores as they follow from the stored probability of the true class, so that ties are the same."""
    return np.where(y == 1, p[:, 1], 1 - p[:, 0])


def drawn(n, classes, rng=RNG):
    """Labels of classes of unequal size, and probabilities that know something of them."""
    y = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    logits = rng.normal(size=(n, classes)).round(1) + 1.5 * np.eye(classes)[y]  # rounded: some tie
    return y, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_means_are_the_metrics_of_scikit_learn(classes):
    y, p = drawn(300, classes)
    stored = predictions(p, y)
    labels = stored["labels"]
    assert per_example(stored, "accuracy", None).mean() == pytest.approx((labels == y).mean())
    assert per_example(stored, "log-loss", None).mean() == pytest.approx(log_loss(y, p), rel=1e-5)
    balanced = per_example(stored, "balanced-accuracy", y)
    assert balanced.mean() == pytest.approx(balanced_accuracy_score(y, labels), rel=1e-5)
    auc = per_example(stored, "auc", y)
    if classes == 2:
        assert auc.mean() == pytest.approx(roc_auc_score(y, of_class_1(y, p)), rel=1e-5)
    else:
        assert auc.mean() == pytest.approx(roc_auc_score(y, p, multi_class="ovr"), rel=1e-4)
        del stored["misranked"]  # as scores alone have it
        assert per_example(stored, "auc", y) is None


def test_the_variance_of_balanced_accuracy_is_that_of_a_mean_over_classes():
    y, p = drawn(400, 4)
    stored = predictions(p, y)
    right = stored["labels"] == y
    variance = sum(right[y == c].var() / (y == c).sum() for c in range(4)) / 4**2
    assert per_example(stored, "balanced-accuracy", y).var() / 400 == pytest.approx(variance, rel=1e-4)


def test_the_variance_of_auc_is_delongs():
    """DeLong, DeLong and Clarke-Pearson 1988: S10 / m + S01 / n of the placements, here pair by pair."""
    y, p = drawn(200, 2)
    scores = of_class_1(y, p)
    positives, negatives = scores[y == 1], scores[y == 0]
    pairs = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    variance = pairs.mean(axis=1).var() / len(positives) + pairs.mean(axis=0).var() / len(negatives)
    assert per_example(predictions(p, y), "auc", y).var() / 200 == pytest.approx(variance, rel=1e-4)


def test_without_true_classes_or_probabilities_nothing_is_known():
    y, p = drawn(50, 2)
    stored = predictions(p, y)
    assert per_example(stored, "auc", None) is None
    assert per_example(stored, "balanced-accuracy", None) is None
    assert per_example({"right": (stored["labels"] == y).astype(np.uint8)}, "log-loss", y) is None


@pytest.mark.parametrize(("metric", "classes"), [*((metric, 2) for metric in METRICS), ("auc", 4)])
def test_every_metric_has_its_interval_for_new_data(metric, classes):
    """Arms of 8 seeds on 300 examples; the second one knows more of them."""
    arms, n = rates(0, 0.5), 8
    y, p = drawn(300, classes, np.random.default_rng(1))
    stored, (history, finals) = {}, tables(arms, {arm.name: flat(n) for arm in arms})
    for place, arm in enumerate(arms):
        for seed in range(n):
            rng = np.random.default_rng([place, seed])
            logits = np.log(p) + 0.5 * rng.normal(size=p.shape) + 0.5 * place * np.eye(classes)[y]
            q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            stored[arm.name, seed] = predictions(q, y)
            values = per_example(stored[arm.name, seed], metric, y)
            here = (finals["arm"] == arm.name) & (finals["seed"] == seed)
            finals.loc[here, METRICS[metric].column] = values.mean(dtype=np.float64)

    def of_run(arm, _hidden, _size, seed):
        return stored[arm, seed]

    verdicts = [
        give_verdict(
            history,
            finals,
            Design(arms, metric=metric, margin=METRICS[metric].margin),
            predictions=of_run,
            truth=truth,
        )
        for truth in (lambda: y, lambda: None)
    ]
    (known,), (unknown,) = (verdict.conditions[0].comparisons for verdict in verdicts)
    assert known.deciding == known.new_data
    assert known.deciding.low < known.over_seeds.low < known.over_seeds.high < known.deciding.high
    assert known.new_data.value == pytest.approx(known.difference.value)
    assert known.decision == "helps"
    assert known.example_error > 0
    assert (unknown.new_data is None) == (metric in {"balanced-accuracy", "auc"} and classes == 2)
    assert (
        "on these test examples alone" in str(verdicts[1]) or "on these 300 test" in str(verdicts[1])
    ) == (unknown.new_data is None)
