"""The answer in plain words, and the commands that it proposes."""

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.analysis.answer import answer
from dropstudy.analysis.answered import QUESTIONS
from dropstudy.analysis.next_steps import next_steps
from dropstudy.analysis.sequential import out_of_reach
from dropstudy.analysis.stats.equivalence import quantiles
from dropstudy.analysis.stats.unseen import unseen
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.undecided import examples_to_decide, limited_by_test_set, reach
from dropstudy.core.hardware import physical_cores
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


@pytest.mark.parametrize(
    ("n", "told"), [(1, "With this seed, test accuracy is"), (4, "So far, test accuracy is on average")]
)
def test_a_difference_of_0_is_told_as_such(n, told):
    arms = rates(0.2, 0.5)
    other = {seed: 0.98 + (n > 1) * 0.01 * (-1) ** seed for seed in range(n)}
    found = answer_to(verdict_of(arms, {"dropout 0.2": flat(n), "dropout 0.5": other}), arms, n)
    assert f"{told} the same with dropout at rate 0.5 as with dropout at rate 0.2." in found.helps


def sentences(found):
    """Every sentence of an answer."""
    texts = (found.helps, found.rate, found.sure, found.likely, found.meanwhile, *found.cautions)
    return [s for text in filter(None, texts) for s in re.split(r"(?<=\.) (?=[A-Z'\d])", text)]


@pytest.mark.parametrize(
    ("points", "spread", "lead"),
    [
        (0.3, 0.1, "Yes, on these test examples."),
        (-1, 0.1, "No, on these test examples."),
        (0.01, 0.05, "No difference that matters, on these test examples."),
        (0.05, 0.2, "Undecided."),
    ],
)
def test_the_first_words_are_the_decision(points, spread, lead):
    assert of_one(points, spread=spread).helps.startswith(lead)


def test_beside_a_baseline_that_drops_units_no_answer_says_that_dropout_helps():
    arms = rates(0.2, 0.5, 0.8)
    accuracies = {"dropout 0.2": flat(10), **{arm.name: around(1, 10, spread=0.1) for arm in arms[1:]}}
    (question, answered), *_ = answer_to(verdict_of(arms, accuracies), arms).lines
    assert question == "Is any arm better than 'dropout 0.2'?"
    assert answered.startswith("Yes")
    assert " against 'dropout 0.2' " in answered


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
    # Those of the preset that finds a rate.
    assert flags[flags.index("--rates") + 1] == "0,0.1,0.2,0.3,0.4,0.5"
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
    assert found.helps == "It depends. Dropout hurts in 1 of 2 networks, undecided in 1 of 2 after 10 epochs."


def test_no_rate_is_named_as_chosen_where_the_test_set_was_watched():
    watched = of_rates(0.3, 0.2, -1, watches_test=True)
    assert watched.helps.startswith(
        "Yes, on these test examples. Rates 0.2 and 0.5 raise test accuracy by 0.30 and 0.20 percentage points"
    )
    assert watched.rate == Analysis.NO_RATE_MAY_BE_CHOSEN
    (step,) = watched.steps
    assert "--validation-split" in step.command


def test_the_chosen_rate_is_answered_and_to_be_confirmed():
    validation = {"no dropout": 0.979, "dropout 0.2": 0.981, "dropout 0.5": 0.982, "dropout 0.8": 0.97}
    found = of_rates(0.3, 0.2, -1, validation=validation)
    assert found.helps.startswith(
        "Yes, on these test examples. Dropout at rate 0.5 raises test accuracy by 0.20 percentage points"
    )
    assert found.rate == "Validation data chose rate 0.5 among 4 arms."
    assert [step.command for step in found.steps] == ["dropstudy run studies/notebook --confirm"]


def test_a_lead_on_validation_data_that_may_be_chance_is_told():
    history, finals = tables(
        FOUR[:3], {"no dropout": flat(), "dropout 0.2": around(0.3), "dropout 0.5": around(0.2)}
    )
    at = (history["arm"] == "dropout 0.2") & (history["seed"] == 0)
    history.loc[at, "val_accuracy"] = 0.99  # one seed of ten makes the lead
    found = answer_to(give_verdict(history, finals, Design(FOUR[:3])), FOUR[:3])
    assert "By validation data, each of the 3 arms may be the best" in found.rate


