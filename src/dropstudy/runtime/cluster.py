"""Workers of a Dask cluster as a `WorkerPool`; and a pool out of whatever the caller has."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import remote
from dropstudy.runtime.executor import RemotePool, host_of
from dropstudy.runtime.messages import run_names
from dropstudy.runtime.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from dropstudy.core.types import Run
    from dropstudy.runtime.executor import Call
    from dropstudy.runtime.machines import Machine
    from dropstudy.runtime.remote import Reply

_RECONNECT_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 5.0
_LOOK_INTERVAL = 0.5
_TLS = ("ca-file", "client.cert", "client.key")
"""Settings of Dask that name the files of a client."""


class DaskPool(RemotePool):
    """Workers of a Dask scheduler. They may come and go; Dask itself repeats a task whose worker died.

    Args:
        client: of the scheduler.
        executor: of the client; its options stay.
        device: as for `RemotePool`; likewise `allow_mixed` and `notify`.
        allow_mixed: see there.
        notify: see there.
    """

    def __init__(
        self,
        client: Any,
        executor: Executor,
        *,
        device: str = "auto",
        allow_mixed: bool = False,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._scheduler: str = client.scheduler.address
        self._avoided: set[str] = set()
        self._tasks: dict[str, list[str]] = {}  # keys of the tasks that each worker has, by its address
        self._looked_at = -_LOOK_INTERVAL
        self._known: int | None = None  # workers that the user knows of
        # Runs that lost their worker, and its machine.
        self._left: SimpleQueue[tuple[str, Run]] = SimpleQueue()
        super().__init__(executor, 0, device=device, allow_mixed=allow_mixed, notify=notify)
        self._subscribe()

    @property
    def count(self) -> int:
        """Number of workers that are there now, or 1."""
        return max(1, len(self._look()))

    def kill(self, future: Future[Any]) -> None:
        """Give a call up, and give its worker no other one."""
        if (call := self._calls.get(future)) is not None and (address := self._worker_of(call)):
            self._avoid(address)
        super().kill(future)

    def machines(self) -> tuple[Machine, ...]:
        """Machines with their workers, and what each trains, at this moment; tells the user of workers that left."""
        self._looked_at = -_LOOK_INTERVAL
        calls = {call.key: call for call in list(self._calls.values())}
        found = {each.name: each for each in super().machines()}
        for address, keys in self._look().items():
            name = self._name(address)
            runs = [run for key in keys if key in calls for run in calls[key].runs]
            before = found.get(name) or self._machine(name)
            found[name] = replace(before, workers=(before.workers or 0) + 1, runs=(*before.runs, *runs))
        self._tell_of_losses()
        return tuple(each if each.workers else replace(each, workers=0) for each in found.values())

    def close(self) -> None:
        """Give all calls up, and end what is trained for them."""
        super().close()
        ending = threading.Thread(target=self._stop, daemon=True)
        ending.start()
        ending.join(_STOP_TIMEOUT)  # a worker that is stopped does not answer

    # Inside

    def _stop(self) -> None:
        with suppress(Exception):  # a cluster that is gone trains nothing
            self._client.unsubscribe_topic("all")
            self._client.run(remote.stop, on_error="ignore")

    def _submit(self, call: Call, function: Callable[..., Reply], *args: Any) -> Future[Reply]:
        call.key = f"dropstudy-{uuid4()}"
        allowed = (
            [address for address in self._tasks if address not in self._avoided] if self._avoided else []
        )
        where = {"workers": allowed} if allowed else {}
        # `pure` would make a call that failed fail again, without a worker.
        return self._executor.submit(function, *args, key=call.key, pure=False, **where)

    def _on_error(self, call: Call, error: Exception) -> None:
        from distributed.scheduler import KilledWorker  # noqa: PLC0415 - an optional package

        if isinstance(error, KilledWorker):
            times, last = error.allowed_failures + 1, self._name(error.last_worker.address)
            error = BrokenExecutor(f"{times} workers died while they had it, the last one on {last}")
            self._end(call, error=error)  # each was counted when it left
        else:
            super()._on_error(call, error)

    def _avoid(self, address: str) -> None:
        self._avoided.add(address)

    def _name(self, address: str) -> str:
        """Name of the machine of a worker; its address until it has answered."""
        host = host_of(address)
        return self._names.get(host, host)

    def _worker_of(self, call: Call) -> str:
        """Address of the worker that has a call; empty if none has."""
        return next((address for address, keys in self._tasks.items() if call.key in keys), "")

    def _machine_of(self, call: Call) -> str:
        address = self._worker_of(call)
        return self._name(address) if address else super()._machine_of(call)

    def _look(self) -> dict[str, list[str]]:
        """Tasks of each worker, by its address; at most half a second old while the scheduler answers."""
        if self._client.status == "running" and time.monotonic() - self._looked_at >= _LOOK_INTERVAL:
            with suppress(OSError):  # the connection has just broken: `_wait_for_workers` waits for it
                self._tasks = self._client.processing()
                self._looked_at = time.monotonic()
                self._on_look()
        return self._tasks

    def _on_look(self) -> None:
        begun = {key for keys in self._tasks.values() for key in keys}
        for call in list(self._calls.values()):
            call.future.has_worker = call.key in begun
        now, before = len(self._tasks), self._known
        self._known = now
        if now == 0 and before != 0:
            self._notify("The scheduler has no worker. Training goes on once one has joined.")
        elif before is not None and (now < before or before == 0):
            self._notify(f"{counted(now, 'worker')} now, {before} before.")

    def _subscribe(self) -> None:
        """Hear of workers that leave, and what they had."""
        self._client.subscribe_topic("all", lambda event: self._answers.submit(self._on_event, event[1]))

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("action") == "remove-worker":
            lost, name = event["processing-tasks"] | event["lost-computed-tasks"], self._name(event["worker"])
            for run in (run for call in list(self._calls.values()) if call.key in lost for run in call.runs):
                self._lost[name] += 1
                self._left.put((name, run))

    def _tell_of_losses(self) -> None:
        left: dict[str, list[Run]] = {}
        while not self._left.empty():
            name, run = self._left.get()
            left.setdefault(name, []).append(run)
        for name, runs in left.items():
            it = "it" if len(runs) == 1 else "they"
            self._notify(f"{name} lost a worker while it trained {run_names(runs)}; {it} is given again.")

    def _wait_for_workers(self) -> None:
        lost_at = None
        while self._client.status != "running" or not self._look():
            if self._client.status == "running":
                lost_at = None
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
    """A worker pool out of an executor, while the `with` statement lasts; a pool, or None, stays as it is.

    Args:
        executor: an executor, a pool or None.
        workers: number of workers of an executor that cannot be asked.
        device: to train on, for an executor.
        notify: called with a line for the user, also by a pool of `connect`.
    """
    if isinstance(executor, RemotePool):
        with executor.notifying(notify):
            yield executor
        return
    if executor is None or isinstance(executor, WorkerPool):
        yield executor
        return
    with ExitStack() as stack:
        pool: RemotePool
        if (client := _client_of(executor)) is None:
            pool = RemotePool(executor, workers, device=device, notify=notify)
        else:
            stack.enter_context(_quiet())
            pool = DaskPool(client, executor, device=device, notify=notify)
        stack.callback(pool.close)
        yield pool


def _client_of(executor: Executor) -> Any:
    """Client of an executor that Dask's `Client.get_executor` has made; else None."""
    module = sys.modules.get("distributed.cfexecutor")
    return executor._client if module and isinstance(executor, module.ClientExecutor) else None  # noqa: SLF001


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from saying what we say, warning of arrays of usual size (MNIST: 13 MB), and keeping sent tasks."""
    import dask  # noqa: PLC0415 - an optional package

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    settings = {"large-graph-warning-threshold": "1 GB", "low-level-log-length": 0}
    with dask.config.set({f"distributed.admin.{name}": value for name, value in settings.items()}):
        yield


async def _reach(address: str, seconds: float) -> None:
    """Connect to a scheduler, and leave it."""
    from distributed import Security  # noqa: PLC0415 - an optional package
    from distributed.comm.core import connect  # noqa: PLC0415 - likewise

    how = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    await (await connect(address, timeout=seconds, **how)).close()  # type: ignore[no-untyped-call]


def _not_connected(address: str, error: Exception) -> InvalidArgument:
    silent = "Timed out" in str(error)
    if silent or not address.startswith("tls:"):
        cause = str(error) if isinstance(error, ValueError) else "the connection was closed"
        return InvalidArgument(
            "scheduler",
            expected="the address of a running Dask scheduler, such as tcp://10.0.0.1:8786",
            received=f"{address!r} ({'nothing answers' if silent else cause})",
            next_step="Start one with: dask scheduler; where it uses TLS, its address begins with tls://",
        )
    import dask  # noqa: PLC0415 - an optional package

    files = {name: dask.config.get(f"distributed.comm.tls.{name}") for name in _TLS}
    missing = [
        f"{name}: {path or 'not set'}" for name, path in files.items() if not Path(path or "").is_file()
    ]
    received = f"no file for {', '.join(missing)}" if missing else "others, or no TLS there"
    return InvalidArgument(
        "scheduler",
        expected="a scheduler with TLS, and certificates of the same authority in Dask's configuration",
        received=f"{address!r} and {received}",
        next_step=f"The variables {', '.join(map(_tls_variable, _TLS))} name the files.",
    )


def _tls_variable(name: str) -> str:
    """Environment variable from which Dask reads a setting."""
    return f"DASK_DISTRIBUTED__COMM__TLS__{name.upper().replace('.', '__').replace('-', '_')}"


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
        InvalidArgument: the package distributed is missing, or no scheduler answers there, or not with these
            certificates.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise InvalidArgument(
            "scheduler",
            expected="the package distributed",
            received=str(error),
            next_step="Install it: pip install 'dropstudy[cluster]'.",
        ) from error
    with _quiet():
        try:
            # A client that failed to start cannot be closed: try before.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, _reach(address, timeout)).result()
            client: Any = Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError) as error:
            raise _not_connected(address, error) from error
        with client:
            executor = client.get_executor()
            pool = DaskPool(client, executor, allow_mixed=allow_mixed, notify=notify, device=device)
            try:
                yield pool
            finally:
                pool.close()
