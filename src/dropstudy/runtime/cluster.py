"""Workers on other machines: any executor, or the scheduler of a Dask cluster, as a `WorkerPool`.

A call becomes a task (`runtime/remote.py`), and its future is ours: a machine that lacks the arrays is sent them, one
that would give other numbers is left out, and a task that stalls is given up. A late result then changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import uuid4

from dropstudy.core.text import counted
from dropstudy.data import parcel
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import remote
from dropstudy.runtime.local import WorkerInfo, train_group, worker_info
from dropstudy.runtime.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from dropstudy.runtime.remote import Identity, Reply

P = ParamSpec("P")
T = TypeVar("T")

_MOST_REFUSALS = 50
"""Times that machines which would give other numbers refuse a call, before its run has failed."""

_RECONNECT_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 5.0
_LOOK_INTERVAL = 0.5


@dataclass(eq=False)
class _Call:
    """A call and its present task.

    Args:
        future: of the call, which the scheduler waits for.
        function: of `runtime/local.py`.
        args: its arguments.
        with_data: whether the task brings the arrays.
        refusals: tasks of this call that were refused.
        task: the present one.
        key: of the task, by which Dask knows it.
    """

    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    with_data: bool = False
    refusals: int = 0
    task: Future[Reply] | None = None
    key: str = ""


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
        self._refused: set[str] = set()
        self._calls: dict[Future[Any], _Call] = {}
        # Answers are handled here: an executor's own thread must not wait until arrays are packed.
        self._answers = ThreadPoolExecutor(1, thread_name_prefix="dropstudy-cluster")
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
        """Call a function of `runtime/local.py` in a worker."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._calls[future] = _Call(future, partial(function, **kwargs) if kwargs else function, args)
        self._send(self._calls[future])
        return future

    def kill(self, future: Future[Any]) -> None:
        """Give a call up, which then fails with BrokenExecutor; its worker may go on with it, for nothing."""
        call = self._calls.get(future)
        if call is not None:
            self._end(call, error=BrokenExecutor("a worker was silent for too long"))
            if call.task is not None:
                call.task.cancel()

    def probe(self) -> Future[WorkerInfo]:
        """Ask a worker for its device and program; see `WorkerInfo`."""
        return self.submit(worker_info)

    def close(self) -> None:
        """Give all calls up."""
        for future in list(self._calls):
            self.kill(future)
        self._answers.shutdown(cancel_futures=True)

    # Inside

    def _send(self, call: _Call) -> None:
        data = None
        if call.function is train_group:
            reference = call.args[0][0].data
            data = parcel.packed(reference) if call.with_data else parcel.described(reference)
        call.task = self._submit(
            call, remote.call, call.function, call.args, self._device, self._expected, data
        )
        call.task.add_done_callback(lambda task: self._answers.submit(self._on_answer, call, task))

    def _submit(self, call: _Call, function: Callable[..., Reply], *args: Any) -> Future[Reply]:  # noqa: ARG002
        return self._executor.submit(function, *args)

    def _on_answer(self, call: _Call, task: Future[Reply]) -> None:
        if call.future.done():  # given up: a late result changes nothing
            return
        try:
            reply = task.result()
            if reply.refused:
                self._on_refusal(call, reply)
            elif reply.lacks_data:
                call.with_data = True
                self._send(call)
            else:
                self._end(call, self._with_place(reply) if call.function is train_group else reply.result)
        except Exception as error:  # noqa: BLE001 - the scheduler of the study sorts them
            self._end(call, error=error)

    def _on_refusal(self, call: _Call, reply: Reply) -> None:
        other = reply.identity.differences(self.identity)
        self._avoid(reply.address)
        if reply.host not in self._refused:
            self._refused.add(reply.host)
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

    def _end(self, call: _Call, result: Any = None, error: Exception | None = None) -> None:
        self._calls.pop(call.future, None)
        with suppress(InvalidStateError):  # given up meanwhile
            if error is None:
                call.future.set_result(result)
            else:
                call.future.set_exception(error)


