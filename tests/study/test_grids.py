"""A study of many runs: it grows, trains what is missing and nothing else, and says what it has of each condition."""

import numpy as np
import pandas as pd
import pytest

import random_results
from dropstudy import Study
from dropstudy.errors import InvalidArgument
from dropstudy.spec.study_file import read_spec
from dropstudy.store import record
from dropstudy.store.directory import recorded_spec
from dropstudy.store.store import Store
from expected import Analysis
from fake_training import InlineExecutor

SETTINGS = {"data": "digits", "hidden": [8], "epochs": 2, "rates": [0, 0.5], "batch_size": 64}


class Watching(InlineExecutor):
    """Remembers the segments that it is given."""

    def __init__(self):
        super().__init__()
        self.segments = []

    def submit(self, fn, group):
        self.segments.extend(group)
        return super().submit(fn, group)

    @property
    def trained(self):
        """Runs that were trained: arm, network, training size and seed of each run, once."""
        return {
            (s.run.arm.name, s.run.condition.layers, s.run.condition.train_size, s.run.seed)
            for s in self.segments
        }


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make studies in one folder, with random results; settings replace the default ones."""
    random_results.replace_workers(monkeypatch)

    def study(spec="notebook", **settings):
        return Study(spec, out=tmp_path / "grid", **{**SETTINGS, **settings})

    return study


def trained_by(study):
    watching = Watching()
    study.run(executor=watching, device="cpu", verbose=False)
    assert study.finished
    return watching


def everything(where):
    """Contents of a study's folder on its runs, without the times."""
    opened = Study.open(where)
    frame = opened.results().history_frame().drop(columns="seconds")
    return frame.sort_values(["arm", "hidden", "train_size", "seed", "epoch"], ignore_index=True)


# --- growth ---


def test_ten_seeds_grow_to_twenty_and_the_new_ones_alone_are_trained(make):
    first = trained_by(make(seeds=10))
    before = make(seeds=10).results().history_frame()
    more = trained_by(Study(make().folder, seeds=20))
    assert {seed for *_, seed in first.trained} == set(range(10))
    assert more.trained == {
        (arm, "8", 1437, seed) for arm in ("no dropout", "dropout 0.5") for seed in range(10, 20)
    }
    after = Study.open(make().folder).results().history_frame()
    kept = after[after["seed"] < 10].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before)


@pytest.mark.parametrize(
    ("more", "new"),
    [
        ({"rates": [0, 0.2, 0.5, 0.8]}, {("dropout 0.2", "8", 1437, 0), ("dropout 0.8", "8", 1437, 0)}),
        ({"hidden": [[8], [4, 4]]}, {("no dropout", "4-4", 1437, 0), ("dropout 0.5", "4-4", 1437, 0)}),
        ({"train_sizes": [100, "all"]}, {("no dropout", "8", 100, 0), ("dropout 0.5", "8", 100, 0)}),
        ({"arms": [{"rate": 0.5, "l2": 0.1}]}, {("dropout 0.5, l2 0.1", "8", 1437, 0)}),
    ],
)
def test_a_study_grows_in_every_direction(make, more, new):
    trained_by(make())
    settings = {"rates": None, **more} if "arms" in more else more
    assert trained_by(make(**settings)).trained == new
    assert trained_by(make()).trained == set()  # less is asked for: the study keeps what it has
    assert len(Study.open(make().folder).results().test_scores()) == 2 + len(new)


def test_the_study_file_grows_with_the_study_and_keeps_its_notes(make):
    study = trained_by(make()) and make()
    trained_by(make(seeds=3, rates=[0, 0.5, 0.8]))
    text = (study.folder / "study.toml").read_text()
    assert "# data_sha256: " in text
    spec = read_spec(study.folder)
    assert spec.seeds == (0, 1, 2)
    assert [arm.name for arm in spec.arms] == ["no dropout", "dropout 0.5", "dropout 0.8"]
    assert recorded_spec(study.folder) == spec


def test_a_study_file_that_names_more_runs_is_a_request(make):
    study = make(seeds=2)
    trained_by(study)
    file = study.folder / "study.toml"
    file.write_text(file.read_text().replace("    1,\n", "    1,\n    7,\n"))
    assert {seed for *_, seed in trained_by(Study(study.folder)).trained} == {7}


def test_a_study_that_grows_is_not_finished_until_the_new_runs_are(make):
    trained_by(make())
    assert make().finished
    grown = make(seeds=2)
    assert not grown.finished
    assert make().finished  # nothing is written before it runs


