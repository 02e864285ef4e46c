"""The command line as its user meets it: help, words, exit codes; through a shell where that matters.

What is quick is called in this process by `main`; what concerns processes, signals and pipes is a real one.
"""

import csv
import io
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
import typer
from PIL import Image

import dropstudy
import made_up
from dropstudy import Study, cli
from dropstudy.core.types import StudySpec
from dropstudy.data import load
from dropstudy.errors import DataUnavailable
from dropstudy.runtime import local, run
from dropstudy.spec import presets
from dropstudy.spec.study_file import FIELDS, SHORTHANDS, read_spec

COMMAND = typer.main.get_command(cli.app)
COMMANDS = dict(COMMAND.commands)
TINY = ("--data", "digits", "--hidden", "16", "--epochs", "2")
PROGRAM = (sys.executable, "-W", "error", "-m", "dropstudy")


class Said:
    """Output of a command, and its exit code."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def say(monkeypatch, capsys):
    """Call the command line in this process."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own handlers stay

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["dropstudy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Said(end.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Training is made up and takes no time, and studies go to a folder of this test's own."""
    made_up.instead_of_workers(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def unreported(quick, monkeypatch):  # noqa: ARG001 - on top of it
    """As `quick`, and without the figures, which take longer than made-up training."""
    monkeypatch.setattr(Study, "write", lambda *_: [])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study that a real `dropstudy run` trained, and what that said."""
    folder = tmp_path_factory.mktemp("cli") / "größer & better"
    done = real(
        "run", *TINY, "--rates", "0,0.8", "--out", folder, cache=tmp_path_factory.getbasetemp() / "cache"
    )
    return folder, done


def environment(cache):
    return {**os.environ, "DROPSTUDY_CACHE": str(cache), "PYTHONIOENCODING": "utf-8"}


def real(*words, cache=None):
    """Run the command line in a process of its own."""
    return subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, *map(str, words)],
        env=environment(cache or os.environ["DROPSTUDY_CACHE"]),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=400,
    )


def one_line_error(said, *words):
    """An error in one line on standard error, in the form that errors.py gives it."""
    assert said.code == 2
    assert re.fullmatch(r"Error: .+: expected .+, received .+\n", said.err), said.err
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    return True


STUDY_FILE = 'name = "mine"\ndata = "digits"\nhidden = [8]\nepochs = 1\nvalidation_split = "test"\n'


def toml_text(text):
    return tomli_w.dumps({"x": text}).removeprefix("x = ").strip()


# --- help ---


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(say, name):
    said = say(name, "--help")
    assert said.code == 0
    text = " ".join(said.out.split())
    summary = COMMANDS[name].help.splitlines()[0]
    assert len(summary) > 20
    assert summary in text
    example = re.search(r"Example: (dropstudy .+?) (Arguments|Options):", text).group(1)
    assert example.split()[1] == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_help(name):
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{parameter.name} of {name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_uses_only_what_its_command_takes(name):
    example = next(line for line in COMMANDS[name].help.splitlines() if line.startswith("Example: "))
    words = shlex.split(example.removeprefix("Example: ").split(" > ")[0])[2:]
    COMMANDS[name].make_context(name, words, resilient_parsing=False).close()


NO_FLAG = {
    "name": "--out names the folder, which is what a name is for",
    "optimizer": "a table of settings, written in a file",
}


def test_every_field_of_a_study_file_is_a_flag_of_the_same_name_or_has_a_reason():
    flags = {option for parameter in COMMANDS["run"].params for option in parameter.opts}
    for field in (*FIELDS, *SHORTHANDS):
        assert (f"--{field.replace('_', '-')}" in flags) == (field not in NO_FLAG), field
    assert set(NO_FLAG) <= set(StudySpec.__dataclass_fields__)


def test_help_names_every_command_and_where_to_start(say):
    said = say("--help")
    assert said.code == 0
    assert "Start with: dropstudy run" in said.out
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", said.out, re.MULTILINE)


def test_help_and_presets_import_nothing_that_is_slow():
    script = (
        "import contextlib, io, sys\n"
        "from dropstudy import cli\n"
        "for words in (['--help'], ['run', '--help'], ['presets'], ['presets', 'notebook']):\n"
        "    sys.argv = ['dropstudy', *words]\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        cli.main()\n"
        "slow = 'jax keras pandas altair numpy scipy sklearn sqlite3 loky pooch requests rich'.split()\n"
        "print(*(name for name in slow if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603 - our own script
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_a_finished_study_is_shown_without_an_array_framework(trained):
    script = (
        "import sys\n"
        "from dropstudy import cli\n"
        f"sys.argv = ['dropstudy', 'run', {str(trained[0])!r}]\n"
        "slow = 'jax', 'keras', 'sklearn', 'scipy'\n"
        "try:\n    cli.main()\n"
        "finally:\n    print([name for name in slow if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")  # noqa: S603 - our own script
    assert "This study is finished" in done.stdout
    assert done.stdout.endswith("[]\n")


# --- run ---


def test_run_trains_prints_epochs_table_and_conclusion_and_writes_the_report(trained):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("Epoch 2/2 [") == 2
    assert done.stdout.count("Large dropout rate: 0.8 (drops 80%, keeps 20%)") == 1
    assert "if 80% was to be kept, the rate is 0.2" in done.stdout
    opened = Study.open(folder)
    for sentence in opened.conclusion():
        assert sentence in done.stdout
    for arm, accuracy in opened.finals()[["arm", "test_accuracy"]].itertuples(index=False):
        assert re.search(rf"^ *{arm} +{100 * accuracy:.2f}%", done.stdout, re.MULTILINE)
    assert (folder / "conclusion.txt").is_file()
    assert (folder / "figures").is_dir()


def test_show_prints_the_verdict_for_machines_too(trained, say):
    folder, _ = trained
    verdict = json.loads(say("show", folder, "--json").out)
    assert verdict["decision"] == "too few seeds"
    assert verdict["sentences"] == Study.open(folder).conclusion()
    assert verdict["margin"] == 0.1


def test_too_few_seeds_to_decide_anything_are_refused_before_any_training(say, tmp_path):
    refused = say("run", "--data", "digits", "--out", tmp_path / "s", "--until-decided", "--max-seeds", "5")
    assert refused.code == 2
    assert (
        "max_seeds: expected a whole number of seeds from 6, which a verdict takes, received 5" in refused.err
    )
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--margin", "-1"), "margin: expected points of test accuracy above 0 and at most 50, received -1"),
        (
            ("--margin", "nan"),
            "margin: expected points of test accuracy above 0 and at most 50, received nan",
        ),
        (("--confirm", "--seeds", "5"), "confirm: expected a study of 6 seeds or more.*received 5"),
        (
            ("--confirm", "--seeds", "6", "--rates", "0,0.2,0.5"),
            "confirm: .*received 2 arms beside the baseline",
        ),
        (("--max-seeds", "9"), "--max-seeds: expected --until-decided beside it.*Add --until-decided"),
    ],
)
@pytest.mark.usefixtures("unreported")
def test_what_no_verdict_can_use_is_refused_before_any_training(say, tmp_path, words, told):
    refused = say("run", *TINY, "--out", tmp_path / "s", *words)
    assert refused.code == 2
    assert re.search(told, refused.err)
    assert not (tmp_path / "s").exists()


@pytest.mark.usefixtures("unreported")
def test_a_study_that_cannot_be_confirmed_has_its_result_printed_all_the_same(say, tmp_path, monkeypatch):
    monkeypatch.setattr("dropstudy.analysis.confirm._to_confirm", lambda _: None)
    said = say("run", *TINY, "--seeds", "6", "--out", tmp_path / "s", "--confirm")
    assert said.code == 2
    assert "Test accuracy against 'no dropout'" in said.out
    assert "The report: " in said.out
    assert "confirm: expected a study whose validation data chose an arm" in said.err


def test_the_version_is_that_of_the_package(say):
    assert say("--version").out == f"dropstudy {dropstudy.__version__}\n"


def test_the_command_that_run_proposes_exports_a_network(trained, say, tmp_path):
    folder, done = trained
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("A trained network: ")]
    words = shlex.split(line.removeprefix("A trained network: dropstudy "))
    assert words == ["export", str(folder), "--arm", "no dropout"]  # nothing was chosen
    said = say(*words, "--format", "safetensors", "--out", tmp_path / "w.safetensors")
    assert said.code == 0
    assert "64 numbers an example, divided by 16" in said.out
    assert (tmp_path / "w.safetensors").is_file()


def test_run_on_a_finished_study_says_so_and_says_its_result_again(trained, say):
    folder, done = trained
    said = say("run", folder)
    assert said.code == 0
    assert "finished; nothing to train" in said.out
    *lines, disk = say("show", folder).out.splitlines(keepends=True)
    assert re.fullmatch(r"[\d.]+ kB on disk: .*weights [\d.]+ kB.*\.\n", disk)
    result = "".join(lines)
    assert " arm " in result
    assert result in done.stdout
    table = result[: result.index("Test accuracy against")]
    for again in (said.out, say("run", folder, "--quiet").out):
        assert table in again
        assert all(sentence in again for sentence in Study.open(folder).conclusion())


def test_the_same_command_again_goes_on_and_what_cannot_be_compared_is_refused(trained, say):
    folder, _ = trained
    assert say("run", *TINY, "--rates", "0,0.8", "--out", folder).code == 0
    again = ("run", *TINY, "--rates", "0,0.8", "--out", folder)
    one_line_error(
        say(*again, "--batch-size", "64"), "batch_size is 128 in the study, 64 was asked for", "--out"
    )
    one_line_error(say("run", folder, "--epochs", "3"), "epochs is 2 in the study, 3 was asked for")


@pytest.mark.usefixtures("quick")
def test_a_report_that_was_not_written_is_written_by_the_next_run(say, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "figures/side_by_side.png")

    with monkeypatch.context() as patch:
        patch.setattr(Study, "write", full)
        said = say("run", *TINY)
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert "No space left on device: 'figures/side_by_side.png'" in said.err
    said = say("run", *TINY)
    assert "nothing to train" in said.out
    assert "The report: studies/notebook/report.html" in said.out
    assert (tmp_path / "studies" / "notebook" / "conclusion.txt").is_file()
    assert "The report:" not in say("run", *TINY).out


@pytest.mark.usefixtures("unreported")
def test_flags_say_what_fields_of_the_file_say(say):
    flags = (
        "--data digits --rates 0,0.25 --seeds 3,4 --hidden 8,9 --epochs 1 --batch-size 64 --validation-split 0.25"
        " --precision bfloat16 --activation tanh --scale 8 --workers 1 --out flags --quiet"
    )
    assert say("run", *flags.split()).code == 0
    spec = read_spec("flags")
    assert [arm.rate for arm in spec.arms] == [0, 0.25]
    assert spec.seeds == (3, 4)
    assert spec.hidden == ((8, 9),)
    assert (spec.epochs, spec.batch_size, spec.validation_split) == (1, 64, 0.25)
    assert (spec.data, spec.precision, spec.activation, spec.scale) == ("digits", "bfloat16", "tanh", 8)


@pytest.mark.parametrize(("text", "seeds"), [("2", (0, 1)), ("42,", (42,)), ("5,3", (5, 3))])
@pytest.mark.usefixtures("unreported")
def test_seeds_are_a_count_or_a_list_and_a_comma_makes_a_list(say, text, seeds):
    assert say("run", *TINY, "--seeds", text, "--quiet").code == 0
    assert read_spec("studies/notebook").seeds == seeds


@pytest.mark.parametrize(
    ("text", "validation"), [("test", "test"), ("100", 100), ("0.5", 0.5), ("1e-1", 0.1)]
)
@pytest.mark.usefixtures("unreported")
def test_validation_is_the_test_set_a_share_or_a_count(say, text, validation):
    assert say("run", *TINY, "--validation-split", text, "--quiet").code == 0
    assert read_spec("studies/notebook").validation_split == validation


@pytest.mark.usefixtures("unreported")
def test_quiet_prints_the_result_alone_but_never_hides_that_the_digits_stand_in(say, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise DataUnavailable("mnist", expected="a mirror that answers", received="none")

    monkeypatch.setattr(load, "_fetch", refuse)
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "empty"))
    words = ("run", "--hidden", "16", "--epochs", "2", "--quiet")
    for said in (say(*words), say(*words), say("show", "studies/notebook")):
        assert "MNIST was not found" in said.out
        assert "Epoch" not in said.out


HOSTILE = ("[red]alert[/red]", "<b>bold</b>", "{0} %s \\n", "дропаут 😀", "-- help", "'; rm -rf $HOME; '")


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_names_of_arms_are_printed_as_they_are(say, tmp_path):
    arms = "".join(
        f"[[arms]]\nname = {toml_text(name)}\nrate = 0.{number}\n" for number, name in enumerate(HOSTILE)
    )
    file = tmp_path / "hostile.toml"
    file.write_text(STUDY_FILE.replace("mine", "[bold]hostile") + arms, encoding="utf-8")
    said = say("run", file)
    assert said.code == 0, said.err
    for name in HOSTILE:
        assert f"Epoch 1/1 [{name}, seed 0]" in said.out
        assert re.search(rf"^ *{re.escape(name)}  ", said.out, re.MULTILINE)
    (proposed,) = [line for line in said.out.splitlines() if line.startswith("A trained network: ")]
    assert shlex.split(proposed)[-1] == HOSTILE[0]


@pytest.mark.usefixtures("unreported")
def test_a_very_long_name_takes_a_line_of_its_table_and_no_more(say, tmp_path):
    file = tmp_path / "long.toml"
    file.write_text(f'{STUDY_FILE}[[arms]]\nname = "begin{"x" * 1000}end"\n')
    said = say("run", file)
    assert said.code == 0
    row = next(line for line in said.out.splitlines() if line.strip().startswith("begin"))
    assert "end" in row
    assert "%" in row


# --- the other commands ---


def test_predict_prints_csv_into_a_pipe_and_writes_it_to_a_file(trained, say, tmp_path):
    folder, _ = trained
    examples = dropstudy.load_dataset("digits").x_test[:7]
    np.save(tmp_path / "seven.npy", examples)
    said = say("predict", folder, tmp_path / "seven.npy", "--arm", "dropout 0.8", "--seed", "0")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert said.code == 0
    assert len(rows) == 7
    for row in rows:
        shares = {name: float(value) for name, value in row.items() if name.startswith("p(")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == f"p({row['label']})"
    said_again = say(
        "predict", folder, tmp_path / "seven.npy", "--arm", "dropout 0.8", "--out", tmp_path / "p.csv"
    )
    assert "7 examples" in said_again.out
    assert (tmp_path / "p.csv").read_text() == said.out


def test_no_output_takes_the_place_of_a_study_s_own_file_or_of_an_input(trained, say, tmp_path):
    folder, _ = trained
    images, link = tmp_path / "images", tmp_path / "linked"
    images.mkdir()
    source = images / "seven.npy"
    np.save(source, dropstudy.load_dataset("digits").x_test[:7])
    link.symlink_to(folder)
    (tmp_path / "hard.npy").hardlink_to(source)
    (tmp_path / "soft.csv").symlink_to(folder / "study.db")
    weights = next((folder / "weights").iterdir())
    picture = tmp_path / "mine.png"
    Image.new("L", (8, 8)).save(picture)
    before = {path: path.read_bytes() for path in (*folder.rglob("*"), source, picture) if path.is_file()}
    outs = [
        picture,
        folder / "study.db",
        link / "study.toml",
        folder / "figures" / ".." / "study.db",
        folder / "runs.csv",
    ]
    outs += [weights, source, tmp_path / "hard.npy", tmp_path / "soft.csv", "/dev/null"]
    for out in outs:
        assert one_line_error(say("predict", folder, source, "--out", out), "--out", str(out))
    export = ("export", folder, "--format", "safetensors", "--out")
    assert one_line_error(say(*export, weights), "--out", "a file of the study")
    assert {path: path.read_bytes() for path in before} == before
    assert say("predict", folder, source, "--out", images / "p.csv").code == 0
    assert say("predict", folder, source, "--out", images / "p.csv").code == 0


EVIL = "=1+1\x1b[31m\u202e"


def test_names_command_neither_a_terminal_nor_a_spreadsheet(trained, say, tmp_path, monkeypatch):
    image = tmp_path / f"{EVIL}.png"
    Image.new("L", (8, 8), 3).save(image)
    (tmp_path / "folder").mkdir()
    shutil.copy(image, tmp_path / "folder")
    shown = "=1+1\\x1b[31m\\u202e"
    piped = say("predict", trained[0], image)
    assert next(iter(csv.DictReader(io.StringIO(piped.out))))["example"] == f"'{shown}.png"
    assert say("predict", trained[0], tmp_path / "folder", "--out", tmp_path / f"{EVIL}.csv").out.endswith(
        f"{shown}.csv\n"
    )
    kept = pd.read_csv(tmp_path / f"{EVIL}.csv")
    assert kept["example"][0] == f"'{EVIL}.png"
    assert kept.dtypes.iloc[2:].map(lambda kind: kind.kind).tolist() == ["f"] * 10
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    for said in (
        say("predict", trained[0], image),
        say("predict", trained[0], f"{EVIL}\nno such.png"),
        say("show", f"no such {EVIL}"),
        say(EVIL),
        say("predict", trained[0], image, "--arm", EVIL),
        say("run", "--data", f"{EVIL}.npz"),
    ):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said.out + said.err)
        assert "\\x1b[31m" in said.out + said.err


IMPORTING = """
import sys, time
from dropstudy import cli
for number in cli._STOPS:
    cli.signal.signal(number, cli._stop)
import swallows
try:
    for _ in range(100): time.sleep(0.05)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_stop_that_a_module_swallows_while_it_is_imported_is_obeyed(tmp_path):
    (tmp_path / "swallows.py").write_text(
        "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(0.2)\n"
        "except BaseException:\n    pass\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(dropstudy.__file__).parents[1])])
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", IMPORTING], env=os.environ | {"PYTHONPATH": path}, check=False, timeout=60
    )
    assert done.returncode == 130


def test_predict_prints_a_table_on_a_terminal(trained, say, tmp_path, monkeypatch):
    np.save(tmp_path / "one.npy", dropstudy.load_dataset("digits").x_test[0])
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    said = say("predict", trained[0], tmp_path / "one.npy")
    assert said.code == 0
    assert "one.npy[0]" in said.out
    assert "," not in said.out


@pytest.mark.parametrize("file_format", ["keras", "safetensors"])
def test_export_says_which_file_it_wrote_and_what_that_takes(trained, say, tmp_path, file_format):
    path = tmp_path / f"network.{file_format}"
    said = say("export", trained[0], "--format", file_format, "--out", path)
    assert said.code == 0
    path_line, input_line, *hints = said.out.splitlines()
    assert (path_line, input_line) == (str(path), "Its input: 64 numbers an example, divided by 16.")
    assert ["KERAS_BACKEND" in hint for hint in hints] == [True] * (file_format == "keras")
    assert path.stat().st_size > 1000


def test_report_prints_the_files_that_it_wrote(trained, say, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "copy")
    said = say("report", copy)
    paths = [Path(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert len(paths) == len(set(paths)) > 5
    assert all(path.is_file() for path in paths)


def test_presets_lists_all_and_prints_one_that_can_be_run(say, tmp_path):
    said = say("presets")
    assert [line.split(":")[0] for line in said.out.splitlines()] == list(presets.names())
    for name in presets.names():
        (tmp_path / "mine.toml").write_text(say("presets", name).out)
        assert read_spec(tmp_path / "mine.toml") == read_spec(name)


def test_data_says_where_it_looks_and_what_shape_things_have(say):
    said = say("data", "digits")
    assert said.code == 0
    assert "1437 x 8 x 8" in said.out
    assert "(1437, 10)" in said.out
    assert "DROPSTUDY_DATA: not given" in say("data").out


@pytest.mark.mnist
def test_data_describes_mnist(say, mnist_folder):
    said = say("data", "mnist", "--data-dir", mnist_folder)
    assert said.code == 0
    assert "all 4 files, intact" in said.out
    assert "60000 x 28 x 28 uint8 -> 60000 x 784 float32 in [0, 1]" in said.out


def test_doctor_says_what_training_would_use(say):
    said = say("doctor")
    assert said.code == 0
    lines = dict(line.split(": ", 1) for line in said.out.splitlines())
    assert lines["device"].startswith(("cpu", "gpu", "cuda"))
    assert dropstudy.__version__ in lines["versions"]
    assert lines["cache"] == os.environ["DROPSTUDY_CACHE"]
    assert "jax" in lines["versions"]


# --- errors ---

WRONG = [
    (("run", "no-such-preset"), "SPEC"),
    (("run", "--out", ""), "the study's folder"),
    (("run", "--out", " "), "the study's folder"),
    (("rm", "", "--yes"), "the study's folder"),
    (("show", ""), "the study's folder"),
    (("run", "notebok"), "Did you mean 'notebook'"),
    (("run", "--rates", "0,1.0"), "rate (arm 2)"),
    (("run", "--rates", "0,1.0"), "share dropped, not kept"),
    (("run", "--rates", "-0.1,0"), "rate (arm 1)"),
    (("run", "--rates", "nan"), "rate (arm 1)"),
    (("run", "--rates", "0;0.5"), "--rates"),
    (("run", "--rates", ""), "--rates"),
    (("run", "--rates", "0.5,0.5"), "'dropout 0.5' twice"),
    (("run", "--hidden", "0"), "hidden"),
    (("run", "--hidden", "512x512"), "--hidden"),
    (("run", "--seeds", "0"), "seeds"),
    (("run", "--seeds", "one"), "--seeds"),
    (("run", "--seeds", "1,1"), "value 1 twice"),
    (("run", "--seeds", "20240101"), "a list of seeds"),
    (("run", "--epochs", "0"), "epochs"),
    (("run", "--batch-size", "-1"), "batch_size"),
    (("run", "--validation-split", "1.5"), "validation_split"),
    (("run", "--validation-split", "half"), "--validation-split"),
    (("run", "--validation-split", "nan"), "validation_split"),
    (("run", "--precision", "float64"), "precision"),
    (("run", "--data", "minst"), "Did you mean 'mnist'"),
    (("run", "--data", "no.npz"), "no.npz"),
    (("run", "--data", "digits", "--batch-size", "2000"), "at most the 1437 training examples"),
    (("run", "--data", "digits", "--workers", "0"), "workers"),
    (("run", "--data", "mnist", "--data-dir", "nowhere"), "nowhere"),
    (("run", "--data", "digits", "--out", "file"), "a folder that can be written"),
    (("run", "broken.toml"), "broken.toml"),
    (("show", "nowhere"), "the folder of a study"),
    (("report", "nowhere"), "nowhere"),
    (("predict", "nowhere", "x.png"), "nowhere"),
    (("export", "nowhere"), "To make one there: dropstudy run --out nowhere"),
    (("presets", "notebok"), "notebook"),
    (("data", "minst"), "mnist"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("words", "said"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_wrong_input_is_told_in_one_line_and_ends_with_2(say, words, said):
    Path("broken.toml").write_text("epochs = = 3")
    Path("file").write_text("in the way")
    assert one_line_error(say(*words), said)
    assert not Path("studies/notebook/study.toml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "STUDY", "no.png"), "no.png"),
        (("predict", "STUDY", "EXAMPLE", "--arm", "dropout"), "'no dropout', 'dropout 0.8'"),
        (("predict", "STUDY", "EXAMPLE", "--seed", "7"), "seed"),
        (("export", "STUDY", "--arm", "none"), "arm"),
        (("export", "STUDY", "--out", "model.h5"), ".keras"),
        (("predict", "STUDY", "EXAMPLE", "--out", "/proc/none/p.csv"), "/proc/none/p.csv"),
    ],
)
def test_a_wrong_request_to_a_study_is_told_in_one_line(trained, say, tmp_path, words, said):
    np.save(tmp_path / "example.npy", dropstudy.load_dataset("digits").x_test[0])
    places = {"STUDY": trained[0], "EXAMPLE": tmp_path / "example.npy"}
    assert one_line_error(say(*(places.get(word, word) for word in words)), said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--epoch", "3"), "--epochs"),
        (("run", "--epochs", "three"), "--epochs"),
        (("frobnicate",), "frobnicate"),
        (("show",), "DIR"),
        (("export", "x", "--format", "onnx"), "safetensors"),
    ],
)
def test_a_command_line_that_cannot_be_read_says_what_is_wrong_and_ends_with_2(say, words, said):
    wrong = say(*words)
    assert wrong.code == 2
    assert "Error: " in wrong.err
    assert said in wrong.err
    assert "Traceback" not in wrong.err
    assert wrong.out == ""


def test_a_place_that_is_nowhere_is_told_in_one_line(say, tmp_path, monkeypatch):
    assert one_line_error(say("run", "--data", "~nosuch/x.npz"), "~nosuch/x.npz")
    assert say("data", "~nosuch/x.npz").out.splitlines()[0] == "~nosuch/x.npz: no such file"
    (tmp_path / "long.toml").write_text(STUDY_FILE.replace("epochs = 1", f"epochs = {'9' * 5000}"))
    assert one_line_error(say("run", tmp_path / "long.toml"), "5000 digits")
    assert one_line_error(say("show", os.fsdecode(b"not \xff utf")), "not \\udcff utf")
    monkeypatch.setenv("DROPSTUDY_DATA", "~nosuch/data")
    monkeypatch.delenv("DROPSTUDY_CACHE")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])  # a user of a container, whom nobody knows
    said = say("data", "digits")
    assert (said.code, said.err) == (0, "")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert one_line_error(say("presets"), "the current folder", "cd")


def test_a_real_process_tells_errors_on_standard_error_and_ends_with_2():
    done = real("run", "--rates", "1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert one_line_error(Said(done.returncode, done.stdout, done.stderr), "rate (arm 1)")


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_runs_that_fail_end_with_3_and_keep_the_others(say, monkeypatch):
    def fail(segment):
        if segment.run.arm.rate:
            raise made_up.Mishap("no luck")
        return made_up.train(segment)

    monkeypatch.setattr(local, "train", fail)
    for said in (say("run", *TINY), say("show", "studies/notebook")):
        assert said.code == 3
        assert said.err.count("\n") == 1
        assert "'dropout 0.8', seed 0 failed: Mishap: no luck" in said.err
        assert re.search(r"^ *no dropout +\d", said.out, re.MULTILINE)
    monkeypatch.setattr(local, "train", made_up.train)
    healed = say("run", *TINY)
    assert healed.code == 0
    assert "The report:" in healed.out  # the report is of now, not of the run that failed


def test_an_error_that_is_ours_keeps_its_traceback(monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("dropstudy.runtime.doctor.lines", broken)
    monkeypatch.setattr(sys, "argv", ["dropstudy", "doctor"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


# --- signals and pipes ---


@contextmanager
def started(*words, program=PROGRAM):
    """A real process in a session of its own, as a terminal gives each job one; killed if it is left running."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [*program, *map(str, words)],
        env=environment(os.environ["DROPSTUDY_CACHE"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(process, text):
    """Read the process's output up to a line with `text` in it; what was read."""
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    pytest.fail(f"{text!r} never came: {read}{process.stderr.read()}")


def gone(group):
    """True once no process of a group is left; it may take a moment."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_was_done_and_says_how_to_go_on(tmp_path, stop):
    folder = tmp_path / "a study"
    words = ("run", "--data", "digits", "--hidden", "16", "--rates", "0.1", "--out", folder)
    with started(*words, "--epochs", "30000") as process:
        until(process, "Epoch 2/")
        if stop == signal.SIGINT:
            os.killpg(process.pid, stop)  # as the terminal does: to the workers too
        else:
            process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line]
    assert line.startswith("Interrupted. What was done is kept. Go on with: ")
    assert shlex.split(line.partition("Go on with: ")[2]) == ["dropstudy", "run", str(folder)]
    assert gone(process.pid)
    kept = Study.open(folder)
    done = kept.frame()["epoch"].tolist()
    assert done == list(range(1, len(done) + 1))
    assert 2 <= len(done) < 30000
    if stop == signal.SIGINT:
        goes_on_where_it_was(folder, len(done))


def test_a_run_interrupted_twice_ends_at_once_and_its_helpers_keep_silent(tmp_path):
    words = ("run", "--data", "digits", "--hidden", "16", "--rates", "0.1", "--out", tmp_path / "study")
    plain = (sys.executable, "-m", "dropstudy")  # a warning made an error would not be seen
    with started(*words, "--epochs", "30000", program=plain) as process:
        until(process, "Epoch 2/")
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.01)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter if it was just about to end
    assert [line for line in err.splitlines() if line and not line.startswith("Interrupted. ")] == []
    assert gone(process.pid)


def goes_on_where_it_was(folder, done):
    """The command that was proposed trains the epoch after the last one kept."""
    with started("run", folder) as process:
        told = until(process, f"Epoch {done + 1}/30000")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert told.count("Epoch ") == 1
    assert process.returncode == 130


@pytest.mark.usefixtures("unreported")
def test_the_proposed_command_finishes_the_study(say, monkeypatch):
    told = []

    def interrupt(*event):
        told.append(event)
        if len(told) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.progress.lines.EpochLines.epoch", interrupt)
        said = say("run", *TINY, "--epochs", "9", "--data-dir", ".")
    assert said.code == 130
    words = shlex.split(said.err.partition("Go on with: dropstudy ")[2])
    assert words == ["run", "studies/notebook", "--data-dir", "."]
    finished = say(*words)
    assert finished.code == 0
    assert len(Study.open("studies/notebook").frame()) == 18


@pytest.mark.usefixtures("unreported")
def test_an_interruption_before_anything_was_begun_does_not_propose_a_study_that_is_not_there(
    say, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load_dataset", interrupt)
    said = say("run", *TINY)
    assert said.code == 130
    assert "Nothing was begun. The same command starts again." in said.err


def test_a_reader_that_leaves_early_gets_no_traceback(trained):
    with started("run", trained[0]) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert err == ""


@pytest.mark.usefixtures("unreported")
def test_a_stream_that_lacks_a_letter_gets_its_number(say, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Path("mine.toml").write_text(STUDY_FILE + f"[[arms]]\nname = {toml_text('дропаут')}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    assert say("run", "mine.toml").code == 0
    stream.flush()
    assert rb"[\u0434\u0440\u043e\u043f\u0430\u0443\u0442, seed 0]" in stream.buffer.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--data", "digits", "--dry-run", "--out", "{}"),
        ("run", "--data", "digits", "--out", "{}"),
        ("run", "--data", "{}.npz", "--dry-run"),
        ("run", "--data", "mnist", "--data-dir", "{}", "--dry-run"),
        *((command, "{}") for command in ("show", "report", "view", "rm", "export", "run")),
        ("diff", "{}", "{}"),
    ],
)
def test_a_path_longer_than_the_file_system_allows_is_refused_in_a_line(say, tmp_path, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = "x" * 300
    said = say(*(word.format(long) for word in words))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert re.search(rf"{long}.*expected .*, received |expected .*, received .*{long}", said.err)
    assert "Errno" not in said.err
    assert list(tmp_path.iterdir()) == []
