"""Help, version, presets, data and doctor: what the command line says of itself and of the machine."""

import json
import os
import re
import shlex

import pytest

import dropstudy
from command_line import COMMANDS, run_script
from dropstudy.cli import groups
from dropstudy.core.metrics import ACCURACY
from dropstudy.core.types import StudySpec
from dropstudy.data.holdout import DEFAULT_TEST_SIZE
from dropstudy.spec import presets
from dropstudy.spec.schema import study_schema
from dropstudy.spec.study_file import FIELDS, SHORTHANDS, read_spec

NO_FLAG = {
    "name": "--out names the folder, which is the purpose of a name",
    "published": "results of a paper stand in a file, with their source",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_it_can_parse(call, name):
    shown = call(name, "--help")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    summary = COMMANDS[name].help.splitlines()[0]
    assert len(summary) > 20
    assert summary in text
    example = re.search(r"Example: dropstudy (.+?) (Arguments|Options):", text).group(1)
    called, *words = shlex.split(example.split(" > ")[0])
    assert called == name
    COMMANDS[name].make_context(name, words, resilient_parsing=False).close()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_help(name):
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{parameter.name} of {name} has no help"


def test_the_help_of_run_has_its_options_in_groups_each_with_an_example_that_it_can_parse(call):
    shown = call("run", "--help").out
    sections = dict(re.findall(r"^([\w ]+):\n((?:  .*\n)+)", shown, re.MULTILINE))
    assert list(sections) == ["Arguments", *groups.EXAMPLES]
    for name, example in groups.EXAMPLES.items():
        first, *rest = sections[name].splitlines()
        assert first == f"  Example: {example}"
        _, called, *words = shlex.split(example)
        COMMANDS[called].make_context(called, list(words), resilient_parsing=False).close()
        flags = set(re.findall(r"^  (--[\w-]+)", "\n".join(rest), re.MULTILINE))
        assert flags & set(words), f"the example of {name} has none of its flags"
    found = re.findall(r"^  (?:-h, )?(--[\w-]+)", shown, re.MULTILINE)
    assert sorted(found) == sorted(
        {"--help", *(p.opts[0] for p in COMMANDS["run"].params if p.param_type_name == "option")}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_no_notation_of_types_and_fits_a_terminal_of_80(call, name):
    shown = call(name, "--help").out
    assert not re.search(r"<|[{}]|\[(required|default)", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_run_states_the_defaults_of_the_presets():
    flags = {parameter.name: parameter for parameter in COMMANDS["run"].params}
    stated = {}
    for preset in set(presets.names()) - set(presets.published()):
        spec = read_spec(preset)
        values = {field: getattr(spec, field) for field in FIELDS}
        values |= {"rates": [arm.rate for arm in spec.arms], "optimizer": spec.optimizer.name}
        left_open = {
            "metric": ACCURACY.name,
            "margin": ACCURACY.margin,
            "data": "mnist",
            "test_size": DEFAULT_TEST_SIZE,
        }
        values |= {"seeds": len(spec.seeds) or 1, **left_open}
        for field in set(flags) & set(values):
            default = re.search(r"[Dd]efault: ([^\s(;]+?)(?:,? |;|\.$|$)(.*)", flags[field].help or "")
            if default:
                other = re.search(rf"\b{preset}\b[^;:]*: ([^;)\s]+)", default[2])
                stated.setdefault(field, []).append((other or default)[1])
                assert stated[field][-1] == words(values[field]), (field, preset)
    assert len(stated) >= 15


def words(value):
    """A value as it is written on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(map(words, value if not isinstance(value[0], tuple) else value[0]))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_field_of_a_study_file_is_a_flag_of_the_same_name_or_has_a_reason():
    flags = {option for parameter in COMMANDS["run"].params for option in parameter.opts}
    for field in (*FIELDS, *SHORTHANDS):
        assert (f"--{field.replace('_', '-')}" in flags) == (field not in NO_FLAG), field
    assert set(NO_FLAG) <= set(StudySpec.__dataclass_fields__)


def test_help_describes_every_command_in_a_whole_sentence_and_says_where_to_start(call):
    shown = call("--help")
    assert shown.code == 0
    assert "Start with: dropstudy run" in shown.out
    listed = " ".join(shown.out.split())
    for name, command in COMMANDS.items():
        first_sentence = re.match(r"[^.]+\.", command.help)[0]
        assert f" {name} {first_sentence}" in listed
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "Start with: dropstudy run" in call().err


def test_help_and_presets_import_nothing_that_is_slow():
    script = (
        "import contextlib, io, sys\n"
        "from dropstudy import cli\n"
        "for words in (['--help'], ['run', '--help'], ['presets'], ['presets', 'notebook']):\n"
        "    sys.argv = ['dropstudy', *words]\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        cli.main()\n"
        "slow = 'msgspec jax keras pandas altair numpy scipy sklearn sqlite3 loky pooch requests rich'.split()\n"
        "print(*(name for name in slow if name in sys.modules))\n"
    )
    assert run_script(script).strip() == ""


@pytest.mark.slow
def test_a_finished_study_is_shown_without_an_array_framework(trained):
    script = (
        "import sys\n"
        "from dropstudy import cli\n"
        f"sys.argv = ['dropstudy', 'run', {str(trained[0])!r}]\n"
        "slow = 'jax', 'keras', 'sklearn'\n"
        "try:\n    cli.main()\n"
        "finally:\n    print([name for name in slow if name in sys.modules])\n"
    )
    shown = run_script(script)
    assert "This study is finished" in shown
    assert shown.endswith("[]\n")


def test_the_version_is_that_of_the_package(call):
    assert call("--version").out == f"dropstudy {dropstudy.__version__}\n"


def test_presets_lists_all_and_prints_one_that_can_be_run(call, tmp_path):
    listed = {line.partition(" ")[0]: line for line in call("presets").out.splitlines()}
    assert [name for name in listed if name in presets.names()] == list(presets.names())
    assert len({listed[name].index(presets.title(name)) for name in presets.names()}) == 1  # a column
    for name in presets.names():
        assert f" {presets.duration(name)} " in listed[name]
        assert max(map(len, presets.text(name).splitlines())) <= 80
        (tmp_path / "mine.toml").write_text(call("presets", name).out)
        assert read_spec(tmp_path / "mine.toml") == read_spec(name)


def test_presets_prints_the_schema_of_study_files(call):
    assert json.loads(call("presets", "--schema").out) == study_schema()


def test_data_prints_where_it_searches_and_the_shapes(call):
    shown = call("data", "digits")
    assert shown.code == 0
    assert "1437 x 8 x 8" in shown.out
    assert "1437 x 8 x 8 uint8 -> 1437 x 64 float32" in shown.out
    assert "DROPSTUDY_DATA: not given" in call("data").out


@pytest.mark.mnist
def test_data_describes_mnist(call, mnist_folder):
    shown = call("data", "mnist", "--data-dir", mnist_folder)
    assert shown.code == 0
    assert "all 4 files, intact" in shown.out
    assert "60000 x 28 x 28 uint8 -> 60000 x 784 float32 in [0, 1]" in shown.out


def test_doctor_prints_what_training_uses(call):
    shown = call("doctor")
    assert shown.code == 0
    lines = dict(line.split(": ", 1) for line in shown.out.splitlines())
    assert lines["device"].startswith(("cpu", "gpu", "cuda"))
    assert dropstudy.__version__ in lines["versions"]
    assert lines["cache"] == os.environ["DROPSTUDY_CACHE"]
    assert "jax" in lines["versions"]
