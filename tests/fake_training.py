"""Training by a rule that takes no time: each epoch's numbers follow from the state before it, as in real training."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import BrokenExecutor, Executor, Future

import numpy as np

from dropstudy.core.final_metrics import FinalMetrics
from dropstudy.core.types import (
    METRICS,
    Arm,
    Condition,
    DataReference,
    EpochMetrics,
    Optimizer,
    Run,
    Segment,
    SegmentResult,
)
from dropstudy.runtime.events import Callback
from dropstudy.runtime.local import worker_info

DATA = DataReference("0" * 64, 255.0)
SECONDS = 1.5  # per epoch; a segment has two epochs


def run_key(name, seed=0):
    """Key of a run of `make_run`, in the form of real keys."""
    return hashlib.sha256(f"{name}-{seed}".encode()).hexdigest()


def make_run(name="arm", *, seed=0, epochs=5, rate=0.0):
    return Run(
        key=run_key(name, seed),
        arm=Arm(name, rate),
        condition=Condition(3, (2,), 2, 10, 5),
        seed=seed,
        activation="relu",
        optimizer=Optimizer(),
        epochs=epochs,
        validation_split="test",
        precision="float32",
    )


def make_runs(*names, seeds=(0,), epochs=5):
    return tuple(make_run(name, seed=seed, epochs=epochs) for seed in seeds for name in names)


def groups_of_one(runs):
    """Runs as groups of one."""
    return [(run,) for run in runs]


class FakeInputs:
    """Inputs of runs that are not trained for real."""

    data = staticmethod(lambda _run: DATA)
    preprocessing = staticmethod(lambda _run: {})
    model = None

    def __init__(self, split):
        self.rows = split


def split(run):
    return np.arange(10, dtype=np.int32) + run.seed, None


def first_state(run):
    draw = np.random.default_rng(list(run.key.encode()))
    shapes = {}
    for number, (inputs, outputs) in enumerate(
        zip(run.condition.widths, run.condition.widths[1:], strict=False)
    ):
        shapes |= {f"dense_{number}/kernel": (inputs, outputs), f"dense_{number}/bias": (outputs,)}
    return {
        f"{part}/{name}": draw.normal(size=shape).astype(np.float32)
        for part in ("weights", "m", "v")
        for name, shape in shapes.items()
    }


def train(segment):
    """Replacement of `train_segment`: a rule in place of the gradient, step by step."""
    run, state = segment.run, segment.state
    state = first_state(run) if state is None else state
    history = []
    done, until = segment.done, segment.done + segment.steps
    assert until <= run.steps
    for step in range(done + 1, until + 1):
        state = {name: np.float32(0.9) * array + np.float32(0.01) * step for name, array in state.items()}
        epoch, inside = divmod(step, run.condition.steps)
        if inside:
            continue
        total = float(sum(np.abs(state[name]).sum() for name in sorted(state)))
        metrics = {name: total + number for number, name in enumerate(METRICS)}
        history.append(EpochMetrics(epoch, **metrics, seconds=SECONDS))
    final = final_metrics(run, state) if until == run.steps else None
    seconds = SECONDS * segment.steps / run.condition.steps
    return SegmentResult(tuple(history), state, until, seconds, final, diverged=False, device="none")


def final_metrics(run, state):
    logits = np.abs(state["weights/dense_0/kernel"]).ravel()
    return FinalMetrics(
        epoch=run.epochs,
        clean_loss=0.125,
        clean_accuracy=0.75,
        noisy_loss=0.25,
        noisy_accuracy=0.625,
        loss=float(logits.sum()),
        accuracy=0.5,
        balanced_accuracy=0.5,
        auc=0.75,
        brier=0.25,
        val_balanced_accuracy=0.5,
        val_auc=0.75,
        labels=np.argsort(logits).astype(np.uint8),
        confidence=logits.astype(np.float16),
        likelihood=logits[::-1].astype(np.float16),
    )


def complete_result(run):
    """Result of a run trained in one segment; any other way of training it must give the same."""
    return train(segment_of(run, epochs=run.epochs))


def segment_of(run, *, state=None, first_epoch=0, epochs=1):
    steps = run.condition.steps
    return Segment(run, DATA, *split(run), state, first_epoch * steps, epochs * steps)


def first_epoch(segment):
    """Epochs done before a segment; may be a fraction."""
    return segment.done / segment.run.condition.steps


class InlineExecutor(Executor):
    """A worker pool that runs each call at submission, in this process."""

    can_kill, lost_worker_errors, link_users = False, (), 1

    def __init__(self, count=1):
        self.count = count

    def kill(self, future):
        pass

    def probe(self):
        return self.submit(worker_info)

    def machines(self):
        return ()

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - what an executor does
            future.set_exception(error)
        return future


class ExecutorPool:
    """An executor of this machine as a worker pool; its workers cannot be killed."""

    lost_worker_errors = (BrokenExecutor,)
    can_kill = False
    link_users = 1

    def __init__(self, executor, count):
        self.count = count
        self._executor = executor

    def submit(self, function, /, *args, **kwargs):
        return self._executor.submit(function, *args, **kwargs)

    def kill(self, future):
        pass

    def machines(self):
        return ()

    def probe(self):
        return self.submit(worker_info)


class Recorder(Callback):
    """Records the calls of a callback."""

    def __init__(self):
        self.epochs, self.segments, self.ends, self.notices = [], [], [], []

    def on_epoch_end(self, run, row):
        self.epochs.append((run.key, row.epoch))

    def on_segment_end(self, run, done):
        self.segments.append((run.key, done))

    def on_run_end(self, run, status, cause):
        self.ends.append((run.key, status, cause))

    def on_notice(self, text):
        self.notices.append(text)


def history_of(store, run):
    return store.histories().get(run.key, ())


def same_tensors(one, other):
    """True if names, types and bits are equal."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


def assert_finished(store, run):
    """Check that a run equals `complete_result` to the bit, and has no other files."""
    result = complete_result(run)
    final = result.final
    predictions = {"labels": final.labels, "confidence": final.confidence, "likelihood": final.likelihood}
    weights = {
        name.removeprefix("weights/"): array
        for name, array in result.state.items()
        if name.startswith("weights/")
    }
    assert store.status()[run.key] == "done"
    assert history_of(store, run) == result.history
    assert same_tensors(store.result_files().read("weights", run.key), weights)
    assert same_tensors(store.result_files().read("predictions", run.key), predictions)
    (row,) = [row for row in store.finals() if row["key"] == run.key]
    assert (row["test_loss"], row["test_accuracy"], row["brier"]) == (final.loss, final.accuracy, final.brier)
    assert files_of(store.folder, run.key) == {
        f"weights/{run.key}.safetensors",
        f"predictions/{run.key}.safetensors",
    }


def files_of(folder, key):
    """Paths of all files of a run below a study's folder."""
    named = re.compile(rf"{re.escape(key)}(-[0-9a-f]{{16}})?(\.\w+)?")
    return {
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/**/*")
        if path.is_file() and named.fullmatch(path.relative_to(folder).parts[1])
    }
