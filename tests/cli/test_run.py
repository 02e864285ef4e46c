"""`run` and `show`: flags, growth, what is printed, how a study is continued."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import tomli_w
from sklearn.datasets import load_digits

import expected
import random_results
from command_line import TINY
from dropstudy import Optimizer, Study
from dropstudy.analysis.verdict import SEEDS
from dropstudy.data.sources.named import NamedFiles
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import DataUnavailable
from dropstudy.runtime import local
from dropstudy.spec.study_file import read_spec
from dropstudy.store import locking
from dropstudy.study.results import Results
from mirror_server import put_in_catalogue, tiny_contents, write_files

STUDY = "studies/notebook-digits"
STUDY_FILE = 'name = "mine"\ndata = "digits"\nhidden = [8]\nepochs = 1\nvalidation_split = "test"\n'
SCREEN = "dropstudy.runtime.progress.lines.EpochLines"
"""Class that `run` reports epochs and ends of runs to."""


def toml_text(text):
    return tomli_w.dumps({"x": text}).removeprefix("x = ").strip()


def interrupt(*_, **__):
    raise KeyboardInterrupt


def interrupt_at(number):
    """Function that raises KeyboardInterrupt at its call of that number."""
    calls = []

    def count(*_):
        calls.append(None)
        if len(calls) == number:
            raise KeyboardInterrupt

    return count


# --- a study that was really trained ---


def test_run_trains_prints_epochs_and_the_answer_and_writes_the_report(trained):
    folder, done = trained
    assert (done.code, done.err) == (0, "")
    assert done.out.count("Epoch 2/2 [") == 2
    assert done.out.count("Large dropout rate: 0.8 (drops 80%, keeps 20%)") == 1
    assert "if 80% was to be kept, the rate is 0.2" in done.out
    results = Study.open(folder).results()
    for question, sentence in results.answer().lines:
        assert f"{question} {sentence}" in done.out
    for arm, accuracy in results.test_scores()[["arm", "test_accuracy"]].itertuples(index=False):
        assert re.search(rf"^ *{arm} +{100 * accuracy:.2f}%", done.out, re.MULTILINE)
    assert (folder / "conclusion.txt").is_file()
    assert (folder / "figures").is_dir()


def test_the_end_of_a_run_has_the_answer_the_numbers_the_next_command_and_the_page_in_this_order(trained):
    folder, done = trained
    # Two epochs are too few for the baseline.
    (proposed,) = re.findall(
        rf"^{expected.Cli.FOR_A_VERDICT} after 4 epochs \((?:about|less than) .+\): dropstudy (.+)$",
        done.out,
        re.MULTILINE,
    )
    longer = f"{folder}-4-epochs"
    assert shlex.split(proposed) == ["run", str(folder), "--epochs", "4", "--seeds", "6", "--out", longer]
    told = ("Does dropout help?", "test accuracy  ", expected.Cli.FOR_A_VERDICT, expected.Cli.REPORT)
    places = [done.out.index(words) for words in told]
    assert places == sorted(places)


def test_one_seed_has_no_figure_that_says_nothing(trained):
    """No p, no effect size, no interval, no column of dashes, no network to export."""
    result = trained[1].out[trained[1].out.index("Does dropout help?") :]
    assert not re.search(r"\bp\b|effect|interval|P\(better\)|nan", result)
    assert not re.search(r" - *$", result, re.MULTILINE)
    assert expected.Cli.EXPORT not in result


@pytest.mark.usefixtures("no_report")
def test_the_commands_that_a_study_proposes_are_accepted(call):
    """They are run: a verdict where there is one seed, then a study that may choose a rate."""
    call("run", *TINY, "--rates", "0,0.8")
    for step in Study.open(STUDY).results().answer().steps:
        words = shlex.split(step.command)
        assert call(*words[1:], "--quiet").code == 0
    assert len(read_spec(STUDY).seeds) == 6
    rates = read_spec(f"{STUDY}-rates")
    assert [arm.rate for arm in rates.arms] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8]
    assert (rates.watches_test, len(rates.seeds), rates.epochs) == (False, 6, 2)


def test_show_prints_the_answer_and_the_verdict_as_json_too(trained, call):
    found = json.loads(call("show", trained[0], "--json").out)
    study = Study.open(trained[0])
    assert found["decision"] == "too few seeds"
    assert found["sentences"] == list(study.verdict().sentences)
    assert found["margin"] == 0.1
    assert found["answer"]["helps"] == study.answer().helps


def test_show_prints_what_run_printed_and_all_tables_when_asked(trained, call):
    folder, done = trained
    again = call("run", folder)
    assert again.code == 0
    assert expected.Cli.FINISHED in again.out
    shown = call("show", folder).out
    result = shown[: shown.index(expected.Cli.REPORT)].rstrip()
    for printed in (done.out, again.out, call("run", folder, "--quiet").out):
        assert result in printed
    everything = call("show", folder, "--all").out
    assert everything.startswith(result)
    for sentence in Study.open(folder).verdict().sentences:
        assert sentence in everything
        assert sentence not in shown
    assert "P(better)" not in everything  # one seed
    for words in ("running", "artefact", "moving weights"):
        assert (words in everything, words in shown) == (True, False)
    assert re.search(r"^[\d.]+ kB on disk: .*weights [\d.]+ kB.*\.$", everything, re.MULTILINE)


def test_a_study_is_continued_by_its_command_and_settings_that_differ_are_refused(trained, call):
    folder, _ = trained
    again = ("run", *TINY, "--rates", "0,0.8", "--out", folder)
    assert call(*again).code == 0
    refused = call(*again, "--batch-size", "64")
    assert refused.is_error("--batch-size 128, received --batch-size 64.", f"dropstudy run '{folder}';")
    proposed = shlex.split(refused.err.rpartition("The whole command: ")[2])
    other = folder.with_name(f"{folder.name}-2")
    assert proposed == ["dropstudy", *again[:-2], "--batch-size", "64", "--out", str(other)]
    assert call(*proposed[1:], "--dry-run").code == 0
    refused = call("run", folder, "--epochs", "3", "--no-fixed-validation")
    assert refused.is_error("this folder, --epochs 2, received --epochs 3.")


def test_report_prints_the_files_that_it_wrote(trained, call, tmp_path):
    printed = call("report", shutil.copytree(trained[0], tmp_path / "copy"))
    paths = [Path(line) for line in printed.out.splitlines()]
    assert printed.code == 0
    assert len(paths) == len(set(paths)) > 5
    assert all(path.is_file() for path in paths)


# --- flags ---


@pytest.mark.usefixtures("no_report")
def test_flags_are_the_fields_of_the_file(call):
    flags = (
        "--data digits --rates 0,0.25 --seeds 3,4 --hidden 8,9 --epochs 1 --batch-size 64 --validation-split 0.25"
        " --optimizer sgd,momentum=0.9,decay=0.5 --learning-rate 0.25"
        " --precision bfloat16 --activation tanh --scale 8 --workers 1 --out flags --quiet"
    )
    assert call("run", *flags.split()).code == 0
    spec = read_spec("flags")
    assert [arm.rate for arm in spec.arms] == [0, 0.25]
    assert spec.seeds == (3, 4)
    assert spec.hidden == ((8, 9),)
    assert (spec.epochs, spec.batch_size, spec.validation_split) == (1, 64, 0.25)
    assert spec.optimizer == Optimizer("sgd", learning_rate=0.25, momentum=0.9, decay=0.5)
    assert (spec.data, spec.precision, spec.activation, spec.scale) == ("digits", "bfloat16", "tanh", 8)


@pytest.mark.usefixtures("no_report")
def test_an_arm_may_have_a_rate_for_each_layer(call):
    arms = "--arms rate=0 --arms rate=0.2,0.5 --arms rate=0.5,0.2,max_norm=3"
    done = call("run", *f"--hidden 8,4 {arms} --epochs 1 --data digits --quiet".split())
    assert done.code == 0
    assert [(arm.name, arm.rate, arm.max_norm) for arm in read_spec(STUDY).arms] == [
        ("no dropout", 0, 0),
        ("dropout 0.2, 0.5", (0.2, 0.5), 0),
        ("dropout 0.5, 0.2, max norm 3.0", (0.5, 0.2), 3),
    ]


@pytest.mark.usefixtures("no_report")
def test_a_flag_given_several_times_is_several_networks_and_several_arms(call):
    grid = "--hidden 8 --hidden 4,4 --train-sizes 200,all --validation-split 0.2 --fixed-validation"
    arms = "--arms rate=0 --arms rate=0.5,l2=0.001 --arms rate=0.5,noise=gaussian,name=mine"
    rest = "--keep-weights best --seeds 2 --epochs 1 --data digits --quiet"
    assert call("run", *f"{grid} {arms} {rest}".split()).code == 0
    spec = read_spec(STUDY)
    assert spec.hidden == ((8,), (4, 4))
    assert spec.train_sizes == (200, "all")
    assert (spec.fixed_validation, spec.keep_weights) == (True, "best")
    assert [(arm.name, arm.rate, arm.l2, arm.noise) for arm in spec.arms] == [
        ("no dropout", 0, 0, "dropout"),
        ("dropout 0.5, l2 0.001", 0.5, 0.001, "dropout"),
        ("mine", 0.5, 0, "gaussian"),
    ]


@pytest.mark.parametrize(
    ("flags", "optimizer"),
    [
        ("--learning-rate 0.01", Optimizer(learning_rate=0.01)),
        ("--optimizer sgd", Optimizer("sgd")),
        ("--optimizer epsilon=1e-3,beta_1=0.5", Optimizer(epsilon=1e-3, beta_1=0.5)),
        ("--optimizer adam,learning_rate=0.1,", Optimizer(learning_rate=0.1)),
    ],
)
@pytest.mark.usefixtures("no_report")
def test_settings_of_the_optimizer_that_are_not_given_keep_their_values(call, flags, optimizer):
    assert call("run", *TINY, *flags.split(), "--quiet").code == 0
    assert read_spec(STUDY).optimizer == optimizer


@pytest.mark.parametrize(
    ("flag", "text", "field", "value"),
    [
        ("--seeds", "2", "seeds", (0, 1)),
        ("--seeds", "42,", "seeds", (42,)),
        ("--seeds", "5,3", "seeds", (5, 3)),
        ("--validation-split", "test", "validation_split", "test"),
        ("--validation-split", "100", "validation_split", 100),
        ("--validation-split", "0.5", "validation_split", 0.5),
        ("--validation-split", "1e-1", "validation_split", 0.1),
    ],
)
@pytest.mark.usefixtures("no_report")
def test_seeds_are_a_count_or_a_list_and_validation_the_test_set_a_share_or_a_count(
    call, flag, text, field, value
):
    assert call("run", *TINY, flag, text, "--quiet").code == 0
    assert getattr(read_spec(STUDY), field) == value


@pytest.mark.usefixtures("no_report")
def test_a_dry_run_prints_what_it_would_take_and_leaves_nothing(call, tmp_path):
    printed = call("run", *TINY, "--rates", "0,0.2,0.5", "--seeds", "4", "--dry-run").out
    assert "3 arms x 1 network x 1 training size x 4 seeds = 12 runs of 2 epochs" in printed
    assert re.search(r"^time: (about \d+ (s|min)|less than 1 s)", printed, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_report")
def test_a_dry_run_in_the_folder_of_another_study_has_its_plan_and_names_a_free_folder(call):
    call("run", *TINY)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    other = ("run", *TINY, "--epochs", "5")
    dry = call(*other, "--dry-run")
    assert dry.code == 0
    assert dry.out.startswith(f"{STUDY} holds another study")
    assert dry.out.splitlines()[0].endswith(f"--out {STUDY}-2")
    assert "2 runs of 5 epochs" in dry.out
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert call(*other).is_error(f"--out {STUDY}-2")


@pytest.mark.usefixtures("no_report")
def test_a_dry_run_has_a_first_estimate_on_a_terminal_alone_which_the_measured_one_replaces(
    call, monkeypatch
):
    words = ("run", *TINY, "--seeds", "4", "--dry-run")
    assert "being measured" not in call(*words).out
    for name, value in (("TERM", "xterm"), ("COLUMNS", "200"), ("LINES", "30")):
        monkeypatch.setenv(name, value)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    shown = call(*words).out
    first, _, last = shown.rpartition("being measured")
    assert re.search(r"^time: (about|less than) ", first, re.MULTILINE)
    clearing, _, measured = last.partition("arms: ")
    assert clearing.count("\x1b[2K") == first[first.rindex("arms: ") :].count("\n") + 1
    assert "measured: 16 on 1,437" in measured
    assert "\x1b" not in measured


@pytest.mark.usefixtures("no_report")
def test_quiet_prints_the_result_alone_but_never_hides_that_the_digits_stand_in(call, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise DataUnavailable("mnist", expected="a mirror that answers", received="none")

    monkeypatch.setattr("dropstudy.data.download.fetch_all", refuse)
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv(VARIABLE, "off")  # or the program would be compiled for this cache
    words = ("run", "--hidden", "16", "--epochs", "2", "--quiet")
    for shown in (call(*words), call(*words), call("show", "studies/notebook")):
        assert expected.Data.FALLBACK in shown.out
        assert "Epoch" not in shown.out
    # The digits train in seconds: as many seeds as a verdict needs, unless another number is asked for.
    assert len(read_spec("studies/notebook").seeds) == SEEDS
    assert call(*words, "--seeds", "2", "--out", "two").code == 0
    assert len(read_spec("two").seeds) == 2


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            "--train-sizes 300 --validation-split 0.2",
            "Training on 300 of {n:,} examples; {fifth} are held out for validation.",
        ),
        (
            "--validation-split 100",
            "Training on {left:,} of {n:,} examples; 100 are held out for validation.",
        ),
        ("--train-sizes 300", "Training on 300 of {n:,} examples."),
        ("", None),
    ],
)
def test_a_run_says_how_many_examples_a_network_trains_on(call, flags, told):
    n = len(load_digits().target) * 4 // 5
    shown = call(
        "run", *["--data", "digits", "--hidden", "4", "--epochs", "1", "--out", "x"], *flags.split()
    ).out
    if told is None:
        assert "Training on" not in shown
    else:
        assert told.format(n=n, fifth=round(0.2 * n), left=n - 100) in " ".join(shown.split())


# --- names of arms ---

HOSTILE = ("[red]alert[/red]", "<b>bold</b>", "{0} %s \\n", "дропаут 😀", "-- help", "'; rm -rf $HOME; '")


@pytest.mark.slow
@pytest.mark.usefixtures("made_up_training")
def test_names_of_arms_are_printed_as_they_are(call, tmp_path):
    arms = "".join(
        f"[[arms]]\nname = {toml_text(name)}\nrate = 0.{number}\n" for number, name in enumerate(HOSTILE)
    )
    file = tmp_path / "hostile.toml"
    file.write_text(STUDY_FILE.replace("mine", "[bold]hostile") + arms, encoding="utf-8")
    shown = call("run", file)
    assert shown.code == 0, shown.err
    for name in HOSTILE:
        assert f"Epoch 1/1 [{name}, seed 0]" in shown.out
        assert re.search(rf"^ *{re.escape(name)}  ", shown.out, re.MULTILINE)


@pytest.mark.usefixtures("no_report")
def test_a_very_long_name_takes_one_line_of_its_table(call, tmp_path):
    file = tmp_path / "long.toml"
    file.write_text(f'{STUDY_FILE}[[arms]]\nname = "begin{"x" * 1000}end"\n')
    shown = call("run", file)
    assert shown.code == 0
    row = next(line for line in shown.out.splitlines() if line.strip().startswith("begin"))
    assert "end" in row
    assert "%" in row


# --- reports and confirmations ---


@pytest.mark.usefixtures("made_up_training")
def test_a_report_that_was_not_written_is_written_by_the_next_run(call, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "figures/accuracy.png")

    with monkeypatch.context() as patch:
        patch.setattr(Results, "report", full)
        failed = call("run", *TINY)
        assert failed.code == 2
        assert failed.err.count("\n") == 1
        assert "No space left on device: 'figures/accuracy.png'" in failed.err
    written = call("run", *TINY).out
    assert expected.Cli.FINISHED in written
    assert expected.Cli.WRITES in written
    assert f"{expected.Cli.REPORT}{STUDY}/report.html" in written
    assert (tmp_path / STUDY / "conclusion.txt").is_file()
    assert expected.Cli.WRITES not in call("run", *TINY).out


@pytest.mark.usefixtures("no_report")
def test_a_study_that_cannot_be_confirmed_has_its_result_printed(call, tmp_path, monkeypatch):
    monkeypatch.setattr("dropstudy.analysis.confirm.to_confirm", lambda _: None)
    shown = call("run", *TINY, "--seeds", "6", "--out", tmp_path / "s", "--confirm")
    assert shown.is_error("confirm: expected a study whose validation data chose an arm")
    assert "Does dropout help?" in shown.out


@pytest.mark.usefixtures("no_report")
def test_a_baseline_that_validation_data_chose_leaves_nothing_to_confirm(call, tmp_path, monkeypatch):
    monkeypatch.setattr("dropstudy.analysis.confirm.to_confirm", lambda _: None)
    shown = call(
        "run", *TINY, "--seeds", "6", "--validation-split", "0.2", "--out", tmp_path / "s", "--confirm"
    )
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.endswith(f"{expected.Cli.NOTHING_TO_CONFIRM}\n")


@pytest.mark.usefixtures("made_up_training", "no_report")
def test_what_is_to_be_trained_is_told_before_it_trains_and_in_a_dry_run(call, tmp_path):
    """A finished study with nothing to train, one that seeds are added to, and one to be confirmed."""
    words = ("run", *TINY, "--out", tmp_path / "s", "--seeds", "6", "--margin", "0.0001")
    call(*words)
    assert expected.Cli.FINISHED in call(*words).out
    dry = call(*words, "--dry-run", "--confirm", "--until-decided", "--max-seeds", "9").out
    assert "until decided: up to 9 seeds; at most 6 runs, " in dry  # 3 more of each of 2 arms
    assert "confirmation: 2 arms on up to 9 fresh seeds; at most 18 runs, " in dry
    alone = call(*words, "--dry-run", "--confirm").out
    assert "confirmation: 2 arms on 6 fresh seeds; 12 runs, " in alone
    assert "confirmation" not in call(*words, "--dry-run").out
    one = call("run", *TINY, "--rates", "0.2", "--out", tmp_path / "one", "--dry-run").out
    assert (
        "'dropout 0.2' is the only arm, so nothing is compared. To compare it with another one: --rates 0,0.2"
        in one
    )
    assert call("show", tmp_path / "s").out.lstrip().startswith("Does dropout help? Undecided.")
    confirmed = call(*words, "--confirm").out
    assert expected.Cli.FINISHED not in confirmed
    note = "The study is undecided, so there is no result to confirm."
    assert confirmed.index(note) < confirmed.index("fresh seeds")  # the answer, after training
    grown = call(*words, "--until-decided", "--max-seeds", "8").out
    assert expected.Cli.FINISHED not in grown
    assert "6 seeds: Undecided." in grown.splitlines()
    assert "training examples each" not in grown  # the data were described when the study began


@pytest.mark.slow
@pytest.mark.usefixtures("made_up_training")
def test_runs_that_fail_end_with_3_and_the_others_are_kept(call, monkeypatch):
    def fail(segment):
        if segment.run.arm.rate:
            raise random_results.WorkerError("no luck")
        return random_results.train(segment)

    monkeypatch.setattr(local, "train", fail)
    for shown in (call("run", *TINY), call("show", STUDY)):
        assert shown.code == 3
        assert shown.err.count("\n") == 1
        assert "'dropout 0.8', seed 0 failed: WorkerError: no luck" in shown.err
        assert re.search(r"^ *no dropout +\d", shown.out, re.MULTILINE)
    monkeypatch.setattr(local, "train", random_results.train)
    again = call("run", *TINY)
    assert again.code == 0
    assert expected.Cli.WRITES in again.out  # of now, not of the run that failed


# --- growth, interruption, progress ---


@pytest.mark.usefixtures("no_report")
def test_growth_is_announced_and_more_than_asked_for_is_kept(call):
    assert "grows" not in call("run", *TINY, "--seeds", "2").out
    more = call("run", STUDY, "--seeds", "5", "--rates", "0,0.8,0.3").out
    assert "The study grows: arms + 'dropout 0.3'; seeds + 2 to 4." in more
    assert "11 runs of 2 epochs" in more
    less = call("run", *TINY, "--seeds", "1").out
    assert expected.Cli.MORE.format("arms + 'dropout 0.3'; seeds + 1 to 4") in less
    # No seeds are asked for.
    assert expected.Cli.MORE.format("arms + 'dropout 0.3'") in call("run", *TINY).out
    assert expected.Cli.FINISHED in less
    assert expected.Cli.MORE.partition("{")[0] not in call("run", STUDY).out
    assert len(Study.open(STUDY).results().test_scores()) == 15


@pytest.mark.parametrize("words", [("run", *TINY), ("run", STUDY, "--seeds", "2")])
@pytest.mark.usefixtures("no_report")
def test_an_interrupt_before_anything_is_recorded_says_to_repeat_the_command(call, monkeypatch, words):
    if STUDY in words:
        call("run", *TINY)
    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.run.dataset_of", interrupt)
        stopped = call(*words)
        assert stopped.code == 130
        assert expected.Cli.NOTHING_RECORDED in stopped.err
    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.run.train_runs", interrupt)
        saved = (
            f"{expected.Cli.SAVED} {expected.Cli.CONTINUE}" if STUDY in words else expected.Cli.NOTHING_SAVED
        )
        assert f"{saved}dropstudy run {STUDY}" in call(*words).err
    assert expected.Cli.FINISHED not in call("run", STUDY).out


@pytest.mark.usefixtures("no_report")
def test_the_proposed_command_finishes_the_study(call, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(f"{SCREEN}.on_epoch_end", interrupt_at(2))
        stopped = call("run", *TINY, "--epochs", "9", "--data-dir", ".")
    assert stopped.code == 130
    words = shlex.split(stopped.err.partition(f"{expected.Cli.CONTINUE}dropstudy ")[2])
    assert words == ["run", STUDY, "--data-dir", "."]
    assert call(*words).code == 0
    assert len(Study.open(STUDY).results().history_frame()) == 18


@pytest.mark.usefixtures("no_report")
def test_a_study_that_runs_is_shown_with_its_progress(call, monkeypatch):
    monkeypatch.setattr("dropstudy.runtime.scheduler.COMMIT_INTERVAL", 0.0)  # commit each run at its end
    seen = []

    def look(*_):
        if not seen:
            seen.append((locking.holder(Path(STUDY)), Study.open(STUDY).results().snapshot.progress))

    monkeypatch.setattr(f"{SCREEN}.on_run_end", look)
    call("run", *TINY, "--seeds", "3")
    ((holder, progress),) = seen
    assert re.fullmatch(r"process \d+ on .+", holder)
    assert len(progress) == 6
    assert 0 < sum(each.status == "done" for each in progress) < 6
    assert locking.holder(Path(STUDY)) == ""


@pytest.mark.usefixtures("no_report")
def test_show_prints_the_progress_of_an_interrupted_study(call, monkeypatch):
    monkeypatch.setattr("dropstudy.runtime.scheduler.COMMIT_INTERVAL", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(f"{SCREEN}.on_run_end", interrupt_at(3))
        assert call("run", *TINY, "--seeds", "3").code == 130
    shown = call("show", STUDY).out
    assert re.search(r"^\d of 6 runs are done", shown, re.MULTILINE)
    assert re.search(rf"^{expected.Cli.TO_FINISH}.*: dropstudy run {STUDY}$", shown, re.MULTILINE)
    assert re.search(r"no dropout +\d/3 ", shown)
    call("run", STUDY)
    assert expected.Cli.TO_FINISH not in call("show", STUDY).out


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("spec", ["notebook", "studies/notebook"])
def test_a_study_that_began_without_mnist_names_the_command_that_studies_it(
    call, monkeypatch, tmp_path, spec
):
    """The command works as it is, with the files that were given meanwhile, and scales them as MNIST."""
    monkeypatch.setenv("DROPSTUDY_DATA", "")
    monkeypatch.setattr(NamedFiles, "_fetch", unavailable)
    words = ("--epochs", "1", "--hidden", "4", "--batch-size", "8")
    assert call("run", "notebook", *words).code == 0
    words = () if "/" in spec else words
    began = "holds a study of the digits, which began without MNIST."
    again = call("run", spec, *words)
    assert f"{began} For a study of MNIST, once it is here: dropstudy run {spec}" in again.out.replace(
        "\n", " "
    )
    put_in_catalogue(monkeypatch, "mnist", tiny_contents())
    write_files(tmp_path / "mnist", tiny_contents())
    monkeypatch.setenv("DROPSTUDY_DATA", str(tmp_path))
    (told,) = [line for line in call("run", spec, *words).out.splitlines() if began in line]
    proposed = shlex.split(told.partition("MNIST is here now. A study of it: ")[2])
    assert call(*proposed[1:], "--dry-run").code == 0
    study = Study.open(studied(call, proposed))
    assert study.results().snapshot.metadata["data"] == "mnist"
    assert study.spec.scale == 255


def unavailable(*_, **__):
    raise DataUnavailable("mnist", expected="a mirror", received="none")


def studied(call, proposed):
    """Run a command; the folder that it names."""
    assert call(*proposed[1:], "--seeds", "1").code == 0
    return proposed[proposed.index("--out") + 1]