def test_rates_that_help_are_told_although_validation_data_chose_another_one():
    """The intervals hold for all arms together, so each "helps" is as sure as that of a chosen arm."""
    others = {"dropout 0.5": around(0.3, spread=0.05), "dropout 0.8": around(0.2, spread=0.05)}
    validation = {"dropout 0.2": 0.99, "dropout 0.8": 0.985}
    leads = {0.1: "is undecided", -1: "hurts", 0: "makes no difference that matters"}
    for points, state in leads.items():
        chosen = around(points, spread=0.3 if points == 0.1 else 0.05)
        accuracies = {"no dropout": flat(), "dropout 0.2": chosen, **others}
        verdict = verdict_of(FOUR, accuracies, validation=validation)
        found = answer_to(verdict, FOUR)
        assert (
            found.helps
            == f"Yes, at rates 0.5 and 0.8, on these test examples. The chosen rate 0.2 {state} after 10 epochs."
        )
        assert found.rate == "Validation data chose rate 0.2 among 4 arms."
        assert len(re.findall(r"\+\S+ to \+\S+", found.sure)) == 2
        assert found.sure.endswith("That holds for all 3 arms together (10 seeds).")
        assert "The 95% interval " not in str(found)  # there are several
        # Test accuracy ranks 0.5 first, and chooses nothing.
        assert found.meanwhile == "Use rate 0.8: of those that help, validation data prefer it."
        assert verdict.decision == verdict.conditions[0].comparisons[0].decision


@pytest.mark.parametrize(("metric", "margin", "sign"), [("accuracy", 0.1, 1), ("log-loss", 0.0001, -1)])
def test_an_undecided_answer_says_what_to_use_until_then_and_what_that_may_lose(metric, margin, sign):
    accuracies = {"no dropout": flat(), "dropout 0.5": around(0.05, spread=0.2)}
    history, finals = tables(ARMS, accuracies)
    finals["test_loss"] = finals["test_accuracy"]
    verdict = give_verdict(history, finals, Design(ARMS, metric=metric, margin=margin, watches_test=True))
    (comparison,) = verdict.conditions[0].comparisons
    deciding = comparison.deciding
    most = deciding.high if sign > 0 else -deciding.low
    size = f"{most:.2f} percentage points" if metric == "accuracy" else f"{most:.4f} nats"
    assert answer_to(verdict).lines[-1] == (
        "Until then?",
        f"Use no dropout: dropout at rate 0.5 is not shown to help. With 95% confidence that loses at most {size}.",
    )
    assert not of_one(-1).meanwhile
    assert not of_one(0.3, spread=0.1).meanwhile
    wide = {arm.name: around(0.05, spread=0.3) for arm in FOUR[1:]} | {"no dropout": flat()}
    several = answer_to(verdict_of(FOUR, wide, watches_test=True), FOUR)
    assert several.meanwhile.startswith("Use no dropout: no rate is shown to help. With 95% confidence")
    baseline = answer_to(verdict_of(FOUR, wide, validation={"no dropout": 0.99}), FOUR)
    assert baseline.meanwhile == "Use no dropout, which validation data chose."


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
    assert [text for _, text in answer_to(nothing).lines] == ["Not known yet: no run has finished."]


def test_networks_that_still_improve_are_trained_longer_in_a_study_of_their_own():
    accuracies = {"no dropout": flat(), "dropout 0.5": around(-1)}
    verdict = verdict_of(ARMS, accuracies, falling={"dropout 0.5"})
    for folder in (FOLDER, FOLDER.with_name("notebook-10-epochs")):
        found = answer_to(verdict, folder=folder)
        assert found.cautions[0].startswith("Too few epochs for 'dropout 0.5': validation loss still fell;")
        assert found.steps[0].command.endswith("--epochs 20 --out studies/notebook-20-epochs")
    assert not any("--epochs" in step.command for step in of_one(-1).steps)


