"""`compare`: which settings, which folder, what is trained again, and what a notebook shows."""

import gc
import html
import inspect

import numpy as np
import pandas as pd
import pytest

import dropstudy
import random_results
from dropstudy import Study, compare
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import local

SMALL = {"epochs": 1, "hidden": [4], "batch_size": 8, "verbose": False, "workers": 1}


@pytest.fixture(autouse=True)
def made_up_training(tmp_path, monkeypatch):
    random_results.replace_workers(monkeypatch)
    monkeypatch.chdir(tmp_path)


def rows(seed=0, n=90):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)), np.arange(n) % 3


def images(n=60):
    return np.random.default_rng(0).integers(0, 256, (n, 4, 4), dtype=np.uint8), np.arange(n) % 3


def frame(n=90):
    x, y = rows(n=n)
    return pd.DataFrame(x, columns=list("abcde")).assign(species=np.array(["x", "y", "z"])[y])


def test_what_makes_the_data_look_too_good_is_told_with_the_answer_and_on_the_page():
    x, y = rows()
    study = compare(x, y, x[:9], y[:9], rates=[0, 0.5], seeds=1, **SMALL)
    assert study.answer().cautions[0].startswith("9 of 9 test examples equal a training example")
    (page, *_) = study.report()
    assert "9 of 9 test examples equal" in page.read_text(encoding="utf-8").partition("<nav")[0]


@pytest.fixture
def trained_runs(monkeypatch):
    """Runs that a worker trains, in their order."""
    trained = []

    def counting(segment):
        trained.append((segment.run.arm.rate, segment.run.seed))
        return random_results.train(segment)

    monkeypatch.setattr(local, "train", counting)
    return trained


def test_rows_are_compared_by_the_preset_for_tables_and_images_by_tune():
    study = compare(*rows(), rates=[0, 0.5], seeds=1, **SMALL)
    table, tune = Study("table").spec, Study("tune").spec
    assert (study.spec.patience, study.spec.validation_split) == (table.patience, table.validation_split)
    seen = compare(*images(), rates=[0, 0.5], seeds=1, **SMALL)
    assert (seen.spec.patience, seen.spec.validation_split) == (tune.patience, tune.validation_split)
    assert not study.spec.watches_test
    assert not seen.spec.watches_test
    assert compare(*rows(), spec="tune", rates=[0], seeds=1, **SMALL).spec.patience == tune.patience


def test_the_same_call_finishes_at_once_and_more_seeds_and_rates_train_what_is_missing(trained_runs):
    first = compare(*rows(), rates=[0, 0.5], seeds=2, **SMALL)
    assert len(trained_runs) == 4
    again = compare(*rows(), rates=[0, 0.5], seeds=2, **SMALL)
    assert again.folder == first.folder
    assert len(trained_runs) == 4
    more = compare(*rows(), rates=[0, 0.2, 0.5], seeds=3, **SMALL)
    assert more.folder == first.folder
    assert len(trained_runs) == 9
    assert len(set(trained_runs)) == 9


def test_other_data_and_other_settings_have_folders_of_their_own():
    given = {"rates": [0, 0.5], "seeds": 1}
    folders = [
        compare(*rows(), **given, **SMALL).folder,
        compare(*rows(seed=1), **given, **SMALL).folder,
        compare(*rows(), **given, **SMALL | {"epochs": 2}).folder,
        compare(*rows(), **given, **SMALL | {"hidden": [5]}).folder,
        compare(*rows(), **given, **SMALL, test_size=0.5).folder,
        compare(frame(), target="species", **given, **SMALL).folder,
    ]
    assert len(set(folders)) == len(folders)
    assert all(folder.parent.name == "studies" and folder.name.startswith("compare-") for folder in folders)


def test_out_and_name_choose_the_folder(tmp_path):
    given = {"rates": [0], "seeds": 1, **SMALL}
    study = compare(*rows(), out="here", **given)
    assert (study.folder.resolve(), study.spec.name) == (tmp_path / "here", "here")
    named = compare(*rows(), name="iris", **given)
    assert named.folder.parts == ("studies", "iris")
    assert named.results().snapshot.metadata["data"] == "iris"
    with pytest.raises(InvalidArgument, match="`data='arrays:"):
        compare(*rows(seed=1), name="iris", **given)


def test_a_study_is_continued_by_its_folder_after_the_data_have_gone(trained_runs):
    folder = compare(frame(), target="species", rates=[0, 0.5], seeds=1, **SMALL).folder
    gc.collect()
    Study(folder, seeds=2).run(verbose=False)
    assert len(trained_runs) == 4


