"""A study in MLflow and TensorBoard: nested runs with every epoch, once, however often it is exported."""

import sys

import pytest

import dropstudy
import random_results
from dropstudy import Study
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.report.tracking import tensorboard
from dropstudy.report.tracking.runs import tracked_study
from dropstudy.runtime import local

tensorboardx = pytest.importorskip("tensorboardX.proto.event_pb2")

SEEDS = 6
ARMS = ("no dropout", "dropout 0.2", "dropout 0.5")


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Train a study with made-up results: some rates help."""

    def trained(seeds=SEEDS, **fields):
        random_results.replace_workers(monkeypatch)
        monkeypatch.setattr(local, "train", random_results.learned(0.003))
        more = {"data": "digits", "hidden": [2], "epochs": 3, "validation_split": 0.2, "rates": [0, 0.2, 0.5]}
        study = Study("notebook", out=tmp_path / "study", seeds=seeds, **more | fields)
        study.run(verbose=False)
        return study.results()

    return trained


# TensorBoard


def points(folder):
    """Scalars of every event file below a folder, by its place: (step, tag, value)."""
    found = {}
    for path in sorted(folder.rglob("*tfevents*")):
        content, events = path.read_bytes(), []
        while content:
            length = int.from_bytes(content[:8], "little")
            events.append(tensorboardx.Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
        assert events[0].file_version == "brain.Event:2"
        found[path.parent.relative_to(folder).as_posix()] = [
            (event.step, value.tag, value.simple_value)
            for event in events
            for value in event.summary.value
            if value.WhichOneof("value") == "simple_value"
        ]
    return found


def test_event_files_hold_every_epoch_of_every_seed_and_are_the_same_at_each_export(train):
    results = train()
    folder = results.export(file_format="tensorboard")
    assert folder == results.snapshot.folder / "tensorboard"
    found = points(folder)
    assert len(found) == 1 + len(ARMS) * (1 + SEEDS)
    history = results.history_frame().set_index(["arm", "seed", "epoch"]).sort_index()
    finals = results.test_scores().set_index(["arm", "seed"]).sort_index()
    for arm in ARMS:
        for seed in range(SEEDS):
            rows = found[f"{arm.replace(' ', '-')}/seed{seed}"]
            by_epoch = {step: value for step, tag, value in rows if tag == "val_accuracy"}
            assert by_epoch == pytest.approx(history.loc[(arm, seed), "val_accuracy"].to_dict(), rel=1e-6)
            (score,) = [(step, value) for step, tag, value in rows if tag == "test_accuracy"]
            assert score == (3, pytest.approx(finals.loc[(arm, seed), "test_accuracy"], rel=1e-6))
    before = {path: path.read_bytes() for path in folder.rglob("*tfevents*")}
    again = tensorboard.write_events(tracked_study(results.snapshot), folder)
    assert (again.new, again.changed, again.unchanged) == (0, 0, len(found))
    assert {path: path.read_bytes() for path in folder.rglob("*tfevents*")} == before
    grown = train(seeds=SEEDS + 1)
    more = tensorboard.write_events(tracked_study(grown.snapshot), folder)
    assert more.new == len(ARMS)


def test_a_second_network_renames_the_arms_and_leaves_no_run_twice(train):
    folder = train(seeds=1).export(file_format="tensorboard")
    other = folder / "mine" / "events.out.tfevents.1.other"
    other.parent.mkdir()
    other.write_bytes(b"")
    train(seeds=1, hidden=[[2], [3]]).export(file_format="tensorboard")
    places = {path.parent.relative_to(folder).as_posix() for path in folder.rglob(tensorboard.EVENTS)}
    assert len(places) == 1 + 2 * len(ARMS) * (1 + 1)
    assert {place.partition("/")[0].rpartition("-of-")[0] for place in places - {"."}} == {
        f"{arm.replace(' ', '-')}-{hidden}" for arm in ARMS for hidden in "23"
    }
    assert other.is_file()


def test_settings_and_the_answer_are_in_the_event_files(train):
    results = train()
    folder = results.export(file_format="tensorboard", out=results.snapshot.folder.parent / "logs")
    seed = (folder / "dropout-0.5" / "seed0" / tensorboard.EVENTS).read_bytes()
    assert b"hparams" in seed
    assert b"train_size" in seed
    assert results.answer().helps.encode() in (folder / tensorboard.EVENTS).read_bytes()


# What is refused


@pytest.mark.parametrize(("file_format", "package"), [("mlflow", "mlflow"), ("tensorboard", "tensorboardX")])
def test_a_missing_package_is_named_with_its_extra(file_format, package, train, monkeypatch):
    results = train(seeds=1)
    monkeypatch.setattr(f"dropstudy.report.tracking.{file_format}.find_spec", lambda _: None)
    with pytest.raises(InvalidArgument, match=rf"package {package}.*dropstudy\[{file_format}\]"):
        results.export(file_format=file_format)


@pytest.mark.parametrize("file_format", ["mlflow", "tensorboard"])
def test_a_tracker_takes_the_whole_study(file_format, train):
    with pytest.raises(InvalidArgument, match="takes the whole study"):
        train(seeds=1).export(file_format=file_format, arm=0.5)


@pytest.mark.parametrize("out", ["mlruns", "file:///tmp/mlruns", "runs.csv"])
def test_mlflow_is_given_no_folder(out, train):
    with pytest.raises(InvalidArgument, match=r"mlflow\.db"):
        train(seeds=1).export(file_format="mlflow", out=out)


def test_an_export_replaces_no_file_of_a_study(train):
    results = train(seeds=1)
    folder = results.snapshot.folder
    for out in (folder / "study.db", f"sqlite:///{folder / 'study.db'}"):
        with pytest.raises(InvalidArgument, match="a file of the study"):
            results.export(file_format="mlflow", out=out)
    for out in (folder / "weights", folder / "study.toml"):
        with pytest.raises(InvalidArgument, match="out"):
            results.export(file_format="tensorboard", out=out)


# MLflow: its own client and store


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A new store in SQLite: its URI, and MLflow's client for it."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return uri, mlflow.MlflowClient(tracking_uri=uri)


def logged(client):
    """Every active run of the experiment, by its name."""
    experiment = client.get_experiment_by_name("study")
    runs = client.search_runs([experiment.experiment_id], max_results=5000)
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def tables(client):
    """Number of every metric that the store holds, by run and name."""
    return {
        (name, metric): len(client.get_metric_history(run.info.run_id, metric))
        for name, run in logged(client).items()
        for metric in run.data.metrics
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of SQLAlchemy, about MLflow
def test_mlflow_has_each_epoch_once_and_its_exported_table_gives_the_same_verdict(train, store):
    uri, client = store
    results = train()
    assert results.export(file_format="mlflow", out=uri) == uri
    runs = logged(client)
    assert len(runs) == 1 + len(ARMS) * (1 + SEEDS)
    study, own = runs["study"], results.verdict()
    assert study.data.tags["dropstudy.verdict"] == own.headline
    assert study.data.tags["mlflow.note.content"].split("\n\n") == str(results.answer()).splitlines()
    assert study.data.params["optimizer.name"] == "adam"
    for comparison in own.conditions[0].comparisons:
        arm = runs[comparison.arm]
        assert arm.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert arm.data.metrics["verdict/difference"] == pytest.approx(comparison.deciding.value)
        assert arm.data.metrics["verdict/high"] == pytest.approx(comparison.deciding.high)
    history = results.history_frame().set_index(["arm", "seed", "epoch"]).sort_index()
    for arm in ARMS:
        for seed in range(SEEDS):
            run = runs[f"{arm}, seed {seed}"]
            assert run.data.tags["mlflow.parentRunId"] == runs[arm].info.run_id
            assert run.info.status == "FINISHED"
            # Three epochs of half a second.
            assert run.info.end_time - run.info.start_time == pytest.approx(1500)
            stored = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert {m.step: m.value for m in stored} == history.loc[(arm, seed), "val_accuracy"].to_dict()

    before = tables(client)
    results.export(file_format="mlflow", out=uri)
    assert tables(client) == before
    assert {name: run.info.run_id for name, run in logged(client).items()} == {
        name: run.info.run_id for name, run in runs.items()
    }

    import mlflow  # noqa: PLC0415 - only where it is installed

    mlflow.set_tracking_uri(uri)
    mlflow.search_runs(experiment_names=["study"]).to_csv("runs.csv")
    found = dropstudy.verdict(
        "runs.csv",
        arm_column="params.arm",
        seed_column="params.seed",
        score_column="metrics.test_accuracy",
        validation_column="metrics.final_val_accuracy",
    )
    assert (found.decision, found.chosen, found.label) == (own.decision, own.chosen, own.label)
    theirs = {c.arm: c for c in found.conditions[0].comparisons}
    for comparison in own.conditions[0].comparisons:
        assert theirs[comparison.arm].differences == comparison.differences
        assert theirs[comparison.arm].deciding == comparison.deciding
        assert theirs[comparison.arm].p_adjusted == comparison.p_adjusted

    # It grows, and a run that was deleted in MLflow comes back.
    client.delete_run(runs["dropout 0.5"].info.run_id)
    grown = train(seeds=SEEDS + 2)
    grown.export(file_format="mlflow", out=uri)
    more = logged(client)
    assert len(more) == 1 + len(ARMS) * (1 + SEEDS + 2)
    assert more["study"].info.run_id == study.info.run_id
    assert more["dropout 0.2"].data.metrics["mean/seeds"] == SEEDS + 2
    assert more["dropout 0.5, seed 0"].data.tags["mlflow.parentRunId"] == more["dropout 0.5"].info.run_id
    of_seeds = {place: count for place, count in before.items() if ", seed" in place[0]}
    assert {place: count for place, count in tables(client).items() if place in of_seeds} == of_seeds


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_export_to_mlflow_that_was_cut_off_is_completed(train, store, monkeypatch):
    uri, client = store
    results, calls = train(), []
    mlflow = sys.modules["mlflow"]
    own = mlflow.MlflowClient.log_batch

    def cut_off(self, *args, **settings):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return own(self, *args, **settings)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        results.export(file_format="mlflow", out=uri)
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", own)
    results.export(file_format="mlflow", out=uri)
    assert len(logged(client)) == 1 + len(ARMS) * (1 + SEEDS)
    by_epoch = {count for (name, metric), count in tables(client).items() if metric == "val_loss"}
    assert by_epoch == {3}


@pytest.mark.slow
@pytest.mark.usefixtures("store")
@pytest.mark.filterwarnings("ignore")
def test_a_store_that_mlflow_cannot_use_is_an_error_of_one_line(train, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "text.db").write_text("no database " * 99, encoding="utf-8")
    results = train(seeds=1)
    for out in (tmp_path / "text.db", "http://127.0.0.1:9", "nothing://x"):
        with pytest.raises(StoreError, match="an MLflow store that can be written") as error:
            results.export(file_format="mlflow", out=out)
        assert "\n" not in str(error.value)
