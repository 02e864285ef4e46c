"""DropoutClassifier: scikit-learn's own checks, its MLPClassifier, Keras, and the laws of weights and seeds."""

import doctest
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from dropstudy import DropoutClassifier, Optimizer
from dropstudy.study import classifier

EITHER = pytest.mark.parametrize(  # the compiled program, and XLA's
    "activation", ["relu", pytest.param("tanh", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x / 16, y


def small(**settings):
    return DropoutClassifier(**{"hidden": (16,), "epochs": 3, "random_state": 0, **settings})


def weights(model):
    return np.concatenate([array.ravel() for array in (*model.coefs_, *model.intercepts_)])


def same(one, other):
    return np.array_equal(weights(one), weights(other)) and one.loss_curve_ == other.loss_curve_


# Warnings are the subject of some checks, and are made on purpose by others.
@pytest.mark.filterwarnings("default")
def test_all_checks_of_scikit_learn_pass():
    results = check_estimator(DropoutClassifier(hidden=(64, 64), epochs=40), on_skip=None)
    states = {each["check_name"]: each["status"] for each in results}
    assert {name for name, state in states.items() if state != "passed"} <= {"check_array_api_input"}
    assert "check_sample_weight_equivalence_on_dense_data" in states
    assert len(states) >= 50


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "settings",
    [{}, {"patience": 5, "epochs": 60, "validation_split": 0.3}],
    ids=["defaults", "early stopping"],
)
def test_all_checks_pass_whatever_the_settings(settings):
    check_estimator(DropoutClassifier(**settings), on_skip=None)


@EITHER
def test_a_fit_repeats_to_the_bit_in_any_order_of_the_rows(digits, activation):
    x, y = (array[:200] for array in digits)
    first = small(activation=activation).fit(x, y)
    assert same(first, small(activation=activation).fit(x, y))
    order = np.random.default_rng(0).permutation(len(x))
    assert same(first, small(activation=activation).fit(x[order], y[order]))
    assert not same(first, small(activation=activation, random_state=1).fit(x, y))
    drawn = [small(random_state=np.random.RandomState(5)).fit(x, y) for _ in range(2)]
    assert same(*drawn)
    assert not same(*(small(random_state=None).fit(x, y) for _ in range(2)))


@EITHER
@pytest.mark.parametrize("settings", [{}, {"patience": 2, "epochs": 6}], ids=["all", "held out"])
def test_whole_weights_are_repeated_rows(digits, activation, settings):
    x, y = (array[:120] for array in digits)
    count = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = small(activation=activation, **settings).fit(x, y, sample_weight=count)
    repeated = small(activation=activation, **settings).fit(x.repeat(count, axis=0), y.repeat(count))
    assert same(weighted, repeated)


@EITHER
def test_other_weights_have_no_unit(digits, activation):
    x, y = (array[:120] for array in digits)
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y))
    first = small(activation=activation).fit(x, y, sample_weight=weight)
    tenth = small(activation=activation).fit(x, y, sample_weight=weight / 10)
    assert np.allclose(weights(first), weights(tenth), atol=1e-4)
    assert not np.allclose(weights(first), weights(small(activation=activation).fit(x, y)), atol=1e-4)
    alike = small(activation=activation).fit(x, y, sample_weight=np.full(len(y), 0.5))
    assert same(alike, small(activation=activation).fit(x, y))


