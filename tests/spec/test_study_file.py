"""Study files, presets and flags are one specification, which is the same when it is written and read."""

import re
import tomllib
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.types import Arm, Optimizer
from dropstudy.errors import InvalidArgument
from dropstudy.spec import presets
from dropstudy.spec.study_file import (
    FIELDS,
    STUDY_FILE,
    is_study,
    parse_spec,
    read_spec,
    to_toml,
    unlike_published,
)
from dropstudy.store.directory import existing_folder
from study_specs import specs


def study_file(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- files, folders and presets ---

MINIMAL_FILE = 'name = "mine"\nrates = [0, 0.5]\nhidden = [16]\nepochs = 3\nvalidation_split = "test"\n'


def test_a_file_a_folder_and_the_file_in_it_are_the_same_study(tmp_path):
    (tmp_path / STUDY_FILE).write_text(MINIMAL_FILE)
    specs = {read_spec(source) for source in (tmp_path, str(tmp_path), tmp_path / STUDY_FILE)}
    assert specs == {parse_spec(tomllib.loads(MINIMAL_FILE))}


def test_a_file_that_gives_no_name_is_named_after_itself(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE.replace('name = "mine"\n', ""))
    assert read_spec(path).name == "mine"
    assert read_spec(path, {"name": "yours"}).name == "yours"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert read_spec(study_file(tmp_path, "\ufeff" + MINIMAL_FILE)).name == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "epochs = ",
        "epochs = 3\nepochs = 4\n",
        "[arms\n",
        "just words",
        b"name = '\xff\xfe'",
        b"\x00\x01\x02",
        MINIMAL_FILE.encode("utf-16"),
        "epochs = " + "9" * 5000,
        "a = " + "[" * 5000 + "]" * 5000,
    ],
)
def test_a_file_that_is_not_toml_is_refused_and_named(tmp_path, text):
    path = study_file(tmp_path, text)
    with pytest.raises(InvalidArgument, match="expected a study file in TOML") as refusal:
        read_spec(path)
    assert refusal.value.subject == str(path)
    assert "\n" not in str(refusal.value)


def test_a_study_file_that_would_take_gigabytes_to_read_is_refused(tmp_path):
    for text, received in (
        ("a." * 20_000 + "a = 1", "a key of more than 16 parts"),
        ('"a" . ' * 20 + "a = 1", "a key of more than 16 parts"),
        ("#" * 300_000, "more than 262,144 bytes"),
    ):
        (tmp_path / "deep.toml").write_text(text)
        with pytest.raises(InvalidArgument, match=received):
            read_spec(tmp_path / "deep.toml")


def test_a_syntax_error_says_the_line(tmp_path):
    with pytest.raises(InvalidArgument, match="line 2"):
        read_spec(study_file(tmp_path, 'name = "a"\nepochs = = 3\n'))


def test_a_wrong_field_in_a_file_names_the_file(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + "epoch = 3\n")
    with pytest.raises(InvalidArgument) as refusal:
        read_spec(path)
    assert str(path) in str(refusal.value)


def test_an_unknown_field_with_control_characters_cannot_command_the_terminal(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + r'"\u001b[2J\nok" = 3' + "\n")
    with pytest.raises(InvalidArgument) as refusal:
        read_spec(path)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("source", ["no-such-thing", "notebok", "x" * 5000, "a\0b", "/dev/null", ""])
def test_a_source_that_is_none_is_refused_with_what_there_is(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match="notebook") as refusal:
        read_spec(source)
    assert refusal.value.subject == "spec"
    assert ("Did you mean 'notebook'" in str(refusal.value)) == (source == "notebok")


def test_a_folder_without_a_study_file_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="the folder of a study") as refusal:
        read_spec(tmp_path)
    assert str(tmp_path) in refusal.value.received
    assert not is_study(tmp_path)


def test_a_file_that_cannot_be_read_is_refused_and_named(tmp_path, monkeypatch):
    path = study_file(tmp_path, MINIMAL_FILE)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InvalidArgument, match="Permission denied") as refusal:
        read_spec(path)
    assert refusal.value.subject == str(path)


def test_a_presets_name_is_the_preset_and_its_path_the_folder(tmp_path, monkeypatch):
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / STUDY_FILE).write_text(MINIMAL_FILE)
    monkeypatch.chdir(tmp_path)
    assert read_spec("notebook").name == "notebook"
    assert existing_folder("notebook") is None
    assert read_spec("./notebook").name == "mine"
    assert existing_folder("./notebook") is not None


# --- flags over files ---


def test_what_is_given_replaces_the_files_and_what_is_not_given_stays(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE)
    asked = read_spec(path, {"epochs": 9, "hidden": None, "data": "digits"})
    assert asked == replace(read_spec(path), epochs=9, data="digits")


@pytest.mark.parametrize("in_file", ["rates = [0, 0.5]", "arms = [{rate = 0}, {rate = 0.5}]"])
@pytest.mark.parametrize("given_as", [{"rates": [0.1]}, {"arms": [Arm("dropout 0.1", 0.1)]}])
def test_rates_and_arms_that_are_given_replace_either_in_the_file(tmp_path, in_file, given_as):
    path = study_file(tmp_path, MINIMAL_FILE.replace("rates = [0, 0.5]", in_file))
    assert read_spec(path, given_as).arms == (Arm("dropout 0.1", 0.1),)