@pytest.mark.parametrize(("points", "told"), [((0.3, 0.2, -3), False), ((-1, -2, -3), True)])
def test_an_arm_that_hurts_and_still_improves_leaves_an_answer_on_others_as_it_is(points, told):
    found = of_rates(*points, falling={"dropout 0.8"})
    assert any("Too few epochs for 'dropout 0.8'" in note for note in found.cautions) == told
    assert any("--epochs" in step.command for step in found.steps) == told


@pytest.mark.parametrize("points", [-1, 0.3, 0.05])
@pytest.mark.parametrize("watches_test", [False, True])
def test_more_epochs_come_before_more_seeds_and_before_fresh_ones(points, watches_test):
    accuracies = {"no dropout": flat(), "dropout 0.2": around(-2), "dropout 0.5": around(points, spread=0.3)}
    arms, validation = FOUR[:3], {"dropout 0.5": 0.99}
    more = {"watches_test": watches_test, "validation": validation, "falling": {"dropout 0.5"}}
    found = answer_to(verdict_of(arms, accuracies, **more), arms)
    assert "--epochs 20" in found.steps[0].command
    # 20 epochs of 2 s.
    assert found.steps[0].seconds == pytest.approx(2 * 3 * 10 * 20 / physical_cores(), rel=0.1)
    assert not any("--epochs" in step.command for step in found.steps[1:])


@pytest.mark.parametrize("falling", [{"dropout 0.5"}, {"no dropout", "dropout 0.5"}])
def test_a_note_on_loss_that_fell_has_its_step_with_one_seed_too(falling):
    verdict = verdict_of(
        ARMS, {"no dropout": flat(1), "dropout 0.5": around(-1, 1)}, watches_test=True, falling=falling
    )
    found = answer_to(verdict, n=1)
    assert "test loss still fell" in found.cautions[0]
    commands = [step.command for step in found.steps]
    longer = "dropstudy run studies/notebook --epochs 20 --seeds 6 --out studies/notebook-20-epochs"
    # Six seeds of a baseline that is not trained yet would answer nothing.
    expected = [longer] if "no dropout" in falling else ["dropstudy run studies/notebook --seeds 6", longer]
    assert commands == expected  # and no search for a rate, which more epochs may change


def test_the_number_of_epochs_is_told_of_several_rates_and_networks():
    for points in ((0.3, 0.2, -1), (-1, -1, -1), (0, 0, 0), (0.1, 0.1, -1)):
        assert re.match(r"[^.]+\. .+ after 10 epochs\.", of_rates(*points, watches_test=True).helps)


def test_an_undecided_answer_names_every_arm_with_what_is_known_of_it():
    others = {"dropout 0.2": around(0.05, 10, spread=0.3), "dropout 0.5": around(0, 10, spread=0.01)}
    accuracies = {"no dropout": flat(10), **others, "dropout 0.8": around(-2, 10, spread=0.05)}
    found = answer_to(verdict_of(FOUR, accuracies, watches_test=True), FOUR)
    assert found.helps.startswith("Undecided. Rate 0.2 is not shown to help or hurt after 10 epochs.")
    assert "Rate 0.8 hurts. Rate 0.5 makes no difference that matters." in found.helps


def test_arms_that_did_the_same_are_not_called_undecided():
    perfect, same = (
        answer_to(verdict_of(FOUR, dict.fromkeys((arm.name for arm in FOUR), flat(10, base))), FOUR)
        for base in (1.0, 0.9)
    )
    assert (
        perfect.helps == "Nothing to improve. Every network is right on every test example after 10 epochs."
    )
    assert same.helps == "No difference in any seed. All 4 arms have the same test accuracy after 10 epochs."
    late = answer_to(
        verdict_of(
            ARMS, {arm.name: flat(10, 1.0) for arm in ARMS}, falling={"dropout 0.5"}, watches_test=True
        )
    )
    for found in (perfect, same, late):  # where nothing can improve, more epochs are of no use
        (step,) = found.steps
        assert "still fell" not in str(found)
        assert step.command.endswith("--train-sizes 5000 --out studies/notebook-5000-examples")
        assert "Undecided" not in str(found)
        assert "chose" not in found.rate
    nearly = {**flat(10, 1.0), 3: 0.9999}
    accuracies = {**dict.fromkeys((arm.name for arm in FOUR), flat(10, 1.0)), "dropout 0.5": nearly}
    assert answer_to(verdict_of(FOUR, accuracies), FOUR).helps.startswith("Undecided.")


