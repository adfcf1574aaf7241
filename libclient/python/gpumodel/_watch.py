"""A connection on an asyncio loop: what waits is looked at when the library's descriptor says that something came."""

from __future__ import annotations

import asyncio
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ._connection import Connection
from .errors import StateError

Found = TypeVar("Found")


class Watch:
    """Of one connection, which it closes, on the loop that runs when it is made."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[Any], Callable[[], Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fd = connection.fileno()
        connection.hearing_thread = threading.get_ident()
        self._loop.add_reader(self._fd, _turn, weakref.ref(self))

    async def until(self, look: Callable[[], Found | None], timeout: float | None = None) -> Found | None:
        """What look() finds, or raises; None after the timeout (seconds). look() must not block."""
        if asyncio.get_running_loop() is not self._loop:
            raise StateError("the client was opened on another event loop; open one on this loop", code=-6,
                             name="state")
        try:
            found = look()
            if found is None:
                return await self._wait(look, timeout)
        finally:  # look() may have read what others wait for
            self.connection.tell()
            self._arm()
        await asyncio.sleep(0)  # others have their turn, and a cancellation its chance, however fast this is
        return found

    async def _wait(self, look: Callable[[], Found | None], timeout: float | None) -> Found | None:
        future: asyncio.Future[Found | None] = self._loop.create_future()
        self._waiting[future] = look
        limit = None if timeout is None else self._loop.call_later(timeout, _give, future, None)
        self._arm()
        try:
            return await future
        except BaseException:  # whoever gives up may owe the daemon a word
            self._loop.call_soon(_turn, weakref.ref(self))
            raise
        finally:
            del self._waiting[future]
            if limit is not None:
                limit.cancel()

    def turn(self) -> None:
        """Takes what came, and looks. An ended connection shows in what is looked at."""
        if self.connection.handle.closed:
            return
        self.connection.dispatch(0)
        self._look()
        self.connection.tell()
        self._arm()

    def _look(self) -> None:
        for future, look in list(self._waiting.items()):
            try:
                found = None if future.done() else look()
            except Exception as error:
                future.set_exception(error)
            else:
                if found is not None:
                    _give(future, found)

    def _arm(self) -> None:
        """For what the descriptor does not tell."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.connection.handle.closed:
            left_ms = self.connection.poll_timeout()
            if left_ms >= 0:
                self._timer = self._loop.call_later(left_ms / 1000, _turn, weakref.ref(self))

    def close(self) -> None:
        """On the loop's thread. What waits meets with the closed connection."""
        if not self.connection.handle.closed:
            _close(self._loop, self._fd, self.connection)
            self._arm()
            self._look()

    def __del__(self) -> None:  # on whatever thread the garbage collector runs
        connection = getattr(self, "connection", None)
        if connection is None or connection.handle.closed or not hasattr(self, "_fd"):
            return
        warnings.warn("a client of gpumodel.aio was not closed", ResourceWarning, source=self)
        if self._loop.is_closed() or _running_loop() is self._loop:
            _close(self._loop, self._fd, connection)
        else:
            self._loop.call_soon_threadsafe(_close, self._loop, self._fd, connection)


def _close(loop: asyncio.AbstractEventLoop, fd: int, connection: Connection) -> None:
    if not loop.is_closed():
        loop.remove_reader(fd)
    connection.handle.close()


def _turn(watch: weakref.ref[Watch]) -> None:
    """The loop knows only this, or no client could ever be collected."""
    if (found := watch()) is not None:
        found.turn()


def _give(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