def test_a_part_of_the_optimizer_replaces_that_part_alone(tmp_path):
    path = study_file(tmp_path, MINIMAL_FILE + "[optimizer]\nbeta_1 = 0.8\n")
    asked = read_spec(path, {"optimizer": {"learning_rate": 0.01}})
    assert asked.optimizer == Optimizer(learning_rate=0.01, beta_1=0.8)


def test_an_unknown_argument_is_not_blamed_on_the_file():
    with pytest.raises(InvalidArgument, match="Did you mean 'epochs'") as refusal:
        read_spec("notebook", {"epoch": 3})
    assert refusal.value.subject == "epoch (argument)"


def test_what_is_given_is_left_as_it_was():
    given_values = {"optimizer": {"learning_rate": 0.5}, "rates": [0, 0.1], "epochs": None}
    before = repr(given_values)
    read_spec("notebook", given_values)
    assert repr(given_values) == before


# --- written and read ---


@given(specs())
def test_a_study_written_and_read_is_the_same_study(spec):
    assert parse_spec(tomllib.loads(to_toml(spec))) == spec


@given(specs(), st.dictionaries(st.sampled_from(["data_source", "jax"]), st.text(max_size=50)))
def test_no_note_above_a_study_file_changes_the_study(spec, notes):
    text = to_toml(spec, notes)
    assert parse_spec(tomllib.loads(text)) == spec
    assert text.count("#") >= len(notes)


@given(specs())
def test_records_and_tables_say_the_same(spec):
    assert parse_spec({name: getattr(spec, name) for name in FIELDS}) == spec
    assert parse_spec(asdict(spec)) == spec


# --- presets ---

ABOUT_DATA = {"data", "target", "test", "test_size", "group", "drop", "image_size"}
LEFT_OPEN = {"redraw", *ABOUT_DATA, "metric", "margin", "seeds", "model", "published"}


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_complete_and_bears_its_own_name(name):
    if name not in presets.published():
        assert set(tomllib.loads(presets.text(name))) | LEFT_OPEN == set(FIELDS)
    assert read_spec(name).name == name
    assert presets.title(name)
    assert not presets.title(name).startswith("#")


@pytest.mark.parametrize("name", presets.published())
def test_the_title_of_a_published_study_says_who_reports_it_and_its_file_how_long_it_takes(name):
    assert re.search(r" et al\. \d{4}(, (Figure|Table) \d+a?:| report that) ", presets.title(name))
    assert presets.duration(name)


@pytest.mark.parametrize("name", presets.published())
def test_a_published_study_stays_one_as_long_as_only_its_length_and_its_seeds_change(name):
    whole = read_spec(name)
    short = {"epochs": 1, "seeds": 2, "keep_weights": "none", "data": "mnist"}
    assert read_spec(name, short).published == whole.published
    assert unlike_published(name, short) == []
    for change in (
        {"data": "digits"},
        {"hidden": [[7] * len(whole.hidden[0])]},
        {"batch_size": 7},
        {"arms": whole.arms[:1]},
        {"optimizer": {"learning_rate": 0.5}},
    ):
        assert read_spec(name, change).published == (), change
        if whole.published:
            assert unlike_published(name, {**short, **change}) == [*change]
    sizes = read_spec(name, {"train_sizes": [100, 500]}).published
    assert sizes == tuple(result for result in whole.published if result.train_size in {100, 500})


def test_the_decay_of_the_learning_rate_belongs_to_the_length():
    name, optimizer = "srivastava-table2", {"decay": 0.9705}
    assert read_spec(name, {"epochs": 200, "optimizer": optimizer}).published == read_spec(name).published
    for other in (
        {"optimizer": optimizer},
        {"epochs": 200, "optimizer": {**optimizer, "learning_rate": 0.1}},
    ):
        assert read_spec(name, other).published == ()
        assert unlike_published(name, other) == ["optimizer"]


def test_a_published_result_of_a_size_that_the_file_does_not_have_is_refused(tmp_path):
    result = '[[published]]\narm = "dropout 0.5"\nsource = "A"\nvalue = 1\ntrain_size = '
    file = study_file(tmp_path, f"{MINIMAL_FILE}train_sizes = [100, 500]\n{result}333\n")
    with pytest.raises(
        InvalidArgument, match=r"train_size \(published result 1\): expected .*100, 500.* 333"
    ):
        read_spec(file)
    file = study_file(tmp_path, f"{MINIMAL_FILE}train_sizes = [100, 500]\n{result}100\n")
    assert len(read_spec(file).published) == 1
    assert read_spec(file, {"train_sizes": [500]}).published == ()


def test_the_notebook_preset_is_the_notebook():
    spec = read_spec("notebook")
    assert spec.hidden == ((512, 512),)
    assert spec.epochs == 20
    assert spec.batch_size == 128
    assert [arm.rate for arm in spec.arms] == [0.0, 0.8]
    assert spec.seeds == ()  # 1, unless the digits stand in for MNIST
    assert parse_spec(tomllib.loads(to_toml(spec))) == spec
    assert spec.optimizer == Optimizer()
    assert spec.watches_test
    assert spec.data is None
    assert not replace(spec, validation_split=0.1).watches_test


def test_the_tune_preset_may_choose_a_rate():
    spec = read_spec("tune")
    assert not spec.watches_test
    assert spec.arms[0].rate == 0
    assert len(spec.arms) > 2
    assert len(spec.seeds) >= 6  # a verdict's fewest