def test_more_seeds_are_not_proposed_where_test_examples_are_missing():
    def none(*_):
        return ()

    def few(arm, seed):
        return (seed,) if arm == "no dropout" and seed in {1, 2} else ()

    same = verdict_of(ARMS, accuracies_of(none, 40), predictions=predictions_of(none))
    assert "seeds" not in answer_to(same, n=6).steps[0].purpose
    verdict = verdict_of(ARMS, accuracies_of(few, 40), predictions=predictions_of(few))
    step = answer_to(verdict, n=6).steps[0]
    assert re.fullmatch(
        r"To decide, use about [\d,]+ test examples instead of 40, not more seeds", step.purpose
    )
    assert "--margin" not in str(verdict)  # a margin chosen after seeing results weakens the claim


def test_equal_differences_on_few_test_examples_ask_for_examples():
    """One more of 69 right in each of six seeds: such a difference is worth 14 margins, other examples may undo it."""

    def one(arm, _):
        return () if arm == "dropout 0.5" else (0,)

    verdict = verdict_of(ARMS, accuracies_of(one, 69), predictions=predictions_of(one, 69))
    step = answer_to(verdict, n=6).steps[0]
    # The standard error of one example of 69 is that example: 69 times (1.96 + 0.84) squared.
    assert step.purpose == "To decide, use about 550 test examples instead of 69, not more seeds"
    assert not step.command
    assert "about 550 test examples instead of 69, not more seeds" in str(verdict)

    # With seeds that differ too, seeds added until a decision end with the same advice.
    def few(arm, seed):
        return (seed,) if arm == "no dropout" and seed in {1, 2} else ()

    noisy = verdict_of(ARMS, accuracies_of(few, 69), predictions=predictions_of(few, 69))
    (advice,) = re.findall(r"about [\d,]+ test examples instead of 69", str(answer_to(noisy, n=6)))
    assert advice in out_of_reach(noisy, 7)


@given(
    examples=st.integers(2, 3000),
    error=st.floats(0, 5),
    points=st.floats(-20, 20),
    spread=st.floats(0.01, 5),
    margin=st.floats(0.05, 5),
)
@settings(max_examples=50, deadline=None)
def test_with_the_test_examples_that_are_asked_for_the_test_set_no_longer_limits(
    examples, error, points, spread, margin
):
    verdict = verdict_of(
        ARMS,
        {"no dropout": flat(6, 0.5), "dropout 0.5": around(points, 6, spread=spread, base=0.5)},
        test_examples=examples,
        margin=margin,
    )
    (c,) = verdict.conditions[0].comparisons
    sought = max(abs(points), margin - abs(points))
    c = replace(c, example_error=error, examples_needed=examples * (error * quantiles(0.05) / sought) ** 2)
    if limited_by_test_set(c, margin):
        more = examples_to_decide(c, margin)
        assert more > examples
        larger = replace(
            c, test_examples=more, unseen=100 * unseen(more), example_error=error * sqrt(examples / more)
        )
        size = abs(c.difference.value)
        assert not size <= reach(larger) or size + reach(larger) < margin


