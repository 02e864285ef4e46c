"""Values, commands and flags that a shell completes."""

import subprocess
import sys
from pathlib import Path

from command_line import COMMANDS, run_process
from dropstudy.core.hardware import DEVICES
from dropstudy.data.load import source_of
from dropstudy.report.paper.table import FORMATS
from dropstudy.spec import presets
from dropstudy.spec.schema import study_schema
from dropstudy.study import export
from dropstudy.study.tracking import TRACKERS


def offered(command, name, incomplete=""):
    """Values that a shell offers for an option or an argument of a command, in this process."""
    called = COMMANDS[command]
    (parameter,) = (each for each in called.params if name in {each.name, *each.opts})
    with called.make_context(command, [], resilient_parsing=True) as context:
        return [item.value for item in parameter.shell_complete(context, incomplete)]


def test_a_shell_completes_commands_flags_and_values(tmp_path):
    def completed(line):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        return run_process(_DROPSTUDY_COMPLETE="complete_bash", **words).out.split()

    assert completed("dropstudy d") == ["diff", "data", "doctor"]
    assert completed("dropstudy run --learn") == ["--learning-rate"]
    assert completed("dropstudy run --metric b") == ["balanced-accuracy"]
    assert completed("dropstudy run --data mn") == ["mnist"]
    assert completed("dropstudy run liu-o") == completed("dropstudy presets liu-o") == ["liu-one-pass"]
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    installed = run_process("--install-completion", "bash", **home)
    assert installed.code == 0
    assert "\x1b" not in repr(installed.out)
    assert "complete_bash" in next(tmp_path.rglob("dropstudy.sh")).read_text()


def test_bash_completes_with_what_show_completion_prints():
    printed = run_process("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").out
    asked = (
        'COMP_WORDS=(dropstudy run --learn) COMP_CWORD=2; _dropstudy_completion "$0"; echo "${COMPREPLY[@]}"'
    )
    words = ("bash", "--norc", "-c", printed + asked, Path(sys.executable).with_name("dropstudy"))
    done = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
    assert done.stdout == "--learning-rate\n"


def test_an_option_of_run_is_completed_by_the_values_of_its_field():
    properties = study_schema()["properties"]
    enums = {field: set(kind["enum"]) for field, kind in properties.items() if "enum" in kind}
    assert len(enums) >= 4
    for field, values in enums.items():
        if field != "redraw":  # below: several may be given
            assert set(offered("run", f"--{field.replace('_', '-')}")) == values


def test_options_are_completed_by_what_the_program_knows():
    assert offered("run", "--device") == list(DEVICES)
    assert offered("run", "--optimizer") == ["adam", "sgd"]
    assert offered("run", "--scale") == ["auto"]
    assert offered("run", "--validation-split") == ["test"]
    assert offered("export", "--format") == [*export.FORMATS, *TRACKERS]
    assert offered("table", "--format") == offered("verdict", "--format") == list(FORMATS)
    assert offered("verdict", "--metric") == offered("run", "--metric")
    assert offered("teach", "--data") == ["mnist", "digits"]


def test_sources_of_noise_are_completed_after_a_comma():
    assert offered("run", "--redraw") == ["all", "weights", "order", "masks", "split"]
    assert offered("run", "--redraw", "weights,o") == ["weights,order"]


def test_data_are_completed_by_name_and_with_the_files_that_begin_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.csv", "wine.parquet", ".hidden"):
        Path(name).touch()
    assert offered("run", "--data", "w") == ["wine", "wine.parquet"]
    assert offered("run", "--data", "emnist/l") == ["emnist/letters"]
    assert offered("run", "--data", "mine") == []  # then the shell completes files
    every = offered("data", "path")
    assert every[-2:] == ["mine.csv", "wine.parquet"]
    for name in every[:-2]:
        assert source_of(name).name == name
    assert offered("run", "spec") == [*presets.names(), *every[-2:]]
