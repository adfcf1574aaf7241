"""gpumodel for asyncio: the same calls, awaited.

    async with aio.Client() as client, client.lease("concept") as model:
        print(await model.chat("Name three entities of a shop."))
        async for chunk in model.stream("Once upon a time"):
            print(chunk, end="", flush=True)

Leases, generations and releases wait on the library's descriptor: no thread, no polling. To cancel a task gives up
the wait for a lease, and ends the generation that it waits for. Opening a connection, and what asks the daemon
beside the leases (models, status, call, and a lease's text tools), can only block in the library, and so run in the
loop's executor, the latter on a second connection that the first of them opens.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._aio_lease import Lease, Leases, Reports, Stream
from ._connection import Connection
from ._handle import check, milliseconds
from ._library import AGAIN
from ._watch import Watch
from .errors import StateError
from .lease import begin
from .types import Event, Model

if TYPE_CHECKING:
    from typing import Unpack

    from .lease import Wishes

__all__ = ["Client", "Lease", "Leases", "Stream"]

Answer = TypeVar("Answer")
Granted = TypeVar("Granted", Lease, Leases)


class Acquiring(Generic[Granted]):
    """A lease on its way: `await` it, or enter it by `async with`. Once."""

    def __init__(self, acquire: Callable[[], Coroutine[Any, Any, Granted]]) -> None:
        self._acquire: Callable[[], Coroutine[Any, Any, Granted]] = acquire
        self._granted: Granted | None = None

    def __await__(self) -> Generator[Any, Any, Granted]:
        return self._acquire().__await__()

    async def __aenter__(self) -> Granted:
        self._granted = await self._acquire()
        return self._granted

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._granted is not None:
            await self._granted.__aexit__(kind, error, trace)


class Client:
    """One connection, opened by `async with` or open(); its leases end with it. It belongs to the loop that it was
    opened on. The arguments are those of gpumodel.Client; on_event is called on the loop."""

    def __init__(self, socket: str | None = None, *, app: str | None = None, timeout: float = 5,
                 on_event: Callable[[Event], object] | None = None) -> None:
        milliseconds(timeout, "timeout")
        self._connect = functools.partial(Connection, socket, app, timeout)
        self._on_event = on_event
        self._watch: Watch | None = None
        self._reports = Reports(functools.partial(_in_executor, functools.partial(self._connect, None)))

    async def open(self) -> Client:
        if self._watch is not None:
            raise StateError("the client was opened before; make another one", code=-6, name="state")
        self._watch = Watch(await _in_executor(functools.partial(self._connect, self._on_event)))
        return self

    def lease(self, model: str, **wishes: Unpack[Wishes]) -> Acquiring[Lease]:
        """Awaited, or entered: granted when the model is ready."""

        async def acquire() -> Lease:
            return (await self._acquire([model], **wishes))[0]

        return Acquiring(acquire)

    def leases(self, *models: str, **wishes: Unpack[Wishes]) -> Acquiring[Leases]:
        """All of them or none, 1 to 16; a name given twice gives two."""
        return Acquiring(lambda: self._acquire(models, **wishes))

    async def _acquire(self, models: Sequence[str], **wishes: Unpack[Wishes]) -> Leases:
        watch = self._opened()
        make = functools.partial(Lease, watch, self._reports)
        pending = Leases(begin(make, watch.connection, models, **wishes))
        try:
            await watch.until(lambda: None if check(pending[0]._poll()) == AGAIN else pending)
        except BaseException:
            for lease in pending:
                lease.close()
            raise
        return pending

    async def models(self, *, timeout: float | None = 30) -> list[Model]:
        return await self._ask(lambda reports: reports.models(timeout))

    async def status(self, *, timeout: float | None = 30) -> dict[str, Any]:
        """PROTOCOL.md's `status`: devices, weights, models, leases, the queue."""
        result: dict[str, Any] = await self.call("status", timeout=timeout)
        return result

    async def call(self, method: str, params: dict[str, Any] | None = None, *, timeout: float | None = 30) -> Any:
        """Any method of PROTOCOL.md that call_json serves. A task that is cancelled leaves the call to its end."""
        return await self._ask(lambda reports: reports.call(method, params, timeout))

    async def subscribe(self, on: bool = True, *, timeout: float | None = 30) -> None:
        """From now on the daemon's own events reach on_event as EventType.DAEMON."""
        watch = self._opened()
        try:
            await asyncio.to_thread(watch.connection.subscribe, on, timeout)
        finally:
            watch.turn()  # for what that thread read

    async def _ask(self, ask: Callable[[Connection], Answer]) -> Answer:
        self._opened()
        return await self._reports.ask(ask)

    def _opened(self) -> Watch:
        if self._watch is None:
            raise StateError("the client is not open yet: use `async with`, or await open()", code=-6, name="state")
        return self._watch

    @property
    def closed(self) -> bool:
        return self._watch is not None and self._watch.connection.handle.closed

    def close(self) -> None:
        """Releases every lease of the connection without waiting for it. Again: nothing."""
        self._reports.close()
        if self._watch is not None:
            self._watch.close()

    async def __aenter__(self) -> Client:
        return self if self._watch is not None else await self.open()

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def _in_executor(connect: Callable[[], Connection]) -> Connection:
    """A connection that opens when nobody waits any more is closed."""
    opening = asyncio.get_running_loop().run_in_executor(None, connect)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Future[Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().handle.close()
