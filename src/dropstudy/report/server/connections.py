"""Close idle connections, so that they cannot keep others from being served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

PATIENCE = 5.0
"""Seconds in which a request must have come whole, and after an answer the next one."""

MOST = 16
"""Connections without a request that are kept; one more closes the oldest. A process may have 64 descriptors alone."""


class Connection(H11Protocol):
    """Uvicorn's connection, which by itself waits for ever for the rest of a request."""

    _waiting: ClassVar[dict[Connection, None]] = {}
    """Connections without a whole request, the oldest first."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Wait for a request, for a while."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request is whole."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self.stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self.stop_waiting()
        self._waiting[self] = None
        self._deadline = self.loop.call_later(PATIENCE, self.transport.close)
        if len(self._waiting) > MOST:
            oldest = next(iter(self._waiting))
            oldest.stop_waiting()
            oldest.transport.close()

    def stop_waiting(self) -> None:
        """Stop the clock."""
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
