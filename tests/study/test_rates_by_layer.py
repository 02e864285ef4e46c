"""Arms with a rate for each hidden layer, from the study file to the exported network."""

import re

import keras
import pytest

from dropstudy import Arm, Study
from dropstudy.errors import InvalidArgument
from dropstudy.report.paper.methods import methods
from dropstudy.report.sections.rates import rate_curve
from dropstudy.spec.study_file import STUDY_FILE, read_spec

SETTINGS = {"data": "digits", "hidden": [16, 8], "epochs": 2, "seeds": 2, "validation_split": 0.2}
ARMS = [
    {"rate": 0},
    {"rate": 0.2},
    {"rate": [0.2, 0.5]},
    {"rate": (0.5, 0.2), "name": "front-loaded", "schedule": "ramp"},
    {"rate": 0.5},
]
NAMES = ["no dropout", "dropout 0.2", "dropout 0.2, 0.5", "front-loaded", "dropout 0.5"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        out = tmp_path_factory.mktemp("by-layer") / "study"
        return Study("notebook", out=out, arms=ARMS, **SETTINGS).run(workers=1, verbose=False)


def test_the_study_is_finished_and_is_the_same_when_it_is_opened_and_when_its_file_is_read(finished):
    opened = Study.open(finished.folder)
    assert opened.finished
    assert opened.spec == finished.spec == read_spec(finished.folder / STUDY_FILE)
    assert [arm.name for arm in opened.spec.arms] == NAMES
    assert opened.spec.arms[2:4] == (
        Arm("dropout 0.2, 0.5", (0.2, 0.5)),
        Arm("front-loaded", (0.5, 0.2), schedule="ramp"),
    )


def test_equal_rates_of_all_layers_train_nothing_new(finished):
    again = Study(finished.folder, arms=[{"rate": 0}, {"rate": [0.5, 0.5]}])
    assert again.finished
    assert [arm.name for arm in again.spec.arms] == NAMES


def test_an_arm_by_layer_has_no_single_rate_in_tables_and_is_no_point_of_the_rate_curve(finished):
    results = finished.results()
    rates = results.test_scores().groupby("arm")["rate"].first()
    assert rates.drop(["dropout 0.2, 0.5", "front-loaded"]).to_dict() == {
        "no dropout": 0,
        "dropout 0.2": 0.2,
        "dropout 0.5": 0.5,
    }
    assert rates.isna().sum() == 2
    curve = rate_curve(results.snapshot)
    assert list(curve.table["rate"]) == [0, 0.2, 0.5]
    assert curve.caption.endswith("Arms with a rate for each layer are no points of it.")


def test_words_name_the_rates_by_layer(finished):
    text = " ".join(methods(finished.results().snapshot))
    assert "'dropout 0.2, 0.5'" in text
    assert "'front-loaded' (dropout 0.5, 0.2, schedule ramp)" in text
    assert "Rates in a list are those of the hidden layers, from the input on." in text
    finished.report()
    page = (finished.folder / "report.html").read_text()
    assert "drops 20%, 50% by layer" in page
    assert not re.search(r">\s*nan\s*<", page)
    two = Study("notebook", out=finished.folder.with_name("two"), arms=[{"rate": 0}, ARMS[2]], **SETTINGS)
    answer = two.run(workers=1, verbose=False).answer()
    assert answer.rate == "Only 'dropout 0.2, 0.5' was compared, at rates 0.2 and 0.5 by hidden layer."


def test_the_exported_network_has_each_layers_own_dropout(finished):
    model = finished.results().model("front-loaded", 1)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5, 0.2]


def test_networks_of_another_depth_are_refused_with_the_arm(finished):
    with pytest.raises(InvalidArgument, match=r"or 1 for those of the network 32, received 2: 0.2, 0.5"):
        Study(finished.folder, hidden=[[16, 8], [32]])
    with pytest.raises(
        InvalidArgument, match=r"or 1 for those of the network 32, received 2: 0.2, 0.5"
    ) as one:
        Study(finished.folder, arms=[{"rate": 0}], hidden=[32])
    assert one.value.subject == "rate of 'dropout 0.2, 0.5'"
