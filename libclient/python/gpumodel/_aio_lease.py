"""Leases and generations on an asyncio loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ._connection import Connection
from ._handle import Handle, check
from ._library import AGAIN, GmReleaseReport, sized
from ._request import messages_json, read_result, token_array
from ._watch import Watch
from .errors import StateError, TimeoutError
from .lease import Hearer, LeaseBase, leaving, read_report
from .stream import StreamBase
from .types import Chunk, Input, Message, ReleaseReport, Result, Text

if TYPE_CHECKING:
    from typing import Unpack

    from .types import Options

Answer = TypeVar("Answer")


class Reports:
    """A second connection, for calls that have only their return: a thread that waits on the first one would read
    there what the loop waits for."""

    def __init__(self, open_: Callable[[], Coroutine[Any, Any, Connection]]) -> None:
        self._open, self._opening = open_, asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False

    async def ask(self, ask: Callable[[Connection], Answer]) -> Answer:
        async with self._opening:
            if self._closed:
                raise StateError("the client is closed", code=-6, name="state")
            if self._connection is None:
                self._connection = await self._open()
        return await asyncio.to_thread(ask, self._connection)

    def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._connection.handle.close()


class Stream(StreamBase):
    """Chunks, by `async for`. A read that is cancelled cancels the generation; so do close() and the end of an
    `async with`. One task reads a stream."""

    def __init__(self, lease: Lease, given: Input, options: Mapping[str, Any]) -> None:
        self._watch = lease._watch
        super().__init__(lease, given, options)

    def _look(self) -> Chunk | Result | None:
        status = check(self._next(0))
        if status == AGAIN:
            return None
        return self._take() if status == 0 else read_result(self._handle)

    async def next(self, timeout: float | None = None) -> Chunk | None:
        """The next chunk; None at the end. gpumodel.TimeoutError: none came in time, and the generation goes on."""
        try:
            found: Chunk | Result | None = await self._watch.until(self._look, timeout)
        except asyncio.CancelledError:
            self._give_up()
            raise
        if found is None:
            raise TimeoutError("no chunk came in time", code=-4, name="timeout")
        if isinstance(found, Result):
            self._result = found
            return None
        return found

    async def read(self) -> Text:
        """All that is still to come."""
        chunks = [chunk async for chunk in self]
        return Text.of(chunks, self.result)

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        chunk = await self.next()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Lease(LeaseBase):
    """`async with client.lease("concept") as model:`. For the tasks of one loop."""

    def __init__(self, watch: Watch, reports: Reports, connection: Connection, handle: Handle, model: str,
                 **hearers: Hearer | None) -> None:
        self._watch, self._reports = watch, reports
        super().__init__(connection, handle, model, **hearers)

    def stream(self, given: Input, **options: Unpack[Options]) -> Stream:
        """A generation, chunk by chunk."""
        return Stream(self, given, options)

    async def complete(self, prompt: str | Sequence[int], **options: Unpack[Options]) -> Text:
        """A prompt's continuation, whole."""
        async with self.stream(prompt, **options) as stream:
            return await stream.read()

    async def chat(self, messages: str | Sequence[Message], *, tools: Sequence[Any] | None = None,
                   template: Mapping[str, Any] | None = None, **options: Unpack[Options]) -> Text:
        """The answer to messages; a text is what the user says. `template`: other values for the chat template."""
        async with self.stream(messages_json(messages, tools, template), **options) as stream:
            return await stream.read()

    async def tokenize(self, text: str, *, timeout: float | None = 30) -> list[int]:
        tokens: list[int] = (await self._ask("tokenize", {"text": text}, timeout))["tokens"]
        return tokens

    async def detokenize(self, tokens: Sequence[int], *, timeout: float | None = 30) -> str:
        return str((await self._ask("detokenize", {"tokens": list(token_array(tokens))}, timeout))["text"])

    async def render(self, messages: str | Sequence[Message], *, tools: Sequence[Any] | None = None,
                     template: Mapping[str, Any] | None = None, timeout: float | None = 30) -> str:
        """What the model is given for these messages."""
        encoded = json.dumps(messages_json(messages, tools, template))
        return str((await self._ask("render", {"messages_json": encoded}, timeout))["text"])

    async def _ask(self, method: str, params: dict[str, Any], timeout: float | None) -> Any:
        self.info  # StateError where it is closed
        return await self._reports.ask(lambda to: to.call(method, {"model": self.model, **params}, timeout))

    async def release(self, timeout: float | None = None) -> ReleaseReport | None:
        """Ends the lease and waits for the daemon's answer: the memory is measured free by then. None: not within
        the timeout, or cancelled; the release goes on, and the same call asks again."""
        report = sized(GmReleaseReport)
        return await self._watch.until(lambda: self._look_released(report), timeout)

    def _look_released(self, report: GmReleaseReport) -> ReleaseReport | None:
        return None if check(self._release(0, report)) == AGAIN else read_report(report)

    async def __aenter__(self) -> Lease:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await leave([self], kind)


class Leases(tuple[Lease, ...]):
    """Several, granted together. `async with client.leases("concept", "attribute") as (concept, attribute):`"""

    async def release(self) -> list[ReleaseReport | None]:
        return [await lease.release() for lease in self]

    async def __aenter__(self) -> Leases:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await leave(self, kind)


async def leave(leases: Sequence[Lease], kind: type[BaseException] | None) -> None:
    """The end of an `async with` block; no error hides the block's own."""
    failures: list[Exception] = []
    for lease in leases:
        with leaving(lease, failures):
            if not lease._handle.closed:
                await lease.release()
    if failures and kind is None:
        raise failures[0]
