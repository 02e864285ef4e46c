"""Workers with a simulated clock: the real scheduler runs complete studies in no time."""

from concurrent.futures import Executor, Future
from unittest import mock

from dropstudy.engine.trainer import groups
from dropstudy.runtime import local, scheduler
from fake_training import ExecutorPool, FakeInputs, split


class SimulatedWorkers(Executor):
    """Executes segments in the order of submission; each takes the seconds of its result.

    Args:
        free_at: for each worker, the second at which it is free.
    """

    def __init__(self, free_at):
        self.now, self.free_at = 0.0, list(free_at)
        self.queue, self.running = [], []

    def submit(self, fn, /, *args):
        future = Future()
        self.queue.append((future, fn, args))
        return future

    def wait(self, active, timeout, return_when):
        """Replacement of `concurrent.futures.wait`: advances the clock to the end of the next segment."""
        assert timeout is not None
        assert return_when == "FIRST_COMPLETED"
        # A worker starts the next segment at the end of its last one.
        while self.queue and (not self.running or min(self.free_at) <= min(end for end, *_ in self.running)):
            future, fn, args = self.queue.pop(0)
            start = max(self.now, min(self.free_at))
            results = fn(*args)
            end = start + max(result.seconds for result in results)
            self.free_at[self.free_at.index(min(self.free_at))] = end
            self.running.append((end, future, results))
        first = min(self.running, key=lambda call: call[0])
        self.running.remove(first)
        self.now, future, results = first
        future.set_result(results)
        return {future}, active.keys() - {future}


def train_on(workers, store, runs, train, recorder, *, lanes=1):
    """Train runs on simulated workers, `lanes` side by side on each; every result is committed at once."""
    with (
        mock.patch.object(local, "train_group", lambda segments: tuple(map(train, segments))),
        mock.patch.object(scheduler, "wait", workers.wait),
        mock.patch.object(scheduler, "COMMIT_INTERVAL", 0),
    ):
        scheduler.train_runs(
            store,
            groups(runs, lanes),
            FakeInputs(split),
            pool=ExecutorPool(workers, len(workers.free_at)),
            callback=recorder,
        )
