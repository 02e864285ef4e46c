"""The answer in plain words, and the commands that it proposes."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.analysis.answer import QUESTIONS, answer
from dropstudy.analysis.next_steps import next_steps
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.spec.study_file import parse_spec, read_spec
from expected import Analysis
from verdicts import accuracies_of, around, flat, outcomes_of, predictions_of, rates, tables, verdict_of

ARMS = rates(0, 0.5)
FOUR = rates(0, 0.2, 0.5, 0.8)
FOLDER = Path("studies/notebook")


def answer_to(verdict, arms=ARMS, n=10, folder=FOLDER):
    """The answer of a study with this verdict."""
    split = "test" if verdict.watches_test else 0.1
    fields = {"name": "x", "rates": [0, 0.5], "hidden": [512, 512], "epochs": 10, "validation_split": split}
    spec = replace(parse_spec({**fields, "seeds": n}), arms=arms)
    return answer(verdict, spec, next_steps(verdict, spec, folder))


def of_rates(*points, n=10, **design):
    """The answer of a study of four rates whose differences from the first have these means."""
    others = {arm.name: around(mean, n, spread=0.05) for arm, mean in zip(FOUR[1:], points, strict=True)}
    return answer_to(verdict_of(FOUR, {"no dropout": flat(n), **others}, **design), FOUR, n)


def of_one(points, n=10, *, watches_test=True, **more):
    """The answer of a study of one rate."""
    accuracies = {"no dropout": flat(n), "dropout 0.5": around(points, n, **more)}
    return answer_to(verdict_of(ARMS, accuracies, watches_test=watches_test), n=n)


def sentences(found):
    """Every sentence of an answer."""
    texts = (found.helps, found.rate, found.sure, *found.cautions)
    return [s for text in texts for s in re.split(r"(?<=\.) (?=[A-Z'\d])", text)]


@pytest.mark.parametrize(
    ("points", "spread", "lead"),
    [
        (0.3, 0.1, "Yes."),
        (-1, 0.1, "No."),
        (0.01, 0.05, "No difference that matters."),
        (0.05, 0.2, "Undecided."),
    ],
)
def test_the_first_words_are_the_decision(points, spread, lead):
    assert of_one(points, spread=spread).helps.startswith(lead)


def test_where_an_earlier_epoch_is_tested_the_number_of_epochs_is_the_most():
    accuracies = {"no dropout": flat(10), "dropout 0.5": around(0.3, 10, spread=0.1)}
    verdict = verdict_of(ARMS, accuracies, watches_test=False)
    assert re.search(r"points after \d+ epochs?\.", answer_to(verdict).helps)
    fields = {"name": "x", "hidden": [9], "epochs": 10, "validation_split": 0.1, "patience": 2}
    early = replace(parse_spec({**fields, "rates": [0, 0.5]}), arms=ARMS)
    assert re.search(r"points after at most \d+ epochs?\.", answer(verdict, early, ()).helps)


def test_one_seed_answers_nothing_and_names_the_command_for_a_verdict_with_its_time(monkeypatch):
    monkeypatch.setattr("dropstudy.analysis.next_steps.physical_cores", lambda: 2)
    found = of_one(-1.67, 1)
    assert found.helps.startswith(Analysis.ONE_SEED)
    assert "1.67 percentage points lower" in found.helps
    first, second = found.steps
    assert first.command == "dropstudy run studies/notebook --seeds 6"
    assert first.seconds == pytest.approx(5 * 2 * 20 / 2)  # ten runs of ten epochs of 2 s, two at a time
    flags = shlex.split(second.command)  # a rate needs validation data, in a study of its own
    assert (
        flags[flags.index("--rates") + 1] == "0,0.1,0.2,0.3,0.4,0.5"
    )  # those of the preset that finds a rate
    assert "--validation-split" in flags
    assert flags[flags.index("--out") + 1] != str(FOLDER)


def test_the_preset_that_finds_a_rate_is_proposed_where_it_trains_the_same_network_in_the_same_way():
    verdict = verdict_of(ARMS, {"no dropout": flat(1), "dropout 0.5": around(-1, 1)}, watches_test=True)

    def proposed(**settings):
        spec = read_spec("notebook", {"seeds": 1, "data": "mnist", **settings})
        return next_steps(verdict, replace(spec, arms=ARMS), FOLDER)[-1].command

    assert proposed() == "dropstudy run tune"
    assert proposed(data="fashion-mnist") == "dropstudy run tune --data fashion-mnist"
    for change in ({"epochs": 10}, {"hidden": [64]}, {"optimizer": {"learning_rate": 0.01}}):
        assert proposed(**change).startswith("dropstudy run studies/notebook --rates 0,0.1,0.2,0.3,0.4,0.5 ")


def test_several_networks_are_answered_together():
    arms, parts = rates(0, 0.2, 0.5), []
    for hidden, points in (("64", -1), ("512", 0.1)):
        others = {arm.name: around(points, spread=0.2) for arm in arms[1:]}
        condition = {"hidden": hidden, "train_size": 1000}
        parts.append(tables(arms, {"no dropout": flat(), **others}, condition=condition))
    history, finals = (pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True))
    found = answer_to(give_verdict(history, finals, Design(arms, watches_test=True)), arms)
    assert found.helps == "It depends. Dropout hurts in 1 of 2 networks, undecided in 1 of 2."


def test_no_rate_is_named_as_chosen_where_the_test_set_was_watched():
    watched = of_rates(0.3, 0.2, -1, watches_test=True)
    assert watched.helps.startswith(
        "Yes. Rates 0.2 and 0.5 raise test accuracy by 0.30 and 0.20 percentage points"
    )
    assert watched.rate == Analysis.NO_RATE_MAY_BE_CHOSEN
    (step,) = watched.steps
    assert "--validation-split" in step.command


def test_the_chosen_rate_is_answered_and_to_be_confirmed():
    validation = {"no dropout": 0.979, "dropout 0.2": 0.981, "dropout 0.5": 0.982, "dropout 0.8": 0.97}
    found = of_rates(0.3, 0.2, -1, validation=validation)
    assert found.helps.startswith("Yes. Dropout at rate 0.5 raises test accuracy by 0.20 percentage points")
    assert found.rate == "Validation data chose rate 0.5 among 4 arms."
    assert [step.command for step in found.steps] == ["dropstudy run studies/notebook --confirm"]


def test_a_lead_on_validation_data_that_may_be_chance_is_told():
    history, finals = tables(
        FOUR[:3], {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.5": around(0.2)}
    )
    at = (history["arm"] == "dropout 0.2") & (history["seed"] == 0)
    history.loc[at, "val_accuracy"] = 0.99  # one seed of ten makes the lead
    found = answer_to(give_verdict(history, finals, Design(FOUR[:3])), FOUR[:3])
    assert "other seeds may choose another" in found.rate


def test_what_has_not_finished_diverged_or_learned_nothing_is_told():
    n, lost = 10, ("dropout 0.5", 9)
    accuracies = {"no dropout": flat(n), "dropout 0.5": around(-1, n - 1)}
    unfinished, diverged = (
        answer_to(verdict_of(ARMS, accuracies, outcomes=outcomes_of(ARMS, n, {lost: status})))
        for status in ("planned", "diverged")
    )
    assert "19 of 20 runs finished" in " ".join(unfinished.cautions)
    assert unfinished.steps[0].command == "dropstudy run studies/notebook"
    assert "--learning-rate 0.0001" in diverged.steps[0].command
    assert diverged.helps.startswith("No verdict: 'dropout 0.5' diverged in 1 of 10 seeds")
    history, finals = (
        rows.iloc[:0] for rows in tables(ARMS, {"no dropout": flat(1), "dropout 0.5": flat(1)})
    )
    queued = outcomes_of(ARMS, 1, {(arm.name, 0): "planned" for arm in ARMS})
    nothing = give_verdict(history, finals, Design(ARMS), outcomes=queued)
    assert answer_to(nothing).helps == "Not known yet: no run has finished."


def test_networks_that_still_improve_are_trained_longer_in_a_study_of_their_own():
    accuracies = {"no dropout": flat(), "dropout 0.5": around(-1)}
    verdict = verdict_of(ARMS, accuracies, falling={"dropout 0.5"})
    for folder in (FOLDER, FOLDER.with_name("notebook-10-epochs")):
        found = answer_to(verdict, folder=folder)
        assert "Loss still fell at the end for 'dropout 0.5'" in found.cautions[0]
        assert found.steps[0].command.endswith("--epochs 15 --out studies/notebook-15-epochs")
    assert not any("--epochs" in step.command for step in of_one(-1).steps)


def test_more_seeds_are_not_proposed_where_test_examples_are_missing():
    def none(*_):
        return ()

    verdict = verdict_of(ARMS, accuracies_of(none, 40), predictions=predictions_of(none))
    assert "not more seeds" in answer_to(verdict, n=6).steps[0].purpose


def test_seeds_do_not_hide_that_the_test_set_is_small():
    def wrong(arm, seed):
        if arm == "no dropout":
            return range(5)
        return range(5, (11, 9, 9, 10)[seed % 4])

    verdict = verdict_of(ARMS, accuracies_of(wrong, 40, n=12), predictions=predictions_of(wrong))
    found = answer_to(verdict, n=12)
    assert found.cautions[0].startswith("On other test examples the difference may be ")
    assert "on these 40 test examples" in found.steps[0].purpose


def test_the_number_of_seeds_that_a_decision_needs_is_allowed_by_the_command():
    step = of_one(0.01, spread=0.5).steps[0]
    (needed,) = re.findall(r"about (\d+) seeds", step.purpose)
    assert f"--until-decided --max-seeds {needed}" in step.command


@given(
    scores=st.lists(
        st.dictionaries(st.integers(0, 8), st.sampled_from([0.97, 0.98, 0.985, 1.0]), max_size=9),
        min_size=1,
        max_size=8,
    ),
    watches_test=st.booleans(),
    looks=st.sampled_from([(), (6, 9)]),
    falling=st.booleans(),
)
@settings(max_examples=40)
def test_any_study_is_answered_in_short_sentences(scores, watches_test, looks, falling):
    arms = rates(*(i / 10 for i in range(len(scores))))
    accuracies = {arm.name: accuracies for arm, accuracies in zip(arms, scores, strict=True)}
    if not any(scores):
        scores[0][0] = 0.98
    late = {arm.name for arm in arms} if falling else ()
    verdict = verdict_of(arms, accuracies, watches_test=watches_test, looks=looks, falling=late)
    found = answer_to(verdict, arms, n=max(len(scores[0]), 1))
    assert [question for question, _ in found.lines] == list(QUESTIONS)
    for sentence in sentences(found):
        assert len(sentence.split()) <= 20, sentence
        assert sentence[0].isupper() or sentence[0] in "'0123456789"
        assert sentence.endswith((".", "?"))
        assert "nan" not in sentence
        if re.search(r"[+-]\d", sentence):  # a difference has its unit
            assert "percentage points" in sentence
    assert found.helps.startswith("Yes") == (verdict.decision == "helps")
    assert found.helps.startswith("No.") <= (verdict.decision in {"hurts", "equivalent"})
    if max((c.n for c in verdict.conditions[0].comparisons), default=0) < SEEDS:
        assert "confidence" not in found.sure
    for step in found.steps:
        assert not step.command or shlex.split(step.command)[:2] == ["dropstudy", "run"]