def test_a_dataset_is_taken_as_it_is():
    data = dropstudy.load_dataset("digits")
    study = compare(data, rates=[0], seeds=1, **SMALL)
    assert study.results().snapshot.metadata["data_sha256"] == data.sha256
    with pytest.raises(InvalidArgument, match=r"^test_size: expected a Dataset alone"):
        compare(data, test_size=0.2)
    with pytest.raises(InvalidArgument, match=r"^y_train: expected a Dataset alone"):
        compare(data, data.y_train)


def test_fields_that_are_none_are_answered_with_the_nearest():
    with pytest.raises(InvalidArgument, match="epochs"):
        compare(*rows(), epoch=3)


def test_nothing_is_written_where_arguments_are_wrong(tmp_path):
    with pytest.raises(InvalidArgument):
        compare(rows()[0], rows()[1][:-1])
    with pytest.raises(InvalidArgument):
        compare(*rows(), rates=[0, 1.5])
    assert list(tmp_path.iterdir()) == []


def test_it_shows_verdict_and_table_in_a_notebook(monkeypatch):
    monkeypatch.setattr(local, "train", random_results.learned(0.1))
    study = compare(frame(), target="species", rates=[0, 0.5], seeds=6, **SMALL)
    shown = html.unescape(study._repr_html_())
    assert study.answer().helps in shown
    assert "<table" in shown
    assert "dropout 0.5" in shown


def test_a_script_ends_with_the_answer_and_the_report(monkeypatch, capsys):
    monkeypatch.setattr(local, "train", random_results.learned(0.1))
    given = {**SMALL, "rates": [0, 0.5], "seeds": 6, "target": "species"}
    study = compare(frame(), **given | {"verbose": True})
    page = study.folder / "report.html"
    _, _, ending = capsys.readouterr().out.partition("Does dropout help? ")
    assert ending.startswith(study.answer().helps)
    assert study.answer().sure in ending
    assert "dropout 0.5" in ending
    assert ending.endswith(f"The report: {page} (open it in a browser)\n")
    assert study.answer().helps in html.unescape(page.read_text(encoding="utf-8"))
    page.unlink()
    compare(frame(), **given)
    assert capsys.readouterr().out == ""
    assert page.exists()


def test_a_notebook_shows_the_answer_once(monkeypatch, capsys):
    monkeypatch.setattr("dropstudy.study.compare.in_notebook", lambda: True)
    study = compare(*rows(), rates=[0, 0.5], seeds=1, **SMALL | {"verbose": True})
    assert "Does dropout help?" not in capsys.readouterr().out
    assert html.unescape(study._repr_html_()).count("Does dropout help?") == 1
    assert f"The report: {study.folder / 'report.html'}" in study._repr_html_()


def test_a_file_or_a_name_is_loaded(tmp_path):
    frame().to_csv(tmp_path / "plants.csv", index=False)
    given = {"rates": [0], "seeds": 1, **SMALL}
    study = compare("plants.csv", target="species", drop=["e"], **given)
    metadata = study.results().snapshot.metadata
    assert metadata["data"] == "plants.csv"
    assert [column["name"] for column in metadata["table"]["columns"]] == list("abcd")
    assert compare(tmp_path / "plants.csv", target="species", drop=["e"], **given).folder == study.folder
    assert compare("digits", **given).results().snapshot.metadata["data"] == "digits"
    for call, message in (
        (lambda: compare("plants.csv", "species"), "Write target='species'"),
        (lambda: compare("plants.csv", x_test=rows()[0]), "^x_test: expected arrays, which x_test is for"),
        (lambda: compare("plants.csv", target="species", classes=["x"]), "^classes: expected arrays"),
        (lambda: compare(*images(), image_size=8), "^image_size: expected a folder of images"),
        (lambda: compare("plants.csv", target="species", test=frame()), "^test: expected the path of a file"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            call()


def test_a_dataset_in_memory_has_one_preset_however_it_is_studied():
    for data in (
        dropstudy.dataset(*rows()),
        dropstudy.dataset(*images()),
        dropstudy.dataset(frame(), target="species"),
    ):
        compared = compare(data, rates=[0, 0.5], seeds=1, **SMALL).spec
        studied = Study(dataset=data).spec
        assert (compared.validation_split, compared.patience) == (studied.validation_split, studied.patience)


def test_its_signature_has_every_argument_of_dataset_and_run():
    """What `dataset` and `run` take can be given to `compare`."""
    from dropstudy.study.compare import _DATA_OPTIONS  # noqa: PLC0415 - one private list

    taken = {*inspect.signature(compare).parameters, *_DATA_OPTIONS}
    assert taken >= {*inspect.signature(dropstudy.dataset).parameters}
    own = {"name_or_path", "data_dir", "progress"}
    assert taken >= {*inspect.signature(dropstudy.load_dataset).parameters} - own
    assert taken >= {*inspect.signature(Study.run).parameters} - {"self"}
