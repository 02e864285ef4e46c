"""Time left, compared with simulated studies whose end is known."""

import random
from functools import cache
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

import random_results
from dropstudy import Study
from dropstudy.core.types import Arm, Condition, EpochMetrics, Optimizer, Run, SegmentResult
from dropstudy.runtime import scheduling
from dropstudy.runtime.events import Display
from dropstudy.runtime.progress.eta import Eta, duration, epoch_cost
from dropstudy.store.reader import RunProgress
from fake_training import Recorder, final_metrics, first_state, make_run
from simulated_workers import SimulatedWorkers, train_on

WITHIN = 0.20
FINAL = final_metrics(make_run(), first_state(make_run()))
SMALL, LARGE = Condition(784, (128,), 10, 60_000, 128), Condition(784, (512, 512), 10, 60_000, 128)


def run_of(number, condition=LARGE, epochs=5, arm="plain"):
    return Run(str(number), Arm(arm), condition, number, "relu", Optimizer(), epochs, "test", "float32")


def row_of(epoch, seconds):
    return EpochMetrics(epoch, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, seconds)


class NoDisk:
    """Store whose runs are all at their beginning."""

    def checkpoint(self, _):
        return 0, None

    def commit(self, *_, **__):
        pass


class Simulation(Recorder):
    """A study by the real scheduler on workers with a simulated clock.

    Args:
        runs: in the order of the plan.
        workers: how many.
        seconds: of an epoch, by condition.
        noise: standard deviation of the logarithm of an epoch's time.
        start: seconds that a worker takes before its first epoch, to start and compile.
        between: seconds at a run's end, for the look at the test set and the disk.
        lengths: epochs after which runs stop, by number, where not all are trained.
        lanes: runs that a worker trains side by side.
        of_arm: factor on the time of an arm's epochs, by its name, where it is not 1.
    """

    def __init__(
        self,
        runs,
        *,
        workers,
        seconds,
        noise=0.05,
        start=3.0,
        between=0.5,
        lengths=None,
        lanes=1,
        of_arm=None,
    ):
        super().__init__()

        @cache
        def took(run, epoch):
            typical = seconds[run.condition] * (of_arm or {}).get(run.arm.name, 1.0)
            return typical * random.Random(f"{run.seed} {epoch}").lognormvariate(0, noise)  # noqa: S311 - a simulation

        def train(segment):
            run, steps = segment.run, segment.run.condition.steps
            length = (lengths or {}).get(run.seed, run.epochs)
            until = min(segment.done + segment.steps, length * steps)
            ended = range(segment.done // steps + 1, until // steps + 1)
            rows = tuple(row_of(epoch, took(run, epoch)) for epoch in ended)
            spent = sum(took(run, step // steps + 1) for step in range(segment.done, until)) / steps
            final = FINAL if until == length * steps else None
            spent += between if final else 0.0
            return SegmentResult(rows, {}, until, spent, final, diverged=False, device="")

        worker_pool = SimulatedWorkers([start * (1 + 0.1 * number) for number in range(workers)])
        self.events = []
        self._now = lambda: worker_pool.now
        train_on(worker_pool, NoDisk(), runs, train, self, lanes=lanes)
        self.end = worker_pool.now
        self.total = sum(row is not None for _, _, row in self.events)
        self.now = 0.0
        self.eta = Eta(
            [RunProgress(run, "planned", 0, None, None) for run in runs], workers * lanes, lambda: self.now
        )

    def on_epoch_end(self, run, row):
        self.events.append((self._now(), run, row))

    def on_run_end(self, run, *_):
        self.events.append((self._now(), run, None))

    def estimates(self):
        """(share of run-epochs done, estimated seconds left, actual seconds left) after each event."""
        done = 0
        for now, events in groupby(self.events, key=lambda event: event[0]):
            self.now = now
            for _, run, row in events:
                if row is None:
                    self.eta.on_run_end(run)
                else:
                    self.eta.on_epoch_end(run, row)
                    done += 1
            yield done / self.total, self.eta.seconds_left(), self.end - self.now


def assert_right(simulation, *, after=0.1, slack=3.0):
    seen = 0
    for share, estimate, actual in simulation.estimates():
        if share >= after:
            seen += 1
            assert estimate == pytest.approx(actual, rel=WITHIN, abs=slack), f"at {share:.0%}"
    assert seen > 3


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seconds", [1.2, 2.0, 5.0])
@pytest.mark.parametrize("between", [0.0, 1.0])
def test_time_left_is_right_within_a_fifth_after_the_first_tenth(workers, seconds, between):
    runs = [run_of(number) for number in range(12 * workers)]
    simulation = Simulation(runs, workers=workers, seconds={LARGE: seconds}, between=between)
    # Progress that a worker has not reported is unknown.
    assert_right(simulation, slack=max(seconds, scheduling.SEGMENT_SECONDS) + between)


def test_time_left_is_right_where_runs_train_side_by_side():
    """Networks of two sizes on a GPU: a group of the large ones, then two of the small ones."""
    runs = [run_of(number) for number in range(20)] + [run_of(number, SMALL) for number in range(20, 60)]
    simulation = Simulation(runs, workers=1, lanes=20, seconds={LARGE: 2.0, SMALL: 0.3}, noise=0.0)
    assert_right(simulation, after=0.2)  # before, each group has only a first epoch, which was compiled


def test_displays_are_told_how_many_runs_train_side_by_side(tmp_path, monkeypatch):
    """Else the first report of a group, which shows, would count its other runs as waiting for it."""
    random_results.replace_workers(monkeypatch)
    monkeypatch.setattr("dropstudy.runtime.run.lanes_per_worker", lambda *_: 6)
    told = []

    class Told(Display):
        def on_train_begin(self, _progress, at_once):
            told.append(at_once)

    study = Study("notebook", data="digits", seeds=4, out=tmp_path / "s")
    study.run(workers=1, callbacks=Told())
    assert told == [6]
    assert study.finished


def test_time_left_is_right_when_small_networks_follow_large_ones():
    runs = [run_of(number) for number in range(12)] + [run_of(number, SMALL) for number in range(12, 48)]
    # In truth a small network takes more than its parameters say: 0.45 of the time for 0.15 of the parameters.
    simulation = Simulation(runs, workers=2, seconds={LARGE: 2.0, SMALL: 0.9})
    # A run's first epoch is not counted: it was compiled.
    met_both = next(
        i for i, (_, run, row) in enumerate(simulation.events) if run.condition == SMALL and row.epoch == 2
    )
    assert_right(simulation, after=(met_both + 4) / len(simulation.events))


@pytest.mark.parametrize("ratio", [0.5, 4.0])
def test_time_left_is_right_where_an_arm_takes_longer_than_another(ratio):
    """As Gaussian noise does, and a low rate beside a high one."""
    runs = [run_of(number, arm=("plain", "other")[number % 2], epochs=12) for number in range(20)]
    simulation = Simulation(runs, workers=2, seconds={LARGE: 2.0}, of_arm={"other": ratio})
    assert_right(simulation, after=0.2, slack=scheduling.SEGMENT_SECONDS + 2 * ratio)


TINY = Condition(64, (8,), 10, 1437, 128)


def test_the_end_of_a_run_is_counted_per_run_not_per_epoch():
    """The end dominates tiny runs, and large runs before them do not show its duration."""
    runs = [run_of(number) for number in range(6)] + [run_of(number, TINY) for number in range(6, 66)]
    simulation = Simulation(runs, workers=2, seconds={LARGE: 2.0, TINY: 0.02}, between=0.3)
    assert_right(simulation, after=0.17, slack=1.5)


def test_time_left_covers_one_run_that_outlasts_all_others():
    """At the end only the worker of that run is busy."""
    runs = [run_of(0, epochs=30)] + [run_of(number, SMALL, epochs=30) for number in range(1, 4)]
    assert_right(Simulation(runs, workers=2, seconds={LARGE: 2.0, SMALL: 0.3}))


def test_runs_are_expected_to_stop_early_once_some_have():
    runs = [run_of(number, epochs=40) for number in range(24)]
    simulation = Simulation(runs, workers=2, seconds={LARGE: 1.0}, lengths=dict.fromkeys(range(24), 10))
    assert_right(simulation, after=0.25)


def test_epochs_trained_earlier_do_not_count_as_remaining_but_tell_the_speed():
    now = [0.0]
    runs = [run_of(number) for number in range(4)]
    progress = [
        RunProgress(runs[0], "done", 5, None, 0.9),
        RunProgress(runs[1], "running", 3, row_of(3, 2.0), None),
    ]
    progress += [RunProgress(run, "planned", 0, None, None) for run in runs[2:]]
    eta = Eta(progress, 2, lambda: now[0])
    assert eta.epochs_left == 2 + 5 + 5
    assert eta.seconds_left() == pytest.approx(2.0 * 12 / 2)
    for epoch in (4, 5):  # this machine is slower
        now[0] += 8.0
        eta.on_epoch_end(runs[1], row_of(epoch, 8.0))
    assert eta.seconds_left() == pytest.approx(8.0 * 10 / 2, rel=0.3)
    assert Eta([progress[0], *progress[2:]], 2).seconds_left() is None


def test_the_speed_of_another_condition_tells_that_of_an_untrained_one():
    progress = [
        RunProgress(run_of(0, SMALL), "done", 5, row_of(5, 1.0), 0.9),
        RunProgress(run_of(1), "planned", 0, None, None),
    ]
    cost = epoch_cost(LARGE) / epoch_cost(SMALL)
    assert Eta(progress, 1).seconds_left() == pytest.approx(5 * cost)


def test_time_left_falls_between_epochs_but_not_below_that_of_later_epochs():
    now = [0.0]
    eta = Eta([RunProgress(run_of(0), "planned", 0, None, None)], 1, lambda: now[0])
    eta.on_epoch_end(run_of(0), row_of(1, 10.0))
    now[0] = 10.0
    eta.on_epoch_end(run_of(0), row_of(2, 10.0))
    at_once = eta.seconds_left()
    now[0] = 25.0
    assert eta.seconds_left() == pytest.approx(at_once - 15)
    now[0] = 1e6
    assert eta.seconds_left() == pytest.approx(at_once - 24)
    for epoch in (3, 4, 5):
        eta.on_epoch_end(run_of(0), row_of(epoch, 10.0))
    now[0] = 2e6
    assert eta.seconds_left() == 0


def test_an_epoch_that_includes_compilation_is_not_extrapolated():
    """Also for a resumed run, a long epoch, and a run of one epoch."""
    now = [0.0]
    eta = Eta([RunProgress(run_of(n), "planned", 0, None, None) for n in range(4)], 2, lambda: now[0])
    for seconds, epoch in ((5.0, 1), (5.0, 2)):  # the second run goes on from its first epoch
        now[0] += 5
        eta.on_epoch_end(run_of(epoch), row_of(epoch, seconds))
        assert eta.seconds_left() is None
    now[0] += 0.1
    eta.on_epoch_end(run_of(1), row_of(2, 0.1))
    assert eta.seconds_left() < 10
    for run, seconds in ((run_of(0, epochs=1), 5.0), (run_of(0), 60.0)):
        alone = Eta([RunProgress(run, "planned", 0, None, None)], 1, lambda: now[0])
        alone.on_epoch_end(run, row_of(1, seconds))
        assert alone.seconds_left() is not None


def test_a_run_moves_on_between_reports_at_its_speed_and_not_for_ever():
    now = [0.0]
    run = run_of(0)
    eta = Eta([RunProgress(run, "planned", 0, None, None)], 1, lambda: now[0])
    assert eta.epochs_begun(run) == 0
    now[0] = 3.0
    eta.on_segment_end(run, run.condition.steps // 4)
    assert eta.epochs_begun(run) == pytest.approx(0.25, abs=0.01)
    now[0] = 6.0
    eta.on_segment_end(run, run.condition.steps // 2)  # a quarter in 3 s
    now[0] = 7.5
    assert eta.epochs_begun(run) == eta.all_epochs_begun() == pytest.approx(0.625, abs=0.01)
    eta.on_epoch_end(run, row_of(1, 10.0))
    assert eta.epochs_begun(run) == 0
    now[0] = 8.5
    assert eta.epochs_begun(run) == pytest.approx(0.1)
    now[0] = 1e6
    assert 0.1 < eta.epochs_begun(run) < 1
    eta.on_epoch_end(run, row_of(5, 0.1))
    now[0] += 1
    assert eta.epochs_begun(run) == 0  # it has no more
    eta.on_run_end(run)
    assert eta.epochs_begun(run) == eta.all_epochs_begun() == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than 1 s"), (0.49, "less than 1 s"), (0.6, "1 s"),
        (45.2, "45 s"), (89, "89 s"), (95, "1 min 40 s"), (151, "2 min 30 s"), (599, "10 min"),
        (725, "12 min"), (3599, "1 h"), (3600, "1 h"), (12_000, "3 h 20 min"),
        (86_399, "1 d"), (187_200, "2 d 4 h"),
    ],
)  # fmt: skip
def test_durations_have_one_or_two_familiar_units(seconds, words):
    assert duration(seconds) == words


@given(st.floats(0.51, 1e7))
def test_a_duration_is_never_zero_of_a_larger_unit_nor_sixty_of_a_smaller_one(seconds):
    number, *rest = duration(seconds).split()
    units = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    words = duration(seconds).split()
    printed = sum(int(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert printed == pytest.approx(seconds, rel=0.06, abs=0.6)
    assert " 60 s" not in duration(seconds)
    assert seconds < 1 or int(number) > 0 or "s" in rest
    assert "60 min" not in duration(seconds)
    assert "24 h" not in duration(seconds)
