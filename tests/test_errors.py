"""Errors are advice, in one line, and survive the way back from a worker process."""

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

import dropstudy
from dropstudy import errors
from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.spec.study_file import FIELDS

KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_argument_expected_received_and_next_step(kind):
    error = kind("rate", expected="a share", received="2", next_step="Use 0.2.")
    assert str(error) == "rate: expected a share, received 2. Use 0.2."
    assert str(kind("rate", expected="a share", received="2")) == "rate: expected a share, received 2."


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_from_another_process_as_it_went(kind):
    error = kind("rate", expected="a share", received="2", next_step="Use 0.2.")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(back) is kind
    assert vars(back) == vars(error)
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("text", "in_python"),
    [
        ("Use --out.", "Use `out`."),
        ("Add --seeds 6, or --until-decided.", "Add `seeds=6`, or `until_decided`."),
        ("no --test-size, --scale=16.0", "no `test_size`, `scale=16.0`"),
        ("Hold some out: --validation-split 0.1.", "Hold some out: `validation_split=0.1`."),
        ("--validation-split=test: none", "`validation_split='test'`: none"),
        ("Leave it out: --drop id", "Leave it out: `drop=['id']`"),
        ("--drop '\"a, b\",c'", "`drop=['a, b', 'c']`"),
        ("Use --out='my studies/a'.", "Use `out='my studies/a'`."),
        ("--optimizer=sgd,momentum=0.9", "`optimizer={'name': 'sgd', 'momentum': 0.9}`"),
        ("--no-fixed-validation", "`fixed_validation=False`"),
        ("Run: dropstudy run --out x; or --out=y", "Run: dropstudy run --out x; or `out='y'`"),
    ],
)
def test_settings_are_arguments_in_python_and_flags_on_the_command_line(text, in_python):
    typed = re.sub(r"(--[a-z-]+)=", r"\1 ", text)
    error = InvalidArgument("--data-dir", expected=text, received="none", next_step=text)
    assert str(error) == f"data_dir: expected {in_python}, received none. {in_python}"
    assert error.on_command_line("DIR") == f"DIR: expected {typed}, received none. {typed}"


def test_what_errors_say_of_settings_is_written_as_flags():
    """So that each of Python and the command line prints its own form."""
    fields = "|".join((*(field for field in FIELDS if "_" in field), "data_dir", "max_seeds"))
    argument = re.compile(rf"\b(?:{fields})\b|\b(?:{'|'.join(FIELDS)}) = ")
    wrong = []
    for path in Path(dropstudy.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in errors.__all__:
                parts = [part for keyword in call.keywords for part in ast.walk(keyword.value)]
                texts = [
                    part.value
                    for part in parts
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                wrong += [
                    f"{path.name}: {text}" for text in texts if argument.search(text) and text not in FIELDS
                ]
    assert wrong == []


def test_bad_input_ends_with_2_and_runs_that_failed_with_3():
    assert {kind: kind.exit_code for kind in KINDS} == {
        kind: 3 if kind is errors.RunsFailed else 2 for kind in KINDS
    }


def test_a_wrong_argument_is_a_value_error_for_those_who_do_not_know_us():
    assert issubclass(errors.InvalidArgument, ValueError)


def test_the_tree_at_the_top_of_the_file_is_the_tree():
    drawn, parents = {}, []
    for line in inspect.getdoc(errors).splitlines():
        if found := re.match(r"( *[├└│─ ]*)([A-Z]\w+) {2,}", line):
            depth = len(found.group(1)) // 4 - 1
            parents[depth:] = [found.group(2)]
            drawn[found.group(2)] = parents[depth - 1] if depth else None
    assert set(drawn) == set(errors.__all__)
    for name, parent in drawn.items():
        bases = {base.__name__ for base in getattr(errors, name).__bases__}
        assert parent is None or parent in bases
    assert all(issubclass(kind, DropstudyError) for kind in KINDS)
