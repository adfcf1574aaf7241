"""A generation that is read while it runs."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._library import AGAIN, END, GmChunk, library, sized
from ._request import Request, read_chunk, read_result
from .errors import TimeoutError
from .types import Chunk, Input, Result, Text

if TYPE_CHECKING:
    from .lease import LeaseBase


class StreamBase:
    def __init__(self, lease: LeaseBase, given: Input, options: Mapping[str, Any]) -> None:
        self._lease = lease  # which is given back when it is forgotten, and ends its streams
        self._connection = lease._connection
        self._top = int(options.get("top_logprobs", 0))
        self._chunk = sized(GmChunk)
        self._result: Result | None = None
        self._handle = Request(given, options).send(lease._handle)

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            handle.close()

    def _next(self, timeout_ms: int) -> int:
        with self._handle as pointer:
            return int(library().gm_stream_next(pointer, ctypes.byref(self._chunk), timeout_ms))

    def _take(self) -> Chunk:
        return read_chunk(self._chunk, self._top)

    @property
    def result(self) -> Result:
        """StateError before the end."""
        if self._result is None:
            self._result = read_result(self._handle)
        return self._result

    def cancel(self) -> None:
        """Any thread. What came can still be read; the end follows, Finish.CANCELLED."""
        with self._handle as pointer:
            library().gm_stream_cancel(pointer)

    def _give_up(self) -> None:
        if not self._handle.closed and not self._handle.forked:
            self.cancel()

    def close(self) -> None:
        """Cancels what still runs. Again: nothing."""
        self._handle.close()


class Stream(StreamBase):
    """Chunks, by iteration. A read that Ctrl-C ends cancels the generation; so do close() and the end of a `with`."""

    def next(self, timeout: float | None = None) -> Chunk | None:
        """The next chunk; None at the end. gpumodel.TimeoutError: none came in time, and the generation goes on."""
        try:
            status = self._connection.wait(self._next, timeout)
            chunk = self._take() if status == 0 else None
            self._connection.tell()
        except BaseException as error:
            if not isinstance(error, Exception):
                self._give_up()
            raise
        if status == AGAIN:
            raise TimeoutError("no chunk came in time", code=-4, name="timeout")
        if status == END:
            self._result = read_result(self._handle)
        return chunk

    def read(self) -> Text:
        """All that is still to come."""
        chunks = list(self)
        return Text.of(chunks, self.result)

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        chunk = self.next()
        if chunk is None:
            raise StopIteration
        return chunk

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
