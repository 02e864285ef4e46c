"""Close idle connections, so that they cannot keep others from being served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

TIMEOUT = 5.0
"""Seconds until a request must be complete, and until the next one after an answer."""

MOST = 256
"""Most connections without a request, of which one more closes the oldest; fewer where few files may be open."""


class Connection(H11Protocol):
    """Uvicorn's connection with a timeout, without which it waits forever for the rest of a request."""

    _waiting: ClassVar[dict[Connection, None]] = {}
    """Connections without a complete request, the oldest first."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the timeout."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self.stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Cancel the timeout once a request is complete."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self.stop_waiting()

    def on_response_complete(self) -> None:
        """Start the timeout of the next request."""
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self.stop_waiting()
        self._waiting[self] = None
        self._deadline = self.loop.call_later(TIMEOUT, self.transport.close)
        if len(self._waiting) > _most():
            oldest = next(iter(self._waiting))
            oldest.stop_waiting()
            oldest.transport.close()

    def stop_waiting(self) -> None:
        """Cancel the timeout."""
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _most() -> int:
    """A quarter of the files that this process may have open: some may have 64."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return MOST
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if limit == resource.RLIM_INFINITY else min(MOST, limit // 4)
