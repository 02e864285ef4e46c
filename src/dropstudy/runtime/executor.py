"""Workers on other machines: any executor as a `WorkerPool`.

A call becomes a task (`runtime/remote.py`), and its future is ours: a machine that lacks the arrays is sent them, one
that would give other numbers is left out, and a task that stalls is given up. A late result then changes nothing.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import BrokenExecutor, CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from dropstudy.data import parcel
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import remote
from dropstudy.runtime.local import WorkerInfo, train_group, worker_info
from dropstudy.runtime.machines import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from dropstudy.core.types import Run
    from dropstudy.runtime.remote import Identity, Reply

P = ParamSpec("P")
T = TypeVar("T")

_MOST_REFUSALS = 50
"""Times that machines which would give other numbers refuse a call, before its run has failed."""


class CallFuture(Future[Any]):
    """Future of a call, which runs while a worker has it.

    Attributes:
        has_worker: false where the call waits for a worker, so that its silence is nobody's.
    """

    has_worker = True

    def running(self) -> bool:
        """True where the call has begun and not ended, as far as is known."""
        return self.has_worker and super().running()


@dataclass(eq=False)
class Call:
    """A call and its present task.

    Args:
        future: of the call, which the scheduler of the study waits for.
        function: of `runtime/local.py`.
        args: its arguments.
        with_data: whether the task brings the arrays.
        refusals: tasks of this call that were refused.
        task: the present one.
        key: of the task, by which Dask knows it.
    """

    future: CallFuture
    function: Callable[..., Any]
    args: tuple[Any, ...]
    with_data: bool = False
    refusals: int = 0
    task: Future[Reply] | None = None
    key: str = ""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Runs that it trains a part of."""
        trains = self.function is train_group
        return tuple(segment.run for segment in self.args[0]) if trains else ()


def host_of(address: str) -> str:
    """Machine in the address of a worker: "10.0.0.1" of "tcp://10.0.0.1:4000"."""
    return urlsplit(address).hostname or address