@EITHER
@pytest.mark.parametrize("weighted", [False, True])
def test_training_and_probabilities_are_those_of_keras(digits, activation, weighted):
    """All examples in each step, so that their order does not matter."""
    x, y = (array[:300] for array in digits)
    weight = np.random.default_rng(2).uniform(0.2, 3, len(y)) if weighted else np.ones(len(y))
    settings = {"rate": 0, "optimizer": "sgd", "batch_size": len(y), "activation": activation}
    start = small(**settings, learning_rate=1e-30, epochs=1).fit(x, y)  # weights that stay as they begin
    ours = small(**settings, learning_rate=0.3, epochs=25).fit(x, y, sample_weight=weight)
    layers = [
        keras.Input((64,)),
        keras.layers.Dense(16, activation=activation),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers)
    model.set_weights([array for pair in zip(start.coefs_, start.intercepts_, strict=True) for array in pair])
    model.compile(keras.optimizers.SGD(0.3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(
        x, y.astype("int32"), batch_size=len(y), epochs=25, sample_weight=weight / weight.mean(), verbose=0
    )
    assert ours.loss_curve_ == pytest.approx(history.history["loss"], rel=1e-4)
    theirs = keras.ops.softmax(model.predict(x, verbose=0))
    assert np.abs(ours.predict_proba(x) - np.asarray(theirs)).max() < 1e-4


def test_without_dropout_it_is_as_good_as_scikit_learns(digits):
    """Seeds differ: the means of 6 are within three standard errors."""
    x, y = digits
    settings = {"batch_size": 128, "learning_rate_init": 1e-3, "alpha": 0, "max_iter": 20, "tol": 0}
    ours, theirs = [], []
    for seed in range(6):
        model = DropoutClassifier((64,), rate=0, batch_size=128, epochs=20, random_state=seed)
        ours.append(model.fit(x[:1200], y[:1200]))
        theirs.append(MLPClassifier((64,), random_state=seed, n_iter_no_change=99, **settings))
        with pytest.warns(match="Maximum iterations"):
            theirs[-1].fit(x[:1200], y[:1200])
    a, b = (np.array([model.score(x[1200:], y[1200:]) for model in side]) for side in (ours, theirs))
    error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 6)
    assert abs(a.mean() - b.mean()) < 3 * error
    assert a.mean() > 0.88


def test_a_search_over_rates_in_a_pipeline_uses_names_of_columns():
    frame, species = load_iris(return_X_y=True, as_frame=True)
    names = species.map({0: "setosa", 1: "versicolor", 2: "virginica"})
    model = make_pipeline(StandardScaler().set_output(transform="pandas"), small(batch_size=16, epochs=50))
    rates = {"dropoutclassifier__rate": [0.0, 0.2], "dropoutclassifier__hidden": [(16,), (16, 8)]}
    search = GridSearchCV(model, rates, cv=3, n_jobs=2, scoring="neg_log_loss").fit(frame, names)
    best = search.best_estimator_[-1]
    assert list(best.feature_names_in_) == list(frame.columns)
    assert best.n_features_in_ == 4
    assert set(search.predict(frame)) == set(names) == set(best.classes_)
    assert np.mean(search.predict(frame) == names) > 0.85
    here = search.best_estimator_.predict_proba(frame)
    again = search.best_estimator_.__sklearn_clone__().fit(frame, names).predict_proba(frame)
    assert np.array_equal(here, again)
    with pytest.raises(ValueError, match="feature names should match"):
        best.predict(frame.rename(columns=lambda name: f"my {name}"))


def test_early_stopping_ends_and_keeps_the_best_epoch(digits):
    x, y = (array[:600] for array in digits)
    model = small(hidden=(64,), rate=0, epochs=200, patience=3, validation_split=0.3).fit(x, y)
    assert 3 < model.n_iter_ == len(model.loss_curve_) < 200
    kept = small(hidden=(64,), rate=0, epochs=model.n_iter_, restore_best_weights=True, validation_split=0.3)
    assert np.array_equal(weights(model), weights(kept.fit(x, y)))


def test_settings_are_those_of_a_study(digits):
    x, y = (array[:200] for array in digits)
    sgd = {"name": "sgd", "momentum": 0.9, "learning_rate": 0.01}
    models = [
        small(optimizer=sgd),
        small(optimizer=Optimizer("sgd", 0.01, momentum=0.9)),
        small(optimizer={"name": "sgd", "momentum": 0.9}, learning_rate=0.01),
    ]
    first, *others = (model.fit(x, y) for model in models)
    assert all(same(first, other) for other in others)
    assert same(small(rate=[0.5]).fit(x, y), small(rate=0.5).fit(x, y))
    assert same(
        small(hidden=np.array([16]), epochs=np.int64(3), rate=np.float32(0.5)).fit(x, y), small().fit(x, y)
    )
    assert not same(small(rate=[0.5, 0], hidden=[8, 8]).fit(x, y), small(rate=0.5, hidden=[8, 8]).fit(x, y))
    for change in ({"input_rate": 0.2}, {"l2": 0.1}, {"max_norm": 0.5}, {"schedule": "late"}):
        assert not same(small().fit(x, y), small(**change).fit(x, y))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1.0}, "^rate: .*below 1, such as 0.5.*received 1.0"),
        ({"rate": [0.2, 0.5]}, "rate .*one rate for all hidden layers"),
        ({"rate": "high"}, "^rate: .*received 'high'"),
        ({"hidden": 64}, "hidden.*units of each hidden layer.*received 64"),
        ({"hidden": [[64], [32]]}, "hidden: expected units of each hidden layer"),
        ({"epochs": 0}, "epochs: expected a whole number from 1"),
        ({"optimizer": "lbfgs"}, "optimizer.name: expected 'adam' or 'sgd'"),
        ({"optimizer": None}, "optimizer: expected a table"),
        ({"patience": 3, "validation_split": 300}, "validation_split: expected fewer than the 200"),
        ({"patience": 3, "validation_split": "test"}, "patience"),
        ({"random_state": "seed"}, "cannot be used to seed"),
        ({"optimizer": "sgd", "learning_rate": 1e30}, "learning_rate: expected steps under which the loss"),
    ],
)
def test_settings_that_cannot_be_used_are_told(digits, settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(digits[0][:200], digits[1][:200])


def test_data_that_cannot_be_used_are_told(digits):
    x, y = (array[:50] for array in digits)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        small().fit(csr_array(x), y)
    with pytest.raises(ValueError, match="too large for dtype\\('float32'\\)"):
        small().fit(x * 1e300, y)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        small().fit(x, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match=r"sample_weight|Sample weights"):
        small().fit(x, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="sample_weight: expected whole numbers, which repeat rows"):
        small().fit(x, y, sample_weight=np.full(len(y), 1e9))
    with pytest.warns(UserWarning, match="an epoch has 1,000 examples of 50 rows. Divide sample_weight"):
        small(epochs=1).fit(x, y, sample_weight=np.full(len(y), 20))


def test_a_table_of_text_is_refused():
    with pytest.raises(ValueError, match="could not convert string to float"):
        small().fit(pd.DataFrame({"colour": ["red", "blue"]}), [0, 1])


LONG_FIT = """
import sys
import numpy as np
from dropstudy import DropoutClassifier
x, y = np.random.default_rng(0).random((1000, 64)), np.arange(1000) % 5
DropoutClassifier((1024, 1024), activation=sys.argv[1], epochs=int(sys.argv[2]), random_state=0).fit(x, y)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the states of threads where Linux has them")
@pytest.mark.parametrize(
    ("activation", "epochs"), [("relu", 15), pytest.param("tanh", 40, marks=pytest.mark.slow)]
)
def test_a_fit_in_a_worker_of_joblib_keeps_one_thread_busy(activation, epochs):
    """joblib tells its workers by this variable how many threads each may have."""
    environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
    command = [sys.executable, "-c", LONG_FIT, activation, str(epochs)]
    running = []
    with subprocess.Popen(command, env={**environment, "OMP_NUM_THREADS": "1"}) as process:  # noqa: S603 - ours
        while process.poll() is None:
            running.append(running_threads(process.pid))
            time.sleep(0.02)
    assert process.returncode == 0
    trains = running[len(running) // 2 :]  # imports and compilation are behind it
    assert np.mean([count for count in trains if count]) < 1.3


def running_threads(process):
    """Number of its threads that run, or wait for a core."""
    count = 0
    for state in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):  # the thread has ended
            count += state.read_text().rpartition(")")[2].split()[0] == "R"
    return count


def test_the_example_of_the_documents_finds_a_good_rate():
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    code = text.partition("## In scikit-learn")[2].partition("```python")[2].partition("```")[0]
    names = {}
    exec(code, names)  # noqa: S102 - ours
    assert names["search"].best_score_ > 0.95


def test_the_example_in_its_help_runs():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    (found,) = finder.find(DropoutClassifier, "DropoutClassifier", globs=vars(classifier).copy())[:1]
    assert found.examples
    assert runner.run(found).failed == 0