@pytest.mark.parametrize("examples", [40, 400, 4000])
@given(base=st.integers(0, 5), wrong=st.lists(st.integers(0, 6), min_size=6, max_size=9))
@settings(max_examples=15, deadline=None)
def test_seeds_are_proposed_only_where_new_data_leave_a_decision_open_to_them(examples, base, wrong):
    def missed(arm, seed):
        return range(base) if arm == "no dropout" else range(10, 10 + wrong[seed])

    verdict = verdict_of(
        ARMS, accuracies_of(missed, examples, len(wrong)), predictions=predictions_of(missed, examples)
    )
    (c,) = verdict.conditions[0].comparisons
    if c.decision != "undecided" or not any(c.differences):
        return
    step = answer_to(verdict, n=len(wrong)).steps[0]
    # Other test examples alone may turn a difference of this size around: seeds cannot change that.
    if abs(c.difference.value) <= c.unseen >= verdict.margin:
        assert not step.command
    assert ("--until-decided" in step.command) != ("not more seeds" in step.purpose)
    told = "not more seeds" in str(verdict)
    assert told == (not step.command)  # one rule for the step and for the remarks


@given(
    data=st.data(),
    arms=st.sampled_from([ARMS, FOUR]),
    size=st.sampled_from([400, 4000, 20_000]),
    most=st.integers(6, 60),
)
@settings(max_examples=25, deadline=None)
def test_one_output_names_one_number_of_seeds_or_of_test_examples(data, arms, size, most):
    """As remark, as next step, and as the reason for which `--until-decided` ends."""
    counts = {arm.name: data.draw(st.lists(st.integers(0, 9), min_size=6, max_size=6)) for arm in arms}

    def wrong(arm, seed):
        return range(counts[arm][seed])

    accuracies = {arm: {s: 1 - c / size for s, c in enumerate(each)} for arm, each in counts.items()}
    looks = {"looks": (6,), "most_seeds": most, "watches_test": True}
    verdict = verdict_of(arms, accuracies, predictions=predictions_of(wrong, size), **looks)
    if verdict.decision != "undecided" or any(c.all_equal for c in verdict.open_comparisons):
        return
    (step,) = answer_to(verdict, arms, n=6).steps[:1]
    told, why = str(verdict), out_of_reach(verdict, most)
    examples = set(re.findall(r"about ([\d,]+) test examples", f"{told} {step} {why}"))
    seeds = set(re.findall(r"up to ([\d,]+) seeds", f"{step} {why}"))
    assert len(examples) + len(seeds) <= 1
    assert seeds >= {most_of(re.findall(r"up to ([\d,]+) seeds", told))} - {None}
    if seeds and why:
        assert int(seeds.pop().replace(",", "")) > most


def most_of(numbers):
    """The largest of some written numbers; None where there are none."""
    return max(numbers, key=lambda number: int(number.replace(",", "")), default=None)


def test_seeds_do_not_hide_that_the_test_set_is_small():
    def wrong(arm, seed):
        if arm == "no dropout":
            return range(5)
        return range(5, (11, 9, 9, 10)[seed % 4])

    verdict = verdict_of(ARMS, accuracies_of(wrong, 40, n=12), predictions=predictions_of(wrong))
    found = answer_to(verdict, n=12)
    assert found.helps.startswith("Undecided")
    assert "not more seeds" in found.steps[0].purpose
    assert "--until-decided" not in found.steps[0].command


def test_an_undecided_answer_tells_what_its_interval_leaves_out_once():
    wide = {arm.name: around(0.05, spread=0.3) for arm in FOUR[1:]} | {"no dropout": flat()}
    for found in (
        of_one(0.05, spread=0.2),
        answer_to(verdict_of(FOUR, wide, watches_test=True), FOUR),
        answer_to(verdict_of(FOUR, wide, validation={"dropout 0.2": 0.99}), FOUR),
    ):
        assert found.helps.startswith("Undecided")
        assert str(found).count("other seeds only") == 1
    assert "other seeds only" not in str(of_one(-1))


