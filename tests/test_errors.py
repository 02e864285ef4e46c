"""Errors are advice, in one line, and survive the way back from a worker process."""

import inspect
import pickle
import re

import pytest

from dropstudy import errors
from dropstudy.errors import DropstudyError

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