class RemotePool:
    """An executor whose workers may be on other machines, as a worker pool.

    Args:
        executor: calls functions there; stays the caller's, who shuts it down.
        count: number of its workers.
        device: to train on; `auto` for the GPU of each machine that has one.
        allow_mixed: take machines whose last digits may differ.
        notify: called with a line for the user, from another thread.

    Attributes:
        identity: of the first machine that answered; the others must have the same.
        left_out: machines that were refused, each with what differs there.
    """

    can_kill = True

    def __init__(
        self,
        executor: Executor,
        count: int,
        *,
        device: str = "auto",
        allow_mixed: bool = False,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._executor, self._count, self._device, self._notify = executor, count, device, notify
        self.left_out: dict[str, str] = {}
        self._calls: dict[Future[Any], Call] = {}
        self._parts, self._lost = Counter[str](), Counter[str]()  # of runs, by machine
        self._names: dict[str, str] = {}  # of machines, by their address
        # Answers are handled here: an executor's own thread must not wait until arrays are packed.
        self._answers = ThreadPoolExecutor(1, thread_name_prefix="dropstudy-cluster")
        self._wait_for_workers()
        first = executor.submit(remote.call, worker_info, (), device)
        self.identity: Identity = first.result().identity
        self._expected = None if allow_mixed else self.identity

    @property
    def count(self) -> int:
        """Number of workers."""
        return self._count

    @property
    def link_users(self) -> int:
        """Workers that share the network of this machine: all."""
        return self.count

    @property
    def lost_worker_errors(self) -> tuple[type[Exception], ...]:
        """Errors of a call whose worker died."""
        return (BrokenExecutor, CancelledError)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function of `runtime/local.py` in a worker, once there is one.

        Raises:
            InvalidArgument: the scheduler of a cluster is gone.
        """
        self._wait_for_workers()
        future = CallFuture()
        future.set_running_or_notify_cancel()
        self._calls[future] = Call(future, partial(function, **kwargs) if kwargs else function, args)
        self._send(self._calls[future])
        return future

    def kill(self, future: Future[Any]) -> None:
        """Give a call up, which then fails with BrokenExecutor; its worker may go on with it, for nothing."""
        call = self._calls.get(future)
        if call is not None:
            self._lost[self._machine_of(call)] += len(call.runs)
            task = call.task
            self._end(call, error=BrokenExecutor("a worker was silent for too long"))
            if task is not None:
                task.cancel()

    def probe(self) -> Future[WorkerInfo]:
        """Ask a worker for its device and program; see `WorkerInfo`."""
        return self.submit(worker_info)

    def machines(self) -> tuple[Machine, ...]:
        """Machines that have answered: an executor cannot tell who trains what at the moment."""
        return tuple(map(self._machine, dict.fromkeys((*self._parts, *self._lost, *self.left_out))))

    @contextmanager
    def notifying(self, notify: Callable[[str], None]) -> Iterator[None]:
        """Tell the user by another function while the `with` statement lasts."""
        before, self._notify = self._notify, notify
        try:
            yield
        finally:
            self._notify = before

    def close(self) -> None:
        """Give all calls up."""
        for future in list(self._calls):
            self.kill(future)
        self._answers.shutdown(cancel_futures=True)

    # Inside

    def _machine(self, name: str) -> Machine:
        refused = self.left_out.get(name, "")
        return Machine(name, parts=self._parts[name], lost=self._lost[name], refused=refused)

    def _wait_for_workers(self) -> None:
        """Do nothing: an executor has its workers, or starts them."""

    def _send(self, call: Call) -> None:
        data = None
        if call.function is train_group:
            reference = call.args[0][0].data
            data = parcel.packed(reference) if call.with_data else parcel.described(reference)
        task = self._submit(call, remote.call, call.function, call.args, self._device, self._expected, data)
        call.task = task
        task.add_done_callback(lambda task: self._answers.submit(self._on_answer, call, task))

    def _submit(self, call: Call, function: Callable[..., Reply], *args: Any) -> Future[Reply]:  # noqa: ARG002
        return self._executor.submit(function, *args)

    def _on_answer(self, call: Call, task: Future[Reply]) -> None:
        if call.future.done():  # given up: a late result changes nothing
            return
        try:
            reply = task.result()
            self._names[host_of(reply.address)] = reply.host
            if reply.refused:
                self._on_refusal(call, reply)
            elif reply.lacks_data:
                call.with_data = True
                self._send(call)
            else:
                self._parts[reply.host] += len(call.runs)
                self._end(call, self._with_place(reply) if call.runs else reply.result)
        except Exception as error:  # noqa: BLE001 - the scheduler of the study sorts them
            self._on_error(call, error)

    def _on_error(self, call: Call, error: Exception) -> None:
        if isinstance(error, self.lost_worker_errors):
            self._lost[self._machine_of(call)] += len(call.runs)
        if isinstance(error, CancelledError):  # which has no text
            error = BrokenExecutor("its task was cancelled")
        self._end(call, error=error)

    def _machine_of(self, call: Call) -> str:  # noqa: ARG002
        """Machine that has a call: an executor cannot tell."""
        return "a machine that is not known"

    def _on_refusal(self, call: Call, reply: Reply) -> None:
        other = reply.identity.differences(self.identity)
        self._avoid(reply.address)
        if reply.host not in self.left_out:
            self.left_out[reply.host] = other
            self._notify(
                f"{reply.host} is left out: {other}. --allow-mixed takes it; last digits may then differ."
            )
        call.refusals += 1
        if call.refusals < _MOST_REFUSALS:
            self._send(call)
            return
        raise InvalidArgument(
            "scheduler",
            expected="workers like the first one that answered",
            received=f"others alone: {other}",
            next_step="Install the same versions everywhere, or use --allow-mixed.",
        )

    def _avoid(self, address: str) -> None:
        """Do nothing: an executor chooses the worker of a task."""

    def _with_place(self, reply: Reply) -> Any:
        """Results that name the machine that trained them, and what is other there."""
        other = reply.identity.differences(self.identity)
        place = f" on {reply.host}" + (f" ({other})" if other else "")
        return tuple(replace(result, device=result.device + place) for result in reply.result)

    def _end(self, call: Call, result: Any = None, error: Exception | None = None) -> None:
        self._calls.pop(call.future, None)
        # The task refers to its call: as a cycle both, and the result on its worker, would stay for long.
        call.task = None
        with suppress(InvalidStateError):  # given up meanwhile
            if error is None:
                call.future.set_result(result)
            else:
                call.future.set_exception(error)