@pytest.mark.parametrize("arms", [ARMS, FOUR])
@given(data=st.data(), looks=st.sampled_from([(), (6, 8)]))
@settings(max_examples=8, deadline=None)
def test_an_interval_that_allows_for_more_is_never_printed_narrower(arms, data, looks):
    """Both are for all arms together, and at every look."""
    examples, n = 400, 8
    counts = {arm.name: data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n)) for arm in arms}

    def wrong(arm, seed):
        return range(counts[arm][seed])

    accuracies = {arm: {s: 1 - count / examples for s, count in enumerate(c)} for arm, c in counts.items()}
    validation = {arms[1].name: 0.99}
    more = {"predictions": predictions_of(wrong, examples), "validation": validation, "looks": looks}
    verdict = verdict_of(arms, accuracies, **more)
    found = answer_to(verdict, arms, n)
    intervals = [
        tuple(map(float, re.findall(r"[+-]?\d+\.\d+", ends)))
        for text in (found.sure, *found.cautions)
        for ends in re.findall(r"[+-]?\d+\.\d+ to [+-]?\d+\.\d+", text)
    ]
    if verdict.conditions[0].subject.on_these_only:
        for new_data, over_seeds in pairwise(intervals):
            assert new_data[0] <= over_seeds[0]
            assert new_data[1] >= over_seeds[1]
    for c in verdict.conditions[0].comparisons:
        assert c.deciding.low <= c.over_seeds.low + 1e-9 or not c.over_seeds.known
        assert c.deciding.high >= c.over_seeds.high - 1e-9 or not c.over_seeds.known


def test_intervals_are_those_of_the_arms_that_are_named():
    one = of_rates(0.3, 0, -1, watches_test=True)
    (words,) = re.findall(
        r"With 95% confidence the difference on these examples is \+0\.\d\d to \+0\.\d\d perc", one.sure
    )
    assert one.sure.startswith(words)
    two = of_rates(0.3, 0.2, -1, watches_test=True)
    assert "That holds for all 3 arms together (10 seeds)." in two.sure
    assert len(re.findall(r"\S+ to \S+", two.sure)) == 2


def test_an_arm_whose_interval_excludes_0_is_undecided_by_its_p_value():
    """A few skewed differences: the intervals are by t, and the sign flips of all arms must agree."""
    points = {
        "dropout 0.5": (0.29, 0.05, 0.95, 1.24, 0.17, 0.38, 0.26),
        "dropout 0.8": (0.015, -0.002, -0.017, -0.022, 0.01, 0.009, -0.003),
    }
    accuracies = {name: dict(enumerate(0.98 + x / 100 for x in each)) for name, each in points.items()}
    verdict = verdict_of(rates(0, 0.5, 0.8), {"no dropout": flat(7), **accuracies})
    (undecided,) = [c for c in verdict.conditions[0].comparisons if c.decision == "undecided"]
    assert undecided.deciding.low > 0
    found = answer_to(verdict, rates(0, 0.5, 0.8), n=7)
    assert found.helps.startswith("Undecided. Rate 0.5 is not shown to help or hurt")
    assert found.sure.endswith(f"But p = {undecided.p_adjusted:.3f} is above 0.05.")


def test_the_number_of_seeds_that_a_decision_needs_is_allowed_by_the_command():
    step = of_one(0.01, spread=0.5).steps[0]
    (needed,) = re.findall(r"up to (\d+) seeds", step.purpose)
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
    assert [question for question, _ in found.lines][:3] == list(QUESTIONS)
    for sentence in sentences(found):
        assert len(sentence.split()) <= 20, sentence
        assert sentence[0].isupper() or sentence[0] in "'0123456789"
        assert sentence.endswith((".", "?"))
        assert "nan" not in sentence
        if re.search(r"[+-]\d", sentence):  # a difference has its unit
            assert "percentage points" in sentence
    (condition,) = verdict.conditions
    shown = any(c.decision == "helps" for c in condition.comparisons)
    assert found.helps.startswith("Yes") == (shown and condition.chosen != condition.baseline)
    assert bool(found.meanwhile) >= (verdict.decision == "undecided" and "No" not in found.helps)
    assert found.helps.startswith("No.") <= (verdict.decision in {"hurts", "equivalent"})
    if max((c.n for c in verdict.conditions[0].comparisons), default=0) < SEEDS:
        assert "confidence" not in found.sure
    for step in found.steps:
        assert not step.command or shlex.split(step.command)[:2] == ["dropstudy", "run"]
