"""Workers whose time is counted instead of spent: whole studies by the real scheduler, in no time."""

from concurrent.futures import Executor, Future
from unittest import mock

from dropstudy.engine.trainer import groups
from dropstudy.runtime import local, scheduler
from dropstudy.runtime.workers import ExecutorPool
from fake_training import DATA, split


class SimulatedWorkers(Executor):
    """Takes segments in the order in which they come; a segment takes the seconds that its result says it took.

    Args:
        free_at: for each worker, the second from which on it may work.
    """

    def __init__(self, free_at):
        self.now, self.free_at = 0.0, list(free_at)
        self.line, self.at_work = [], []

    def submit(self, fn, /, *args):
        future = Future()
        self.line.append((future, fn, args))
        return future

    def wait(self, active, timeout, return_when):
        """In place of the function of `concurrent.futures`: time passes until the next segment is done."""
        assert timeout is not None
        assert return_when == "FIRST_COMPLETED"
        # A worker takes the next segment at the end of its last one: nothing was processed in between.
        while self.line and (not self.at_work or min(self.free_at) <= min(end for end, *_ in self.at_work)):
            future, fn, args = self.line.pop(0)
            began = max(self.now, min(self.free_at))
            results = fn(*args)
            end = began + max(result.seconds for result in results)
            self.free_at[self.free_at.index(min(self.free_at))] = end
            self.at_work.append((end, future, results))
        first = min(self.at_work, key=lambda work: work[0])
        self.at_work.remove(first)
        self.now, future, results = first
        future.set_result(results)
        return {future}, active.keys() - {future}


def train_on(workers, store, runs, train, recorder):
    """Train runs one at a time on each of a simulated_workers's workers; each result is committed at once."""
    with (
        mock.patch.object(local, "train", train),
        mock.patch.object(scheduler, "wait", workers.wait),
        mock.patch.object(scheduler, "COMMIT_INTERVAL", 0),
    ):
        scheduler.train_runs(
            store,
            groups(runs, 1),
            DATA,
            split,
            pool=ExecutorPool(workers, len(workers.free_at)),
            callback=recorder,
        )
