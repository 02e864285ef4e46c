"""`dropstudy compare-studies`: arms ranked over studies, each of its own data."""

import json

import pandas as pd
import pytest

import dropstudy
import random_results
from dropstudy.analysis.stats.ranks import rank_arms
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import local

DATA = ("digits", "wine", "breast-cancer")


@pytest.fixture
def trained_studies(no_report, monkeypatch, call):  # noqa: ARG001 - made-up training, without reports
    """Three studies in which more dropout is better, each of its own data; more flags change one of them."""
    monkeypatch.setattr(local, "train", random_results.learned(0.05))

    def train(**flags):
        for data in DATA:
            more = flags.get(data.replace("-", "_"), ())
            words = ("--data", data, "--hidden", "4", "--epochs", "2", "--rates", "0,0.2,0.8", "--seeds", "2")
            done = call("run", *words, "--batch-size", "16", "--quiet", "--out", data, *more)
            assert done.code == 0, done.err
        return DATA

    return train


def test_arms_are_ranked_over_three_studies(trained_studies, call, tmp_path):
    names = trained_studies()
    shown = call("compare-studies", *names, "--picture", "ranks.svg")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    assert "mean rank 3.00 2.00 1.00" in text
    assert "Shown to rank: 'dropout 0.8' before 'no dropout'" in text
    svg = (tmp_path / "ranks.svg").read_text()
    assert "dropout 0.8 (1.00)" in svg
    assert "critical difference 1.91" in svg  # 2.343 sqrt(3 x 4 / (6 x 3))

    found = dropstudy.compare_studies(names)
    scores = pd.concat(
        dropstudy.Study.open(name).results().test_scores().assign(study=name) for name in names
    )
    means = 100 * scores.pivot_table(index="study", columns="arm", values="test_accuracy")
    pd.testing.assert_frame_equal(found.frame, means.loc[list(names), [*found.frame]], check_names=False)
    assert (
        json.loads(call("compare-studies", *names, "--json").out)["mean_ranks"] == found.mean_ranks.to_dict()
    )
    assert found.ranks.p_value == rank_arms(means.to_numpy()).p_value
    assert "mean rank" in str(found)
    assert "<table" in found._repr_html_()


def test_two_studies_show_nothing_and_it_is_said(trained_studies, call):
    names = trained_studies()
    shown = call("compare-studies", *names[:2]).out
    assert "With 2 data sets no difference between 3 arms can be shown at 5%: it takes 3 at least." in shown


def test_arms_that_not_all_have_are_left_out_and_studies_of_the_same_data_are_told(trained_studies, call):
    trained_studies(wine=("--rates", "0,0.8"))
    flags = ("--hidden", "5", "--epochs", "2", "--rates", "0,0.2,0.8", "--seeds", "2", "--quiet")
    assert call("run", "--data", "digits", *flags, "--out", "again").code == 0
    found = dropstudy.compare_studies([*DATA, "again"])
    assert list(found.frame) == ["no dropout", "dropout 0.8"]
    left, same = found.notes
    assert left == (
        "Left out, because not all studies have them: 'dropout 0.2' of digits, 'dropout 0.2' of breast-cancer and "
        "'dropout 0.2' of again."
    )
    assert same == "digits and again are of the same data: as one data set each they make the test too sure."


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ("--rates", "0.3,0.4"),
            ("two arms or more that all studies have", "wine: 'dropout 0.3', 'dropout 0.4'"),
        ),
        (("--metric", "log-loss"), ("studies by one metric", "digits: accuracy; wine: log-loss")),
        (("--train-sizes", "50,100"), ("one network and one training size", "2 networks or sizes in wine")),
    ],
)
def test_studies_that_differ_are_refused_with_what_differs(trained_studies, call, flags, words):
    assert call("compare-studies", *trained_studies(wine=flags)).is_error(*words)


def test_one_study_or_none_is_refused(trained_studies, call):
    (name, *_) = trained_studies()
    assert call("compare-studies", name, f"./{name}").is_error("two studies or more", "1 study")
    assert call("compare-studies", "nowhere", name).is_error("nowhere", "no such folder")
    with pytest.raises(InvalidArgument, match="two studies or more, received none"):
        dropstudy.compare_studies([])
