"""A connection to gpumodeld, for programs that block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._connection import Connection
from ._handle import check, milliseconds
from ._library import AGAIN
from .lease import Lease, Leases, begin
from .types import Event, Model

if TYPE_CHECKING:
    from typing import Unpack

    from .lease import Wishes


class Client:
    """One connection; its leases end with it. Any thread may use it. After fork() open another. Leases that are still
    referred to keep a forgotten client open.

    socket: GPUMODEL_SOCKET, or /run/gpumodeld/api.sock. app: the name that gpumodelctl shows, at most 64 bytes; the
    script's. timeout: seconds, for connecting. on_event hears of everything (types.Event), inside the calls on this
    client and its leases; dispatch() is one that does nothing else. What it raises is reported through
    sys.unraisablehook."""

    def __init__(self, socket: str | None = None, *, app: str | None = None, timeout: float = 5,
                 on_event: Callable[[Event], object] | None = None) -> None:
        self._connection = Connection(socket, app, timeout, on_event)

    def lease(self, model: str, **wishes: Unpack[Wishes]) -> Lease:
        """Returns when the model is ready."""
        return self.leases(model, **wishes)[0]

    def leases(self, *models: str, **wishes: Unpack[Wishes]) -> Leases:
        """All of them or none, 1 to 16; a name given twice gives two."""
        return self._settle(Leases(begin(Lease, self._connection, models, **wishes)))

    def _settle(self, pending: Leases) -> Leases:
        def step(limit_ms: int) -> int:
            status = pending[0]._poll()
            if status != AGAIN:
                return status
            status = self._connection.dispatch(limit_ms)
            self._connection.tell()
            return AGAIN if status >= 0 else status

        try:
            self._connection.wait(step)
            self._connection.tell()
        except BaseException:
            for lease in pending:
                lease.close()
            raise
        return pending

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
        status = self._connection.wait(self._connection.dispatch, timeout)
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
