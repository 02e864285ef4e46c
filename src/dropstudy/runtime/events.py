"""Callbacks: methods that training calls when an epoch, a segment or a run ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import EpochMetrics, Run
    from dropstudy.runtime.machines import Machine
    from dropstudy.store.reader import RunProgress


class Callback:
    """Base class of callbacks, as in Keras; its methods do nothing.

    Training calls the methods in the process that called `Study.run`, after it has stored what they report.
    An exception in one stops the study and leaves `Study.run`. All results reported before are stored, and the next
    `Study.run` continues from them.

    Example:
        >>> class Best(Callback):
        ...     def on_epoch_end(self, run, metrics):
        ...         print(run.arm.name, run.seed, metrics.epoch, metrics.val_accuracy)
        >>> study.run(callbacks=[Best()])  # doctest: +SKIP
    """

    def on_train_begin(self, progress: Sequence[RunProgress], at_once: int) -> None:
        """Called before the first segment, with the progress of every run and how many train at once."""

    def on_train_end(self) -> None:
        """Called when training is over, also after an error or an interrupt."""

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Called after each epoch of a run."""

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Called when a segment ends within an epoch, with the steps since the start of the run."""

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Called when a run is "done", "diverged" or "failed"; `cause` explains the last two."""

    def on_machines(self, machines: Sequence[Machine]) -> None:
        """Called each second, and at the end, where an executor or a cluster trains: its machines, see `Machine`."""

    def on_notice(self, text: str) -> None:
        """Called with a message for the user."""


class Display(Callback):
    """Base class of callbacks that show progress; one in `callbacks` replaces the default display."""


class CallbackList(Callback):
    """Several callbacks as one.

    Args:
        callbacks: called in this order.
    """

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = tuple(callbacks)

    def on_train_begin(self, progress: Sequence[RunProgress], at_once: int) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_train_begin(progress, at_once)

    def on_train_end(self) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_train_end()

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_epoch_end(run, metrics)

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_segment_end(run, steps_done)

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_run_end(run, status, cause)

    def on_machines(self, machines: Sequence[Machine]) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_machines(machines)

    def on_notice(self, text: str) -> None:
        """Call each."""
        for callback in self.callbacks:
            callback.on_notice(text)


class SaidOnce(CallbackList):
    """Callbacks that get each notice once: every round of a search would repeat them."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        super().__init__(callbacks)
        self._said: set[str] = set()

    def on_notice(self, text: str) -> None:
        """Call each, if the text is new."""
        if text not in self._said:
            self._said.add(text)
            super().on_notice(text)


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """Check the argument `callbacks`: one callback, several, or None.

    Raises:
        InvalidArgument: something else is among them, such as a class in place of its instance.
    """
    if callbacks is None:
        return ()
    several = callbacks if isinstance(callbacks, Iterable) and not isinstance(callbacks, str) else [callbacks]
    checked = tuple(several)
    for callback in checked:
        if not isinstance(callback, Callback):
            raise InvalidArgument(
                "callbacks",
                expected="instances of subclasses of dropstudy.Callback",
                received=repr(callback),
            )
    return checked
