"""Worker pools: an executor as one, the first answer of a worker, and runs side by side on a GPU."""

from concurrent.futures import BrokenExecutor, Future

import pytest

from dropstudy import load_dataset
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import watchdog
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.workers import WorkerPool, first_answer, lanes_per_worker, open_pool
from fake_training import ExecutorPool, InlineExecutor, make_run


class Killing(ExecutorPool):
    """Its calls never answer until they are killed."""

    def __init__(self):
        super().__init__(InlineExecutor(), 1)

    def kill(self, future):
        future.set_exception(BrokenExecutor())


class Failing(InlineExecutor):
    """Each of its calls fails with an error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def submit(self, *_, **__):
        future = Future()
        future.set_exception(self.error)
        return future


def test_a_pool_of_the_caller_stays_as_it_is():
    pool = InlineExecutor()
    assert isinstance(pool, WorkerPool)
    with open_pool(pool, workers=None, device="cpu", runs=9) as same:
        assert same is pool
    local = LocalWorkers(2)
    assert isinstance(local, WorkerPool)
    local.shutdown()


def test_a_gpu_has_one_worker():
    with open_pool(InlineExecutor(), workers=8, device="gpu", runs=9) as pool:
        assert pool.count == 1


def test_a_first_worker_that_never_answers_is_reported_then_killed(monkeypatch):
    monkeypatch.setattr(watchdog, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(watchdog, "REPORT_AFTER", 0.03)
    monkeypatch.setattr(watchdog, "START_TIMEOUT", 0.2)
    notices = []
    assert first_answer(Killing(), Future(), notices.append) is None
    assert 2 <= len(notices) <= 4
    assert all(text.startswith("The first worker has not answered for ") for text in notices)


def test_a_first_worker_that_answers_or_dies_is_not_reported():
    notices = []
    future = Future()
    future.set_result(7)
    assert first_answer(ExecutorPool(InlineExecutor(), 1), future, notices.append) == 7
    dying = Failing(BrokenExecutor()).submit()
    assert first_answer(ExecutorPool(InlineExecutor(), 1), dying, notices.append) is None
    assert notices == []


@pytest.mark.parametrize(
    ("error", "received"),
    [
        (BrokenExecutor(), "one whose worker died"),
        (RuntimeError("Unable to initialize backend 'cuda':\nno device"), "RuntimeError Unable .* no device"),
        (AssertionError(), "AssertionError"),  # jax without a plugin for CUDA
    ],
)
def test_a_gpu_whose_worker_dies_or_cannot_use_it_is_refused(error, received):
    run, dataset, pool = make_run("a"), load_dataset("digits"), ExecutorPool(Failing(error), 1)
    assert lanes_per_worker(pool, (run,), dataset, "cpu") == 1
    refusal = f"device: expected a GPU that a worker can use, received {received}.*`device='cpu'`"
    with pytest.raises(InvalidArgument, match=refusal):
        lanes_per_worker(pool, (run,), dataset, "gpu")
