"""A lease: the right to use one model, until it is released."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ._connection import Connection
from ._handle import Handle, check, milliseconds
from ._library import (
    AGAIN, GmLeaseInfo, GmReleaseReport, TokensPointer, library, sized, take_text,
)
from ._request import messages_json, token_array
from .errors import DisconnectedError, ForkedError, LeaseLostError
from .stream import Stream
from .types import Event, EventType, Input, LeaseInfo, LeaseState, Message, Outcome, ReleaseReport, Text

if TYPE_CHECKING:
    from typing import Unpack

    from .types import Options

Hearer = Callable[[Event], object]


class Wishes(TypedDict, total=False):
    """Of a lease, and who hears what becomes of it. A hearer runs inside the calls on the client and its leases."""

    wait: float | None  # seconds that it may queue; 0: now or BusyError; None: as long as the daemon lets it.
    #                     Loading is not counted
    context_tokens: int  # ceiling for prompt plus output; 0: the model's own
    only_if_ready: bool  # never cause a load: BusyError instead
    wait_foreign: bool  # wait for memory that other programs hold, instead of ForeignMemoryError
    on_progress: Hearer | None  # while it queues and loads
    on_suspended: Hearer | None  # the memory of the idle lease was lent to a waiter
    on_resumed: Hearer | None  # and is back
    on_ended: Hearer | None  # it was revoked or lost


class LeaseBase:
    """What a lease is, whoever waits for it."""

    def __init__(self, connection: Connection, handle: Handle, model: str, on_progress: Hearer | None = None,
                 on_suspended: Hearer | None = None, on_resumed: Hearer | None = None,
                 on_ended: Hearer | None = None) -> None:
        self._connection, self._handle, self.model = connection, handle, model
        self._callbacks = {
            EventType.QUEUED: on_progress, EventType.LOADING: on_progress, EventType.SUSPENDED: on_suspended,
            EventType.RESUMED: on_resumed, EventType.LEASE_LOST: on_ended,
        }
        connection.know(self)

    def __repr__(self) -> str:
        return f"<lease on {self.model}{' (closed)' if self._handle.closed else ''}>"

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            handle.close()

    def _hearers(self, kind: EventType) -> list[Hearer | None]:
        return [self._callbacks.get(kind)]

    def _poll(self) -> int:
        with self._handle as pointer:
            return int(library().gm_lease_poll(pointer))

    def _release(self, timeout_ms: int, report: GmReleaseReport) -> int:
        with self._handle as pointer:
            return int(library().gm_lease_release(pointer, timeout_ms, ctypes.byref(report)))

    @property
    def info(self) -> LeaseInfo:
        facts = sized(GmLeaseInfo)
        with self._handle as pointer:
            check(library().gm_lease_get_info(pointer, ctypes.byref(facts)))
        return LeaseInfo(facts.id, facts.epoch, LeaseState(facts.state), facts.context_tokens, facts.model.decode())

    @property
    def state(self) -> LeaseState:
        return LeaseState.ENDED if self._handle.closed else self.info.state

    def close(self) -> None:
        """Gives the lease back without waiting for the memory. Again: nothing."""
        self._handle.close()

    # ---- text tools; they never bring a suspended model back ----

    def _tokenize(self, text: str, timeout: float | None) -> list[int]:
        lib, encoded, limit_ms = library(), text.encode(), milliseconds(timeout, "timeout")
        if not encoded:
            return []
        tokens, count = TokensPointer(), ctypes.c_size_t()
        self._connection.exchange(
            lambda pointer: lib.gm_tokenize(pointer, encoded, len(encoded), limit_ms, ctypes.byref(tokens),
                                            ctypes.byref(count)), handle=self._handle)
        try:
            return list(tokens[:count.value])
        finally:
            lib.gm_free(tokens)

    def _detokenize(self, tokens: Sequence[int], timeout: float | None) -> str:
        lib, array, limit_ms = library(), token_array(tokens), milliseconds(timeout, "timeout")
        out, size = ctypes.c_void_p(), ctypes.c_size_t()
        self._connection.exchange(
            lambda pointer: lib.gm_detokenize(pointer, array, len(tokens), limit_ms, ctypes.byref(out),
                                              ctypes.byref(size)), handle=self._handle)
        return take_text(out, size.value)

    def _render(self, messages: str | Sequence[Message], tools: Sequence[Any] | None,
                template: Mapping[str, Any] | None, timeout: float | None) -> str:
        lib, limit_ms = library(), milliseconds(timeout, "timeout")
        encoded, out = json.dumps(messages_json(messages, tools, template)).encode(), ctypes.c_void_p()
        self._connection.exchange(lambda pointer: lib.gm_render(pointer, encoded, limit_ms, ctypes.byref(out)),
                                  handle=self._handle)
        return take_text(out)


AnyLease = TypeVar("AnyLease", bound=LeaseBase)


def begin(make: Callable[..., AnyLease], connection: Connection, models: Sequence[str], *, wait: float | None = None,
          context_tokens: int = 0, only_if_ready: bool = False, wait_foreign: bool = False,
          **hearers: Hearer | None) -> list[AnyLease]:
    """Pending leases, as Wishes say."""
    handles = connection.begin(models, wait, context_tokens, only_if_ready, wait_foreign)
    return [make(connection, handle, name, **hearers) for handle, name in zip(handles, models, strict=True)]


class Lease(LeaseBase):
    """`with client.lease("concept") as model:`. Any thread may use it."""

    def stream(self, given: Input, **options: Unpack[Options]) -> Stream:
        """A generation, chunk by chunk."""
        return Stream(self, given, options)

    def complete(self, prompt: str | Sequence[int], **options: Unpack[Options]) -> Text:
        """A prompt's continuation, whole."""
        with self.stream(prompt, **options) as stream:
            return stream.read()

    def chat(self, messages: str | Sequence[Message], *, tools: Sequence[Any] | None = None,
             template: Mapping[str, Any] | None = None, **options: Unpack[Options]) -> Text:
        """The answer to messages; a text is what the user says. `template`: other values for the chat template."""
        with self.stream(messages_json(messages, tools, template), **options) as stream:
            return stream.read()

    def tokenize(self, text: str, *, timeout: float | None = 30) -> list[int]:
        return self._tokenize(text, timeout)

    def detokenize(self, tokens: Sequence[int], *, timeout: float | None = 30) -> str:
        return self._detokenize(tokens, timeout)

    def render(self, messages: str | Sequence[Message], *, tools: Sequence[Any] | None = None,
               template: Mapping[str, Any] | None = None, timeout: float | None = 30) -> str:
        """What the model is given for these messages."""
        return self._render(messages, tools, template, timeout)

    def release(self, timeout: float | None = None) -> ReleaseReport | None:
        """Ends the lease and waits for the daemon's answer: the memory is measured free by then. None: not within
        the timeout; the release goes on, and the same call asks again."""
        report = sized(GmReleaseReport)
        status = self._connection.wait(lambda limit_ms: self._release(limit_ms, report), timeout)
        self._connection.tell()
        return None if status == AGAIN else read_report(report)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        leave([self], kind)


def read_report(report: GmReleaseReport) -> ReleaseReport:
    return ReleaseReport(Outcome(report.outcome), report.remaining_leases, report.expected_bytes, report.freed_bytes,
                         report.residual_bytes, report.unload_ms)


@contextmanager
def leaving(lease: LeaseBase, failures: list[Exception]) -> Iterator[None]:
    """Around a release at the end of a `with` block: what is over already is over."""
    try:
        yield
    except (DisconnectedError, LeaseLostError, ForkedError):
        pass
    except Exception as error:
        failures.append(error)
    finally:
        lease.close()


def leave(leases: Sequence[Lease], kind: type[BaseException] | None) -> None:
    """The end of a `with` block; no error hides the block's own."""
    failures: list[Exception] = []
    for lease in leases:
        with leaving(lease, failures):
            if not lease._handle.closed:
                lease.release()
    if failures and kind is None:
        raise failures[0]


class Leases(tuple[Lease, ...]):
    """Several, granted together. `with client.leases("concept", "attribute") as (concept, attribute):`"""

    def release(self) -> list[ReleaseReport | None]:
        return [lease.release() for lease in self]

    def __enter__(self) -> Leases:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        leave(self, kind)