@pytest.mark.parametrize("written", ["nothing", "the database alone"])
def test_interrupted_growth_is_completed_by_the_next_run(make, monkeypatch, written):
    study = make(seeds=2)
    trained_by(study)
    with monkeypatch.context() as patch:
        if written == "nothing":
            patch.setattr(Store, "begin", interrupt)
        else:
            patch.setattr(record, "write_text", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make(seeds=4).run(executor=InlineExecutor(), verbose=False)
    straight = Study("notebook", out=study.folder.with_name("straight"), **SETTINGS, seeds=4)
    trained_by(straight)
    trained_by(make(seeds=4))
    assert Study.open(study.folder).spec == straight.spec
    pd.testing.assert_frame_equal(everything(study.folder), everything(straight.folder))


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_growth_that_the_data_do_not_allow_changes_nothing(make):
    study = make()
    trained_by(study)
    before = {path: path.read_bytes() for path in study.folder.iterdir() if path.is_file()}
    with pytest.raises(InvalidArgument, match="1,437 training examples"):
        make(train_sizes=[5000]).run(executor=InlineExecutor(), verbose=False)
    assert {path: path.read_bytes() for path in study.folder.iterdir() if path.is_file()} == before
    assert make().finished


# --- what is trained on ---


def test_smaller_training_sizes_are_subsets_of_larger_ones_without_validation_rows(make):
    watching = trained_by(make(train_sizes=[100, 400, "all"], validation_split=200, seeds=2))
    rows = {(s.run.seed, s.run.condition.train_size): s for s in watching.segments}
    for seed in (0, 1):
        small, middle, large = (set(rows[seed, size].train_index) for size in (100, 400, 1237))
        assert small < middle < large
        assert {len(small), len(middle), len(large)} == {100, 400, 1237}
        for size in (100, 400, 1237):
            held = rows[seed, size].validation_index
            assert len(held) == 200
            assert not set(held) & large


@pytest.mark.parametrize("fixed", [False, True])
def test_validation_examples_are_drawn_for_each_seed_or_once_for_all(make, fixed):
    watching = trained_by(make(validation_split=0.1, fixed_validation=fixed, seeds=2))
    held = {s.run.seed: s.validation_index for s in watching.segments}
    assert np.array_equal(held[0], held[1]) is fixed


# --- results ---


@pytest.fixture
def grid(make):
    study = make(hidden=[[8], [4, 4]], train_sizes=[100, "all"], seeds=3)
    trained_by(study)
    return study


def test_tables_have_columns_for_the_conditions(grid):
    frame, finals, summary = grid.results().history_frame(), grid.results().test_scores(), grid.summary()
    assert len(frame) == 2 * 4 * 3 * 2
    assert len(finals) == 2 * 4 * 3
    assert len(summary) == 2 * 4
    for table in (frame, finals, summary):
        conditions = table[["hidden", "train_size"]].drop_duplicates().itertuples(index=False, name=None)
        assert set(conditions) == {("8", 100), ("8", 1437), ("4-4", 100), ("4-4", 1437)}
    for row in summary.itertuples():
        of_condition = finals.query(
            "arm == @row.arm and hidden == @row.hidden and train_size == @row.train_size"
        )
        assert row.test_accuracy == pytest.approx(of_condition["test_accuracy"].mean())
        assert row.seeds == 3


def test_a_run_is_selected_by_arm_network_size_and_seed(grid):
    small = grid.results().history_frame().query("arm == 'dropout 0.5' and train_size == 100 and seed == 2")
    for hidden, asked in (("4-4", [4, 4]), ("4-4", "4,4"), ("8", "8")):
        rows = small[small["hidden"] == hidden]
        history = grid.history("dropout 0.5", 2, hidden=asked, train_size=100)
        assert history.history["loss"] == rows["loss"].tolist()
    assert [layer.kernel.shape for layer in grid.results().weights(hidden=[4, 4])] == [
        (64, 4),
        (4, 4),
        (4, 10),
    ]
    with pytest.raises(InvalidArgument, match="one of 8, 4-4, received 16"):
        grid.history(hidden=[16])
    with pytest.raises(InvalidArgument, match="one of 100, 1437, received 3"):
        grid.history(train_size=3)


def test_exported_networks_of_several_conditions_have_different_names(grid):
    paths = {grid.results().export(hidden=condition, file_format="safetensors") for condition in ("8", "4-4")}
    assert len(paths) == 2
    assert all(path.is_file() for path in paths)


def test_a_verdict_has_a_section_per_condition(grid):
    sentences = grid.verdict().sentences
    for title in ("Hidden layers 8, 100 training", "Hidden layers 4-4, 1,437 training"):
        assert sum(sentence.startswith(title) for sentence in sentences) == 1
    assert sum(Analysis.WATCHED in sentence for sentence in sentences) == 1
