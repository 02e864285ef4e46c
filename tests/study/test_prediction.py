"""`Results.predict`: which network, from which examples, and how many are right."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from sklearn.metrics import accuracy_score

import dropstudy
import random_results
from dropstudy import Study
from dropstudy.errors import DataError, DropstudyError, InvalidArgument
from dropstudy.models.predict import mean_probabilities
from dropstudy.report.assessed import featured
from dropstudy.runtime import local

FIELDS = {"hidden": [8], "epochs": 4, "batch_size": 32, "rates": [0, 0.5], "seeds": 2, "workers": 1}


def run(**fields):
    workers = fields.pop("workers", 1)
    return Study(**fields).run(verbose=False, workers=workers).results()


def shares(frame):
    return frame.filter(like="p(").to_numpy()


def pets(n, seed):
    draws = np.random.default_rng(seed)
    size, age = draws.normal(size=n), draws.normal(size=n)
    colour = np.array(["red", "grey", "white"])[draws.integers(0, 3, n)]
    kind = np.where(size + age * (colour == "red") + draws.normal(size=n) / 2 > 0, "cat", "dog")
    return pd.DataFrame({"size": size, "age": age, "colour": colour, "kind": kind})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A folder with training and test rows, and the results of a study of them."""
    folder = tmp_path_factory.mktemp("rows")
    pets(200, 0).to_csv(folder / "train.csv", index=False)
    pets(60, 1).to_csv(folder / "test.csv", index=False)
    files = {"data": folder / "train.csv", "test": folder / "test.csv", "target": "kind"}
    return folder, run(**files, out=folder / "study", **FIELDS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a folder of images for each class, and the results of a study of it."""
    folder = tmp_path_factory.mktemp("pictures")
    draws = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = draws.normal(level, 40, (4, 4)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    return folder / "images", run(data=folder / "images", out=folder / "study", **FIELDS)


# Which network


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Results of a study in which the higher rate is the better one."""
    random_results.replace_workers(monkeypatch)
    monkeypatch.setattr(local, "train", random_results.learned(0.1))
    monkeypatch.chdir(tmp_path)

    def made(rates=(0, 0.2, 0.5), seeds=6, **fields):
        fields = {"validation_split": 100, "epochs": 1, "hidden": [4], **fields}
        return run(data="digits", out=tmp_path / f"study{len(rates)}", rates=rates, seeds=seeds, **fields)

    return made


@pytest.fixture
def digits():
    return dropstudy.load_dataset("digits").x_test[:5]


def test_the_arm_that_was_chosen_is_used_where_none_is_named(made_up, digits, capsys):
    results = made_up()
    found = results.predict(digits)
    assert capsys.readouterr().out == "Network: 'dropout 0.5', seed 0 (validation data chose this arm).\n"
    assert_allclose(shares(found), shares(results.predict(digits, arm="dropout 0.5", seed=0)))
    assert results.export(file_format="safetensors").name == "dropout-0.5-seed0.safetensors"
    assert found.attrs["facts"][0].startswith("Network: 'dropout 0.5'")


def test_the_baseline_is_used_where_nothing_may_be_chosen_and_it_says_why(made_up, digits):
    watched = made_up(validation_split="test").predict(digits, verbose=False)
    assert watched.attrs["facts"] == [
        "Network: 'no dropout', seed 0 (the baseline, since the test set was watched in training)."
    ]
    few = made_up(rates=(0, 0.5), seeds=2).predict(digits, verbose=False)
    assert "(the baseline, since validation data chose no arm)" in few.attrs["facts"][0]


def test_an_arm_has_the_name_of_its_rate_where_it_alone_has_it(made_up, digits):
    results = made_up()
    for arm in (0.2, "0.2", "dropout 0.2"):
        assert results.predict(digits, arm=arm, verbose=False).attrs["facts"] == [
            "Network: 'dropout 0.2', seed 0."
        ]
    assert results.history(0.2).history == results.history("dropout 0.2").history
    with pytest.raises(
        InvalidArgument, match=r"one of 'no dropout', 'dropout 0.2', 'dropout 0.5', received 0.3"
    ):
        results.weights(0.3)
    arms = [{"rate": 0}, {"rate": 0.5}, {"rate": 0.5, "max_norm": 3}]
    several = run(data="digits", out="several", arms=arms, seeds=1, epochs=1, hidden=[4])
    with pytest.raises(
        InvalidArgument, match=r"one of 'dropout 0.5', 'dropout 0.5, max norm 3.0', .* of 2 arms"
    ):
        several.weights("0.5")


def test_the_first_seed_is_the_first_whose_weights_are_stored(made_up, digits):
    results = made_up(keep_weights="best")
    chosen = results.predict(digits, verbose=False).attrs["facts"][0]
    assert chosen.startswith("Network: 'dropout 0.5', seed ")
    with pytest.raises(InvalidArgument, match=r"^ensemble: expected two seeds or more of 'dropout 0.5'"):
        results.predict(digits, ensemble=True)


def test_an_ensemble_is_the_mean_of_the_probabilities_of_all_seeds(table):
    folder, results = table
    each = [
        shares(results.predict(folder / "test.csv", arm=0.5, seed=seed, verbose=False)) for seed in (0, 1)
    ]
    assert np.abs(each[0] - each[1]).max() > 0.01
    found = results.predict(folder / "test.csv", arm=0.5, ensemble=True, verbose=False)
    assert found.attrs["facts"][0] == "Network: 'dropout 0.5', mean of 2 seeds."
    assert_allclose(shares(found), np.mean(each, axis=0), atol=1e-7)
    assert_allclose(shares(found), mean_probabilities(each), atol=1e-7)
    assert (np.array(["cat", "dog"])[shares(found).argmax(axis=1)] == found["label"]).all()
    with pytest.raises(InvalidArgument, match=r"^seed: expected no seed with ensemble"):
        results.predict(folder / "test.csv", seed=1, ensemble=True)


def test_the_page_says_what_averaging_gains(table):
    folder, results = table
    arm = featured(results.snapshot, results.snapshot.conditions[0]).name
    truth = pd.read_csv(folder / "test.csv")["kind"]
    averaged = results.predict(folder / "test.csv", arm=arm, ensemble=True, verbose=False)["label"]
    scores = results.test_scores()
    single = scores[scores["arm"] == arm]["test_accuracy"].mean()
    (page, *_) = results.report()
    assert (
        f"averaged over 2 seeds, {arm} gets {accuracy_score(truth, averaged):.2%} right; one network, {single:.2%} on "
        "average"
    ) in " ".join(page.read_text(encoding="utf-8").split())


# Which examples, and how many are right


def test_rows_are_predicted_alike_from_files_and_frames(table):
    folder, results = table
    frame = pd.read_csv(folder / "test.csv")
    expected = results.predict(folder / "test.csv", verbose=False)
    before = frame.copy()
    for source in (
        str(folder / "test.csv"),
        frame,
        pl.from_pandas(frame),
        frame[["kind", "colour", "age", "size"]],
    ):
        found = results.predict(source, verbose=False)
        pd.testing.assert_frame_equal(found.drop(columns="example"), expected.drop(columns="example"))
        assert found.attrs == expected.attrs
    pd.testing.assert_frame_equal(frame, before)
    assert found["example"][3] == "row[3]"
    with pytest.raises(DataError, match=r"^x: expected a data frame.* received a ndarray"):
        results.predict(frame[["size", "age"]].to_numpy())


def test_accuracy_on_the_test_rows_is_that_of_the_study_and_is_said_to_be(table, capsys):
    folder, results = table
    scores = results.test_scores()
    for arm, seed, accuracy in scores[["arm", "seed", "test_accuracy"]].itertuples(index=False):
        found = results.predict(folder / "test.csv", arm=arm, seed=seed)
        assert accuracy_score(found["true label"], found["label"]) == pytest.approx(accuracy, abs=1e-6)
        assert capsys.readouterr().out.splitlines()[1:] == [
            f"Accuracy: {accuracy:.2%} of 60 rows.",
            "All of them are test rows of the study.",
        ]


def test_rows_that_were_trained_on_are_told_apart_from_test_rows_and_new_ones(table):
    folder, results = table
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")

    def said(frame, **how):
        return results.predict(frame, arm=0, verbose=False, **how).attrs["facts"][1:]

    right = results.predict(test, arm=0, verbose=False)
    share = accuracy_score(right["true label"], right["label"])
    assert said(pd.concat([train, test]))[1] == (
        "200 of them are training rows of the study, which makes accuracy look better: "
        f"{share:.2%} of the 60 test rows are right."
    )
    assert said(train)[1] == "200 of them are training rows of the study, which makes accuracy look better."
    assert said(pets(30, 2))[1] == "None of them is one of the study's rows."
    assert said(pd.concat([test, pets(30, 2)]))[1].startswith("Of the study's test rows there are 60: ")
    assert said(train[:1])[1] == "1 of them is a training row of the study, which makes accuracy look better."
    assert said(test.drop(columns="kind")) == []
    assert said(test.assign(kind=None)) == []
    assert said(test.drop(columns="kind"), labels=test["kind"]) == said(test)
    other = test.rename(columns={"kind": "animal"})
    assert said(other) == []
    assert said(other, target="animal") == said(test)
    with pytest.raises(DataError, match=r"^target of the data frame: expected one of its columns"):
        results.predict(other, target="beast")
    some = test.assign(kind=[None, "cow", *test["kind"][2:]])
    wrong = accuracy_score(some["kind"][1:], right["label"][1:])
    assert said(some)[0] == (
        f"Accuracy: {wrong:.2%} of 59 rows (1 more without a label). Labels of no class of the study count as wrong: 1."
    )
    assert said(test, target="colour") == [
        "No accuracy: no label is a class of the study, which are 'cat', 'dog'."
    ]


def test_the_folder_of_images_that_it_was_trained_on_is_taken(pictures):
    folder, results = pictures
    found = results.predict(folder, verbose=False)
    assert found["example"].tolist()[29:31] == ["dark/29.png", "light/0.png"]
    assert found["true label"].tolist() == ["dark"] * 30 + ["light"] * 30
    accuracy, own = found.attrs["facts"][1:]
    assert accuracy == f"Accuracy: {accuracy_score(found['true label'], found['label']):.2%} of 60 examples."
    assert own.startswith("48 of them are training examples of the study, which makes accuracy look better: ")
    assert own.endswith("% of the 12 test examples are right.")
    assert_allclose(shares(found)[:30], shares(results.predict(folder / "dark", verbose=False)))


def test_of_a_folder_with_a_test_set_this_is_classified(pictures, tmp_path):
    folder, results = pictures
    for part in ("train", "test"):
        (tmp_path / "all" / part).mkdir(parents=True)
        for name in ("dark", "light"):
            (tmp_path / "all" / part / name).symlink_to(folder / name)
    with pytest.warns(UserWarning, match="Of all the images in test are classified"):
        found = results.predict(tmp_path / "all", verbose=False)
    assert len(found) == 60


def test_arrays_are_predicted_alike_from_memory_and_from_files_with_their_labels(tmp_path):
    data = dropstudy.load_dataset("digits")
    np.savez(
        tmp_path / "mine.npz",
        train_images=data.x_train,
        train_labels=data.y_train,
        test_images=data.x_test,
        test_labels=data.y_test,
    )
    results = run(data=tmp_path / "mine.npz", out=tmp_path / "study", **FIELDS)
    found = results.predict(tmp_path / "mine.npz", verbose=False)
    assert found.attrs["facts"][2] == "All of them are test examples of the study."
    flat = data.x_test.reshape(-1, 64)
    for source in (data.x_test, data.x_test.tolist(), flat, pd.DataFrame(flat)):
        again = results.predict(source, labels=data.y_test, verbose=False)
        assert_allclose(shares(again), shares(found))
        assert again.attrs == found.attrs
    one = results.predict(data.x_test[7], verbose=False)
    assert_allclose(shares(one), shares(found)[7:8], atol=1e-6)
    assert one["example"].tolist() == ["x[0]"]
    columns = pd.DataFrame(flat).assign(digit=data.y_test)
    assert results.predict(columns, target="digit", verbose=False).attrs == found.attrs
    with pytest.raises(
        DropstudyError, match=r"received an array of shape \(360, 65\).* name it with `target`"
    ):
        results.predict(columns)
    with pytest.raises(DropstudyError, match=r"^labels: expected 3, one for each example"):
        results.predict(data.x_test[:3], labels=[1, 2])
    for wrong in (
        data.x_test[:, :3],
        data.x_test[:0],
        3,
        [[1, 2], [3]],
        np.full((2, 64), np.nan),
        [["a"] * 64],
        None,
    ):
        with pytest.raises(DropstudyError, match=r"^x: expected .*received "):
            results.predict(wrong)
    with pytest.raises(InvalidArgument, match=r"^arm: expected one of"):
        results.predict(data.x_test, arm=[0])


# The same network in another runtime


def test_an_onnx_file_takes_raw_rows_and_gives_the_probabilities_of_predict(table):
    runtime = pytest.importorskip("onnxruntime")
    folder, results = table
    rows = pd.read_csv(folder / "test.csv")
    inputs = {
        name: rows[[name]].to_numpy(str if name == "colour" else float) for name in ("size", "age", "colour")
    }
    for arm in (0, 0.5):
        path = results.export(arm=arm, file_format="onnx")
        assert path.parent == results.snapshot.folder
        session = runtime.InferenceSession(path)
        expected = shares(results.predict(rows, arm=arm, verbose=False))
        assert_allclose(session.run(None, inputs)[0], expected, atol=1e-5)
        assert session.get_modelmeta().custom_metadata_map["classes"].splitlines() == ["cat", "dog"]


def test_an_onnx_file_takes_the_pixels_of_the_files(pictures):
    runtime = pytest.importorskip("onnxruntime")
    folder, results = pictures
    pixels = np.stack([np.asarray(Image.open(folder / "dark" / f"{number}.png")) for number in range(30)])
    session = runtime.InferenceSession(results.export(file_format="onnx"))
    expected = shares(results.predict(folder / "dark", verbose=False))
    assert_allclose(session.run(None, {"x": pixels})[0], expected, atol=1e-5)


def test_without_the_package_an_onnx_file_is_refused_with_what_to_install(table, monkeypatch):
    monkeypatch.setattr("dropstudy.models.onnx.find_spec", lambda _: None)
    with pytest.raises(InvalidArgument, match="Install it: pip install onnx"):
        table[1].export(file_format="onnx")
