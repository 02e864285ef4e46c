"""Two studies beside each other: what is the same is called so, and whatever differs is found, be it one bit."""

import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import expected
from dropstudy import cli
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store.diff import compare
from dropstudy.store.store import Store
from fake_training import complete_result, make_runs, segment_of, train
from file_systems import quick_folder

RUNS = make_runs("no dropout", "dropout 0.5", seeds=(0, 1))


@pytest.fixture
def make():
    """Make a study; `change` may alter a run's result before it is kept."""
    with quick_folder() as place:

        def make_(name, runs=RUNS, change=lambda _run, result: result, **options):
            folder = place / name
            with Store(folder, create=True) as store:
                store.begin({}, runs)
                store.commit([(run, change(run, complete_result(run))) for run in runs], **options)
            return folder

        yield make_


def only(run, **changes):
    """Changes the result of one run alone."""
    return lambda each, result: replace(result, **changes) if each == run else result


def parts(each):
    return {name: getattr(each, name) for name in ("history", "test", "predictions", "weights")}


EQUAL = dict.fromkeys(("history", "test", "predictions", "weights"), "equal")


def test_the_same_study_trained_twice_is_the_same_whatever_its_duration(make):
    def slower(_, result):
        rows = tuple(replace(row, seconds=row.seconds + 1) for row in result.history)
        return replace(result, history=rows, device="another")

    compared = compare(make("one"), make("other", change=slower))
    assert [each.run for each in compared] == list(RUNS)
    assert all(each.same and parts(each) == EQUAL for each in compared)


def next_to(number):
    return float(np.nextafter(number, np.inf))


RESULT = complete_result(RUNS[1])
TENSOR = "weights/dense_0/kernel"


def one_bit(array):
    changed = array.copy()
    changed.view(np.uint8).ravel()[0] ^= 1
    return changed


CHANGES = {
    "history": {
        "history": (
            *RESULT.history[:-1],
            replace(RESULT.history[-1], val_loss=next_to(RESULT.history[-1].val_loss)),
        )
    },
    "test": {"final": replace(RESULT.final, brier=next_to(RESULT.final.brier))},
    "predictions": {"final": replace(RESULT.final, likelihood=one_bit(RESULT.final.likelihood))},
    "weights": {"state": {**RESULT.state, TENSOR: one_bit(RESULT.state[TENSOR])}},
}


@pytest.mark.parametrize("part", CHANGES)
def test_one_different_bit_is_found_where_it_is_and_nowhere_else(make, part):
    folders = make("one"), make("other", change=only(RUNS[1], **CHANGES[part]))
    for one, other in (folders, folders[::-1]):
        compared = compare(one, other)
        assert [each.run for each in compared if not each.same] == [RUNS[1]]
        assert parts(compared[1]) == {**EQUAL, part: "unequal"}


def test_nan_is_the_same_as_nan_and_not_as_a_number(make):
    def with_loss(loss):
        return only(RUNS[0], history=(replace(RESULT.history[0], loss=loss), *RESULT.history[1:]))

    folders = [make(str(n), change=with_loss(loss)) for n, loss in enumerate((np.nan, np.nan, np.inf, 0.0))]
    assert compare(folders[0], folders[1])[0].same
    assert not any(compare(folders[0], other)[0].same for other in folders[2:])


def test_runs_in_one_study_only_and_unfinished_runs_differ(make):
    one, other = make("one", RUNS[:3]), make("other", RUNS[1:])
    assert [(each.run, each.same) for each in compare(one, other)] == [
        (RUNS[0], False),
        (RUNS[1], True),
        (RUNS[2], True),
        (RUNS[3], False),
    ]
    assert compare(one, other)[0].statuses == ("done", None)
    assert compare(one, other)[3].statuses == (None, "done")

    def half(run, result):
        return train(segment_of(run, epochs=2)) if run == RUNS[1] else result

    half_done = make("half", change=half)
    each = compare(make("whole"), half_done)[1]
    assert each.statuses == ("done", "running")
    assert parts(each) == {"history": "unequal"} | dict.fromkeys(
        ("test", "predictions", "weights"), "in one alone"
    )
    assert compare(half_done, half_done)[1].same
    told = CliRunner().invoke(cli.app, ["diff", str(half_done), str(half_done)]).stdout
    assert told == f"{expected.Store.IDENTICAL.format(4, 4)} 1 of them is not finished.\n"


def test_weights_that_neither_study_stores_make_no_difference(make):
    without = make("without", keep_weights=False), make("without too", keep_weights=False)
    for each in compare(*without):
        assert each.same
        assert each.weights == "in neither"
    assert {each.weights for each in compare(without[0], make("with"))} == {"in one alone"}


def test_a_damaged_file_is_named_and_not_called_missing(make):
    one, other = make("one"), make("other")
    path = next(other.glob("weights/*"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedFile, match=re.escape(str(path))):
        compare(one, other)


def test_a_folder_without_a_study_is_refused(make, tmp_path):
    with pytest.raises(StoreError, match=re.escape(str(tmp_path))):
        compare(make("one"), tmp_path)


def test_the_command_prints_a_line_a_run_that_differs_and_ends_with_1(make):
    one, same, other = make("one"), make("same"), make("other", change=only(RUNS[1], **CHANGES["weights"]))
    result = CliRunner().invoke(cli.app, ["diff", str(one), str(same)])
    assert result.exit_code == 0
    assert result.stdout == f"{expected.Store.IDENTICAL.format(4, 4)}\n"
    result = CliRunner().invoke(cli.app, ["diff", str(one), str(other)])
    assert result.exit_code == 1
    (line,) = [
        line for line in result.stdout.splitlines() if line.startswith((" no dropout", " dropout 0.5"))
    ]
    assert line.split()[:2] == ["dropout", "0.5"]
    assert line.endswith("weights unequal")
    assert result.stdout.endswith(f"{expected.Store.IDENTICAL.format(3, 4)}\n")


def test_runs_that_other_machines_trained_are_named_with_what_was_other(make):
    unlike = "cpu (B) on node7 (jax 0.11.0 where the study has 0.10.2)"
    mixed = make("mixed", change=only(RUNS[1], device=f"cpu (A) on node1; {unlike}"))
    first, second, *_ = compare(make("one"), mixed)
    assert (first.unlike, second.unlike) == (((), ()), ((), (unlike,)))
    result = CliRunner().invoke(cli.app, ["diff", str(make("again")), str(mixed)])
    assert result.exit_code == 0
    assert "--allow-mixed in DIR2: 1 run trained on other machines" in result.stdout
    assert f"  {unlike}: 'dropout 0.5', seed 0\n" in result.stdout
    assert "in DIR:" not in result.stdout
