"""Random studies written without training: every output uses one snapshot, and all outputs agree."""

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from dropstudy import Study
from dropstudy.analysis.verdict import SEEDS
from dropstudy.cli.result import export_command
from dropstudy.cli.show import show
from dropstudy.core.final_metrics import FinalMetrics
from dropstudy.core.text import condition_title, signed, span
from dropstudy.core.types import METRICS, EpochMetrics, SegmentResult
from dropstudy.data.dataset import make_dataset
from dropstudy.errors import RunsFailed
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.sections.runs import run_table
from dropstudy.report.sections.verdict import each_condition
from dropstudy.report.sections.verdict import verdict as section
from dropstudy.report.snapshot import read_snapshot
from dropstudy.report.tables import summary_table
from dropstudy.report.write import conclusion
from dropstudy.spec.study_file import parse_spec
from dropstudy.store.paths import CONFIRMATION
from dropstudy.store.record import record_study, set_rule
from dropstudy.store.store import Store

EXAMPLES = int(os.environ.get("DROPSTUDY_EXAMPLES", "16"))
"""More of them: DROPSTUDY_EXAMPLES=500 pytest tests/study/test_one_state.py"""

CLASSES = 2
EPOCHS = 2


def dataset(test):
    """Examples of two pixels, `test` of them for testing."""
    draws = np.random.default_rng(0)
    x = draws.integers(0, 256, (40 + test, 2), dtype=np.uint8)
    y = np.resize(np.arange(CLASSES), 40 + test)
    return make_dataset(
        name="none", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:], source="nowhere"
    )