class DaskPool(RemotePool):
    """Workers of a Dask scheduler. They may come and go; Dask itself repeats a task whose worker died.

    Args:
        client: of the scheduler.
        device: as for `RemotePool`; likewise `allow_mixed` and `notify`.
        allow_mixed: see there.
        notify: see there.
    """

    def __init__(self, client: Any, *, device: str, allow_mixed: bool, notify: Callable[[str], None]) -> None:
        self._client, self._notify, self._known = client, notify, 0
        self._scheduler: str = client.scheduler.address
        self._avoided: set[str] = set()
        self._wait_for_workers()
        # Without `pure=False` a call that failed would not be made again.
        executor = client.get_executor(pure=False)
        super().__init__(executor, 0, device=device, allow_mixed=allow_mixed, notify=notify)

    @property
    def count(self) -> int:
        """Number of workers that are there now, or 1."""
        return max(1, len(self._workers()))

    @property
    def lost_worker_errors(self) -> tuple[type[Exception], ...]:
        """Errors of a call whose worker died, or four workers after each other."""
        from distributed.scheduler import KilledWorker  # noqa: PLC0415 - an optional package

        return (*super().lost_worker_errors, KilledWorker)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a worker, once there is one.

        Raises:
            InvalidArgument: the scheduler is gone.
        """
        self._wait_for_workers()
        return super().submit(function, *args, **kwargs)

    def kill(self, future: Future[Any]) -> None:
        """Give a call up, and give its worker no other one."""
        if (call := self._calls.get(future)) is not None:
            with suppress(Exception):  # the scheduler may be gone
                for address, keys in self._client.processing().items():
                    if call.key in keys:
                        self._avoid(address)
        super().kill(future)

    def close(self) -> None:
        """Give all calls up, and end what is trained for them."""
        super().close()
        ending = threading.Thread(target=self._stop, daemon=True)
        ending.start()
        ending.join(_STOP_TIMEOUT)  # a worker that is stopped does not answer

    def _stop(self) -> None:
        with suppress(Exception):  # a cluster that is gone trains nothing
            self._client.run(remote.stop, on_error="ignore")

    def _submit(self, call: _Call, function: Callable[..., Reply], *args: Any) -> Future[Reply]:
        call.key = f"dropstudy-{uuid4()}"
        allowed = (
            [address for address in self._workers() if address not in self._avoided] if self._avoided else []
        )
        where = {"workers": allowed} if allowed else {}
        return self._executor.submit(function, *args, key=call.key, **where)

    def _avoid(self, address: str) -> None:
        self._avoided.add(address)

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1).get("workers", {})
        if self._known and len(workers) != self._known:
            self._notify(f"{counted(len(workers), 'worker')} now, {self._known} before.")
        self._known = len(workers)
        return workers

    def _wait_for_workers(self) -> None:
        lost_at, told = None, False
        while self._client.status != "running" or not self._workers():
            if self._client.status == "running":
                if not told:
                    self._notify("The scheduler has no worker. Training goes on once one has joined.")
                lost_at, told = None, True
            else:
                lost_at = time.monotonic() if lost_at is None else lost_at
                if self._client.status == "closed" or time.monotonic() - lost_at > _RECONNECT_TIMEOUT:
                    raise InvalidArgument(
                        "scheduler",
                        expected=f"a connection to {self._scheduler}",
                        received="none any more",
                        next_step="All results so far are stored. Start the scheduler again; then the same command "
                        "goes on.",
                    )
            time.sleep(_LOOK_INTERVAL)


def is_remote(executor: Executor | WorkerPool | None) -> bool:
    """True where workers choose their device themselves: this machine may have another one, or none."""
    return isinstance(executor, RemotePool) or not (executor is None or isinstance(executor, WorkerPool))


@contextmanager
def pool_of(
    executor: Executor | WorkerPool | None,
    workers: int,
    *,
    device: str = "auto",
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[WorkerPool | None]:
    """A worker pool out of an executor, while the `with` statement lasts; a pool, or None, stays as it is."""
    if executor is None or isinstance(executor, WorkerPool):
        yield executor
        return
    pool = RemotePool(executor, workers, device=device, notify=notify)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def connect(
    address: str,
    *,
    allow_mixed: bool = False,
    notify: Callable[[str], None] = lambda _: None,
    device: str = "auto",
    timeout: float = 20.0,
) -> Iterator[DaskPool]:
    """Workers of the Dask scheduler at an address, for `Study.run(executor=...)`, in a `with` statement.

    TLS and time-outs are those of Dask's own configuration.

    Args:
        address: such as `tcp://10.0.0.1:8786` or `tls://10.0.0.1:8786`.
        allow_mixed: take workers whose last digits may differ: of other versions, or with another processor.
        notify: called with a line for the user, from another thread.
        device: to train on; `auto` for the GPU of each machine that has one.
        timeout: seconds to wait for the scheduler.

    Raises:
        InvalidArgument: the package distributed is missing, or no scheduler answers there.
    """
    try:
        import dask  # noqa: PLC0415 - an optional package
        from distributed import Client  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise InvalidArgument(
            "scheduler",
            expected="the package distributed",
            received=str(error),
            next_step="Install it: pip install 'dropstudy[cluster]'.",
        ) from error
    logging.getLogger("distributed.client").setLevel(
        logging.CRITICAL
    )  # what it says of a lost scheduler, we say
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):  # MNIST is 13 MB
        try:
            client: Any = Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InvalidArgument(
                "scheduler",
                expected="the address of a running Dask scheduler, such as tcp://10.0.0.1:8786",
                received=f"{address!r} ({' '.join(str(error).split())[:200]})",
                next_step="Start one with: dask scheduler",
            ) from error
        with client:
            pool = DaskPool(client, allow_mixed=allow_mixed, notify=notify, device=device)
            try:
                yield pool
            finally:
                pool.close()
