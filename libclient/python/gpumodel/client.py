"""A connection to gpumodeld, for programs that block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._connection import Connection
from ._handle import check, milliseconds, wait
from .lease import Hearer, Lease, Leases
from .types import Event, Model


class Client:
    """One connection; its leases end with it. Any thread may use it. After fork() open another.

    socket: GPUMODEL_SOCKET, or /run/gpumodeld/api.sock. app: the name that gpumodelctl shows. on_event hears of
    everything (types.Event), inside the calls on this client and its leases; dispatch() is one that does nothing
    else. What it raises is reported through sys.unraisablehook."""

    def __init__(self, socket: str | None = None, *, app: str | None = None, timeout: float = 5,
                 on_event: Callable[[Event], object] | None = None) -> None:
        self._connection = Connection(socket, app, timeout, on_event)

    def lease(self, model: str, *, wait: float | None = None, context_tokens: int = 0, only_if_ready: bool = False,
              wait_foreign: bool = False, on_progress: Hearer | None = None, on_suspended: Hearer | None = None,
              on_resumed: Hearer | None = None, on_ended: Hearer | None = None) -> Lease:
        """Returns when the model is ready. wait: seconds that it may queue, 0: now or BusyError; loading is not
        counted. on_progress hears of queueing and loading, on_suspended and on_resumed when the memory of an idle
        lease is lent and comes back, on_ended when the lease is revoked or lost."""
        return self.leases(model, wait=wait, context_tokens=context_tokens, only_if_ready=only_if_ready,
                           wait_foreign=wait_foreign, on_progress=on_progress, on_suspended=on_suspended,
                           on_resumed=on_resumed, on_ended=on_ended)[0]

    def leases(self, *models: str, wait: float | None = None, context_tokens: int = 0, only_if_ready: bool = False,
               wait_foreign: bool = False, on_progress: Hearer | None = None, on_suspended: Hearer | None = None,
               on_resumed: Hearer | None = None, on_ended: Hearer | None = None) -> Leases:
        """All of them or none, 1 to 16; a name given twice gives two."""
        pending = self._begin(models, wait, context_tokens, only_if_ready, wait_foreign, on_progress, on_suspended,
                              on_resumed, on_ended)
        try:
            self._settle(pending)
        except BaseException:
            for lease in pending:
                lease.close()
            raise
        return pending

    def _begin(self, models: Sequence[str], wait_s: float | None, context_tokens: int, only_if_ready: bool,
               wait_foreign: bool, *hearers: Hearer | None) -> Leases:
        handles = self._connection.begin(models, wait_s, context_tokens, only_if_ready, wait_foreign)
        return Leases(Lease(self._connection, handle, name, *hearers)
                      for handle, name in zip(handles, models, strict=True))

    def _settle(self, pending: Leases) -> None:
        def step(limit_ms: int) -> int:
            status = pending[0]._poll()
            if status != 1:
                return status
            status = self._connection.dispatch(limit_ms)
            self._connection.tell()
            return 1 if status >= 0 else status

        wait(step)
        self._connection.tell()

    def models(self, *, timeout: float | None = 30) -> list[Model]:
        return self._connection.models(timeout)

    def status(self, *, timeout: float | None = 30) -> dict[str, Any]:
        """PROTOCOL.md's `status`: devices, weights, models, leases, the queue."""
        result: dict[str, Any] = self.call("status", timeout=timeout)
        return result

    def call(self, method: str, params: dict[str, Any] | None = None, *, timeout: float | None = 30) -> Any:
        """Any method of PROTOCOL.md that call_json serves."""
        return self._connection.call(method, params, timeout)

    def subscribe(self, on: bool = True, *, timeout: float | None = 30) -> None:
        """From now on the daemon's own events reach on_event as EventType.DAEMON."""
        self._connection.subscribe(on, timeout)

    def dispatch(self, timeout: float | None = 0) -> bool:
        """Handles what has come; False: nothing within the timeout."""
        milliseconds(timeout, "timeout")
        status = wait(self._connection.dispatch, timeout)
        self._connection.tell()
        return check(status) == 0

    def fileno(self) -> int:
        """Readable when dispatch() has something to do. For polling only."""
        return self._connection.fileno()

    @property
    def closed(self) -> bool:
        return self._connection.handle.closed

    def close(self) -> None:
        """Releases every lease of the connection without waiting for it. Again: nothing."""
        self._connection.handle.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        handle = getattr(connection, "handle", None)
        if handle is not None:
            handle.close()