@st.composite
def studies(draw):
    """A specification, the size of its test set, and how its runs end and what they get right, drawn from a seed."""
    rates = draw(st.lists(st.sampled_from([0, 0.2, 0.5, 0.8]), min_size=1, max_size=3, unique=True))
    spec = {
        "name": "made-up",
        "data": "digits",
        "rates": rates,
        "hidden": draw(st.sampled_from([[2], [[2], [3]]])),
        "train_sizes": draw(st.sampled_from([None, [20, "all"]])),
        "epochs": EPOCHS,
        "batch_size": 16,
        "precision": "float32",
        "seeds": draw(st.integers(1, 9)),
        "validation_split": draw(st.sampled_from(["test", 8])),
        "margin": draw(st.sampled_from([None, 0.01, 5.0])),
    }
    return {
        "spec": {name: value for name, value in spec.items() if value is not None},
        "test": draw(st.sampled_from([1, 4, 40, 1000])),
        "answers": draw(st.sampled_from(["all right", "alike", "by arm", "by chance"])),
        "faults": draw(st.sampled_from([0.0, 0.0, 0.2, 0.9, 1.0])),
        "started": draw(st.booleans()),
        "later margin": draw(st.sampled_from([None, None, 0.3])),
        "fresh": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def write_study(where, spec, data, study, draws):
    """A study whose runs ended as the drawn settings say."""
    spec = record_study(where, spec, data, "cpu")
    with Store(where, write=True) as store:
        for run in store.runs():
            luck = draws.random()
            if study["faults"] and not study["started"] and run.condition.layers == "2":
                luck *= 2 / 3  # no run of this network has an epoch
            if luck < study["faults"] / 3:
                continue
            if luck < 2 * study["faults"] / 3:
                store.fail(run, "out of memory", "traceback")
                continue
            store.commit([(run, result_of(run, data, study, draws, diverges=luck < study["faults"]))])
    return spec


def result_of(run, data, study, draws, *, diverges):
    """Result that training might have given for a run."""
    n = len(data.y_test)
    share = {
        "all right": 1.0,
        "alike": 0.5,
        "by arm": 0.7 - 0.4 * run.arm.rate,
        "by chance": 0.9,
    }[study["answers"]]
    right = np.arange(n) < round(share * n) if study["answers"] != "by chance" else draws.random(n) < share
    sure = np.full(n, 0.75, np.float16)
    history = tuple(
        EpochMetrics(epoch, **{name: float(draws.random()) for name in METRICS}, seconds=0.5)
        for epoch in range(1, EPOCHS + 1)
    )
    accuracy = float(right.mean())
    final = FinalMetrics(
        EPOCHS, 0.1, 0.9, 0.2, 0.8, 0.5, accuracy, accuracy, 0.75, 0.25, accuracy, 0.75,
        np.where(right, data.y_test, 1 - data.y_test).astype(np.uint8), sure, np.where(right, sure, 1 - sure),
    )  # fmt: skip
    state = {"weights/dense_0/kernel": np.zeros((2, 2), np.float32)}
    steps = run.condition.steps * (1 if diverges else EPOCHS)
    rows = history[:1] if diverges else history
    return SegmentResult(rows, state, steps, 1.0, None if diverges else final, diverges, "none")


@contextlib.contextmanager
def made(study):
    """The folder of a drawn study."""
    draws = np.random.default_rng(study["seed"])
    data, spec = dataset(study["test"]), parse_spec(study["spec"])
    where = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108 - memory is quick
    try:
        inside = where / "study"
        spec = write_study(inside, spec, data, study, draws)
        if study["fresh"] and len(spec.arms) > 1:
            seeds = tuple(range(100, 100 + len(spec.seeds)))
            fresh = replace(
                spec,
                name="fresh",
                arms=spec.arms[:2],
                hidden=spec.hidden[:1],
                train_sizes=spec.train_sizes[-1:],
                seeds=seeds,
            )
            write_study(inside / CONFIRMATION, fresh, data, study, draws)
        if study["later margin"]:
            set_rule(inside, replace(spec, margin=study["later margin"]))
        yield inside
    finally:
        shutil.rmtree(where)


def printed(where, **flags):
    """Output of `show`, as one line."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(RunsFailed):
        show(where, **flags)
    return out.getvalue()


def one_line(text):
    return " ".join(text.split())


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(studies())
def test_every_output_of_a_study_uses_one_snapshot(study):
    with made(study) as where:
        now = read_snapshot(where)
        verdict = now.verdict
        event(verdict.decision)
        printed_text = one_line(printed(where, everything=True))
        page = section(now)
        # The same object everywhere.
        assert Study.open(where).verdict().to_dict() == verdict.to_dict()
        machine = json.loads(printed(where, as_json=True))
        answer = {"answer": asdict(now.answer)}
        assert machine == json.loads(
            json.dumps(answer | verdict.to_dict() | {"published": [], "left_out": None})
        )
        text = conclusion(now)
        for sentence in verdict.sentences:
            assert sentence in text
            assert one_line(sentence) in printed_text or not len(now.finals)
        for _, sentence in now.answer.lines:
            assert sentence in text
            assert sentence in printed_text
        assert verdict.headline == verdict.sentences[0]
        assert page.head.lines == now.answer.lines
        figures = figures_of(filter(None, (page, each_condition(now))))
        margin = study["later margin"] or study["spec"].get("margin", 0.1)
        assert verdict.margin == now.margin == margin == Study.open(where).spec.margin
        hold_numbers(now, figures, printed_text)
        captions = [figure.caption for figure in figures]
        hold_sentences(now, [*verdict.sentences, text, str(now.answer), *captions])
        hold_claims(now)
        hold_shapes(now)
        hold_tables(now)
        hold_export(now)


def hold_numbers(now, figures, printed_text):
    """Every difference and interval of the verdict is on the terminal and in the page's table, to the digit."""
    for number, condition in enumerate(now.verdict.conditions, start=1):
        ending = f"-{number}" if len(now.verdict.conditions) > 1 else ""
        compared = [c for c in condition.comparisons if c.n]
        drawn = [figure for figure in figures if figure.name == f"difference{ending}"]
        fresh = [
            c
            for confirmation in now.verdict.confirmations
            for other in confirmation.conditions
            if (other.hidden, other.train_size) == (condition.hidden, condition.train_size)
            for c in other.comparisons
            if c.n
        ]
        columns = ["mean", "all_low", "all_high"]
        rows = drawn[0].table[columns] if drawn else pd.DataFrame(columns=columns)
        assert len(rows) == len(compared) + len(fresh)
        for comparison, (mean, low, high) in zip(
            (*compared, *fresh), rows.itertuples(index=False), strict=True
        ):
            deciding = comparison.deciding
            assert signed(mean) == signed(comparison.difference.value)
            assert np.isfinite(low) == np.isfinite(high) == (deciding.known and comparison.n >= SEEDS)
            if np.isfinite(low):
                assert span(low, high, margin=now.margin) == span(
                    deciding.low, deciding.high, margin=now.margin
                )
        for comparison in compared:
            assert signed(comparison.difference.value) in printed_text
            if comparison.arm == condition.chosen and comparison.deciding.known and comparison.n >= SEEDS:
                ends = span(comparison.deciding.low, comparison.deciding.high, margin=now.margin)
                assert ends in condition.headline or condition.decision == "diverged"


def hold_sentences(now, texts):
    """No sentence has a hole, a number that is none, an interval without a width, or equivalence without a margin."""
    for text in texts:
        within = rf"fresh seeds, same test examples: equivalent(?! within ±{now.margin:g} points)"
        assert not re.search(within, text), text
        assert not re.search(r"\bnan\b|\binf\b|\bNone\b|-0\.00\b|, ,|\(\)|: \.|:\.| ,|''", text), text
        assert not re.search(r"accuracy:? points", text), text
        assert not re.search(r"interval ([+-]\d+\.\d\d) to \1\b", text), text
    for condition in now.verdict.conditions:
        for comparison in condition.comparisons:
            known = [
                e for e in (comparison.difference, comparison.simultaneous, comparison.deciding) if e.known
            ]
            assert all(e.high > e.low for e in known), comparison


def hold_claims(now):
    """Nothing is claimed below six pairs, nor against the fields."""
    for condition in now.verdict.conditions:
        for comparison in condition.comparisons:
            if comparison.n < SEEDS:
                assert comparison.decision in {"too few seeds", "diverged"}
            if comparison.decision == "helps":
                assert comparison.difference.value > 0
            if comparison.decision == "hurts":
                assert comparison.difference.value < 0
            if comparison.decision == "equivalent":
                assert abs(comparison.difference.value) < now.margin
        if all(comparison.n < SEEDS for comparison in condition.comparisons):
            assert condition.decision in {"too few seeds", "diverged", "nothing to compare"}
            assert not re.search(r"\b(helps|hurts|equivalent|Confirmed)\b", condition.headline)
        assert condition.chosen is None or not now.spec.watches_test
    decided = {condition.decision for condition in now.verdict.conditions}
    assert len(decided) != 1 or now.verdict.decision in decided
    confirmed = re.search(r"\bConfirmed on (\d+) fresh", now.verdict.headline)
    if confirmed:
        assert any(
            condition.comparisons[0].n == int(confirmed[1]) >= 6
            and condition.decision in {"helps", "hurts", "equivalent"}
            for fresh in now.verdict.confirmations
            for condition in fresh.conditions
        )


def hold_shapes(now):
    """Every network and training size of the plan is there, with its own runs and no others."""
    conditions = [(condition.hidden, condition.train_size) for condition in now.verdict.conditions]
    assert tuple(conditions) == now.conditions
    assert list(dict.fromkeys((s.hidden, s.train_size) for s in now.summaries)) == conditions
    if len(conditions) > 1:
        assert all(condition_title(*condition) in str(now.verdict) for condition in conditions)
    for condition in now.verdict.conditions:
        assert {scores.arm for scores in condition.arms} == {arm.name for arm in now.arms}
        rows = now.of_condition(now.outcomes, (condition.hidden, condition.train_size))
        counts = rows.groupby(["arm", "status"]).size()
        for scores in condition.arms:
            assert len(scores.seeds) == counts.get((scores.arm, "done"), 0)
            assert scores.failed == counts.get((scores.arm, "failed"), 0)
            assert scores.diverged == counts.get((scores.arm, "diverged"), 0)
            ended = len(scores.seeds) + scores.failed + scores.diverged
            assert scores.missing == counts[scores.arm].sum() - ended


def hold_tables(now):
    """The tables that a report writes have the runs and means of the same object."""
    runs = run_table(now)
    assert runs["status"].to_list() == [each.status for each in now.progress]
    means = {
        (scores.arm, condition.hidden, condition.train_size): scores.mean.value
        for condition in now.verdict.conditions
        for scores in condition.arms
        if scores.seeds
    }
    table = summary_table(now.summaries)
    columns = ["arm", "hidden", "train_size", "test_accuracy"]
    found = {tuple(place): mean for *place, mean in table[columns].itertuples(index=False, name=None)}
    assert {place: mean for place, mean in found.items() if mean == mean} == pytest.approx(means)  # noqa: PLR0124 - not a number


def hold_export(now):
    """A network is offered only of the arm to use: the one that helps, or the baseline where none does."""
    done = {each.run.arm.name for each in now.progress if each.status == "done"}
    command = export_command(now)
    better = now.arms[1].name if len(now.arms) == 2 else now.verdict.chosen
    use = {"helps": better, "hurts": now.arms[0].name, "equivalent": now.arms[0].name}
    name = use.get(now.verdict.decision)
    assert (command is not None) == (name in done)
    assert command is None or f"--arm '{name}'" in command
