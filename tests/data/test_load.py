import subprocess
import sys
from pathlib import Path

import pytest

from dropstudy.data.catalogue import CATALOGUE
from dropstudy.data.load import NAMES, load_dataset, source_of
from dropstudy.data.sources.array_files import ArrayFiles
from dropstudy.data.sources.bundled import BundledTable
from dropstudy.data.sources.digits import Digits
from dropstudy.data.sources.named import MnistOrDigits, NamedFiles
from dropstudy.data.sources.openml import OpenMLTable
from dropstudy.errors import DataError, InvalidArgument
from dropstudy.spec import data_names
from dropstudy.spec.data_names import is_data_file


@pytest.mark.parametrize(
    ("wanted", "source"),
    [
        ("digits", Digits),
        *((name, NamedFiles) for name in CATALOGUE),
        ("wine", BundledTable),
        ("breast-cancer", BundledTable),
        ("openml:credit-g", OpenMLTable),
        ("openml:31", OpenMLTable),
        (None, MnistOrDigits),
        ("mine.npz", ArrayFiles),
        ("MINE.NPZ", ArrayFiles),
    ],
)
def test_each_name_or_path_leads_to_its_source(wanted, source):
    chosen = source_of(wanted)
    assert isinstance(chosen, source)
    assert chosen.name == (wanted or "mnist")
    assert chosen.describe()


@pytest.mark.parametrize(
    ("wanted", "suggestion"),
    [
        ("minst", "Did you mean 'mnist'?"),
        ("MNIST", "Did you mean 'mnist'?"),
        ("fashion-mnist", "Did you mean 'fashion_mnist'?"),
        ("digit", "Did you mean 'digits'?"),
        ("breast_cancer", "Did you mean 'breast-cancer'?"),
        ("CIFAR-10", "Did you mean 'cifar10'?"),
        ("emnist-letters", "Did you mean 'emnist/letters'?"),
        ("emnist", "Did you mean 'emnist/balanced' or 'emnist/letters' or "),
        ("emnist/leters", "Did you mean 'emnist/letters'?"),
        ("xlsx", "numpy.savez"),
        ("", "numpy.savez"),
    ],
)
def test_other_names_are_refused_with_the_nearest_known_one(wanted, suggestion):
    with pytest.raises(InvalidArgument) as caught:
        load_dataset(wanted)
    assert caught.value.subject == "data"
    assert caught.value.received == repr(wanted)
    assert all(name in caught.value.expected for name in (*NAMES, ".npz"))
    assert suggestion in caught.value.next_step


def test_a_file_that_is_not_there_and_one_of_an_unknown_kind_are_told_apart(tmp_path):
    pets = tmp_path / "pets.csvv"
    with pytest.raises(InvalidArgument, match=r"pets.csvv': there is none. Check the path.") as caught:
        load_dataset(pets)
    assert caught.value.expected == "the path of a file or folder"
    (tmp_path / "pets.csv").touch()
    with pytest.raises(InvalidArgument, match=r"Did you mean '.*/pets.csv'\?"):
        load_dataset(pets)
    pets.touch()
    with pytest.raises(
        InvalidArgument, match=r"pets.csvv', a file of another kind. Save a table as CSV"
    ) as caught:
        load_dataset(pets)
    assert ".parquet" in caught.value.expected
    with pytest.raises(InvalidArgument, match="there is none"):
        load_dataset(tmp_path / "nowhere" / "images")
    with pytest.raises(DataError, match=r"no such file. Did you mean '.*/pets.csv'\?"):
        load_dataset(tmp_path / "pet.csv", target="kind")


def test_names_that_study_files_know_are_those_of_the_data():
    plain = [name for name in NAMES if not name.startswith((data_names.EMNIST, data_names.OPENML))]
    assert sorted(plain) == sorted((*data_names.IMAGES, *data_names.TABLES))


def test_a_name_is_a_name_where_a_folder_is_called_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        if not name.startswith("openml:"):
            Path(name).mkdir(parents=True)
        assert not is_data_file(name)
    Path("pets").mkdir()
    assert is_data_file("pets")
    assert load_dataset("digits").name == "digits"


def test_tables_are_read_by_the_end_of_their_name(tmp_path):
    path = tmp_path / "PETS.CSV"
    path.write_text("size,kind\n" + "1,cat\n2,dog\n" * 10)
    assert load_dataset(path, target="kind").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("options", "subject"),
    [({"target": "kind"}, "target"), ({"image_size": (8, 8)}, "image_size"), ({"drop": ["a"]}, "drop")],
)
def test_options_that_the_data_have_no_use_for_are_refused(options, subject):
    with pytest.raises(InvalidArgument, match=r"with digits.*Leave it out") as caught:
        load_dataset("digits", **options)
    assert caught.value.subject == subject


def test_a_test_file_and_a_share_for_the_test_exclude_each_other(tmp_path):
    with pytest.raises(InvalidArgument, match=r"test_size: .* 0.2 and .*b.csv"):
        load_dataset(tmp_path / "a.csv", target="kind", test=tmp_path / "b.csv", test_size=0.2)


def test_importing_the_package_is_cheap():
    program = "import sys, dropstudy.data.load; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert {"jax", "keras", "pooch", "requests", "sklearn"}.isdisjoint(done.stdout.split())
