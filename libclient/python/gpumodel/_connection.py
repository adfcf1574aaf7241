"""One connection: what the blocking client and that of asyncio share."""

from __future__ import annotations

import collections
import ctypes
import functools
import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any

from ._handle import SLICE_MS, Handle, check, last_error, milliseconds
from ._library import (
    AGAIN, INTERRUPTED, ONLY_IF_READY, RETURN_ON_SIGNAL, WAIT_FOREIGN, EventFunction, GmClientOptions, GmLeaseOptions,
    GmModelInfo, c_text, library, sized, take_text,
)
from .errors import InterruptedCallError
from .types import Event, EventType, Model, ModelState

# Done twice they do no more than once, so they are asked again after a signal.
_REPEATABLE = frozenset({"hello", "models", "status", "plan", "why", "events", "prefetch", "metrics", "tokenize",
                         "detokenize", "render", "pin", "drain", "yield.end"})

_APP_BYTES = 64


class Connection:
    def __init__(self, socket: str | None, app: str | None, timeout: float,
                 on_event: Callable[[Event], object] | None) -> None:
        lib = library()
        self._on_event = on_event
        self._news: collections.deque[tuple[int, int, int, float, int, bytes | None]] = collections.deque()
        self._raised: collections.deque[BaseException] = collections.deque()
        self._telling = threading.local()
        self.hearing_thread: int | None = None  #: the only one that callbacks run on; None: any that calls
        self._leases: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._callback = EventFunction(_keeper(self._news, self._raised))
        options = sized(
            GmClientOptions, socket_path=None if socket is None else c_text(socket, "socket"),
            app_name=c_text(_program() if app is None else app, "app") or None,
            timeout_ms=milliseconds(timeout, "timeout"), flags=RETURN_ON_SIGNAL, on_event=self._callback)
        out = ctypes.c_void_p()
        while (status := lib.gm_client_open(ctypes.byref(options), ctypes.byref(out))) == INTERRUPTED:
            pass
        check(status)
        callback = self._callback  # the library calls it for as long as it has the client

        def free(pointer: ctypes.c_void_p) -> None:
            lib.gm_client_close(pointer)
            del callback_of[:]

        callback_of = [callback]
        self.handle = Handle(out, free, "client")

    def __del__(self) -> None:  # nobody refers to the client, a lease or a stream of it any more
        handle = getattr(self, "handle", None)
        if handle is not None:
            handle.close()

    def fileno(self) -> int:
        with self.handle as pointer:
            return int(library().gm_client_fd(pointer))

    def dispatch(self, timeout_ms: int) -> int:
        with self.handle as pointer:
            return int(library().gm_client_dispatch(pointer, timeout_ms))

    def wait(self, call: Callable[[int], int], timeout: float | None = None) -> int:
        """call(timeout_ms) until it has something to say, or GM_AGAIN after the timeout. Between its slices, and at
        once after a signal, Python's signal handlers run, and may raise."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left_ms = SLICE_MS if end is None else max(0, min(SLICE_MS, int((end - time.monotonic()) * 1000 + 0.999)))
            status = call(left_ms)
            self.raise_kept()
            if status == INTERRUPTED:
                continue
            if status != AGAIN or (end is not None and left_ms == 0):
                return self._checked(status)

    def _checked(self, status: int) -> int:
        """As check(); but what came beside the error is told."""
        if status < 0:
            error = last_error(status)
            self.tell()
            raise error
        return status

    def poll_timeout(self) -> int:
        """Milliseconds until dispatch() has something to do whatever the descriptor says; -1: it will say so."""
        with self.handle as pointer:
            return int(library().gm_client_poll_timeout(pointer))

    # ---- events ----

    def know(self, lease: Any) -> None:
        self._leases[lease._handle.address] = lease

    def tell(self) -> None:
        """Runs the program's callbacks for what has come, outside of the library. What they raise is reported as
        what __del__ raises is, but for what is no Exception."""
        self.raise_kept()
        if getattr(self._telling, "now", False) or self.hearing_thread not in (None, threading.get_ident()):
            return
        self._telling.now = True
        try:
            while self._news:
                self._tell_one(*self._news.popleft())
        finally:
            self._telling.now = False

    def raise_kept(self) -> None:
        """What a signal's handler raised inside of the library; such handlers are the main thread's."""
        if self._raised and threading.current_thread() is threading.main_thread():
            error = self._raised.popleft()
            self._raised.clear()
            raise error

    def _tell_one(self, kind: int, address: int, position: int, fraction: float, eta_ms: int,
                  text: bytes | None) -> None:
        try:
            known = EventType(kind)
        except ValueError:
            return  # of a newer library
        lease = self._leases.get(address) if address else None
        event = Event(known, lease, position, fraction, eta_ms, json.loads(text) if text is not None else None)
        hearers = [] if lease is None else lease._hearers(known)
        for hearer in [*hearers, self._on_event]:
            if hearer is None:
                continue
            try:
                hearer(event)
            except Exception as error:
                report_ignored(error, hearer)

    # ---- calls that have only their return ----

    def exchange(self, call: Callable[[ctypes.c_void_p], int], repeatable: bool = True,
                 handle: Handle | None = None) -> None:
        while True:
            with handle or self.handle as pointer:
                status = call(pointer)
            self.raise_kept()
            if status == INTERRUPTED and repeatable:
                continue  # a signal; its handler has run by now, and did not raise
            if status == INTERRUPTED:
                raise InterruptedCallError("a signal came before the daemon's answer; look before you ask again",
                                           code=INTERRUPTED, name="interrupted")
            self._checked(status)
            self.tell()
            return

    def call(self, method: str, params: Any, timeout: float | None) -> Any:
        text = None if params is None else json.dumps(params).encode()
        name, out, limit_ms = c_text(method, "method"), ctypes.c_void_p(), milliseconds(timeout, "timeout")
        self.exchange(lambda pointer: library().gm_call_json(pointer, name, text, limit_ms, ctypes.byref(out)),
                      method in _REPEATABLE)
        return json.loads(take_text(out))

    def subscribe(self, on: bool, timeout: float | None) -> None:
        limit_ms = milliseconds(timeout, "timeout")
        self.exchange(lambda pointer: library().gm_subscribe(pointer, 1 if on else 0, limit_ms))

    def models(self, timeout: float | None) -> list[Model]:
        lib, out, limit_ms = library(), ctypes.c_void_p(), milliseconds(timeout, "timeout")
        self.exchange(lambda pointer: lib.gm_models_get(pointer, limit_ms, ctypes.byref(out)))
        try:
            return [_model_at(out, index) for index in range(lib.gm_models_count(out))]
        finally:
            lib.gm_models_free(out)

    def begin(self, models: Sequence[str], wait: float | None, context_tokens: int, only_if_ready: bool,
              wait_foreign: bool) -> list[Handle]:
        """Pending leases, each in a handle."""
        if isinstance(models, str):
            raise TypeError("give a sequence of names")
        lib, count = library(), len(models)
        names = (ctypes.c_char_p * count)(*[c_text(name, "a model's name") for name in models])
        flags = (ONLY_IF_READY if only_if_ready else 0) | (WAIT_FOREIGN if wait_foreign else 0)
        options = sized(GmLeaseOptions, wait_ms=milliseconds(wait, "wait"), context_tokens=context_tokens, flags=flags)
        out = (ctypes.c_void_p * max(count, 1))()
        try:
            with self.handle as pointer:
                check(lib.gm_lease_begin(pointer, names, count, ctypes.byref(options), out))
            return [Handle(ctypes.c_void_p(address), lib.gm_lease_free, "lease", self.handle) for address in out]
        except BaseException:
            for address in out:
                if address:
                    lib.gm_lease_free(address)
            raise


def _program() -> str:
    """A script's name says more than the interpreter's; "" where there is none."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return "" if name in ("-c", "-m") else name.encode(errors="replace")[:_APP_BYTES].decode(errors="ignore")


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, error: Exception, culprit: object) -> None:
        self.exc_type: type[BaseException] = type(error)
        self.exc_value: BaseException | None = error
        self.exc_traceback: TracebackType | None = error.__traceback__
        self.err_msg: str | None = "Exception ignored in a callback of gpumodel"
        self.object = culprit


def report_ignored(error: Exception, culprit: object) -> None:
    """As what __del__ raises is."""
    sys.unraisablehook(_Unraisable(error, culprit))


def _keeper(news: Any, raised: Any) -> Callable[..., object]:
    """A callback, which runs inside the library, so it only keeps. It knows no client, or none could ever be
    collected.

    Python runs a signal's handler, such as Ctrl-C's, where a function begins, and what is raised there ctypes only
    prints. So the callback is C code down to a generator, which goes on inside of its `try`: max() sends it the
    callback's three arguments one by one."""
    keeping = _keep(news, raised)
    next(keeping)
    return functools.partial(max, key=keeping.send)


def _keep(news: Any, raised: Any) -> Generator[int, Any, None]:
    client = None
    while True:
        try:
            while True:  # inside, so that its jump back is covered as well
                try:
                    given = yield 0
                    if isinstance(given, int):
                        client = given
                    elif given is not None:
                        event = given.contents
                        news.append((event.type, event.lease or 0, event.position, event.fraction, event.eta_ms,
                                     event.json))
                except GeneratorExit:  # nobody refers to it any more
                    return
                except BaseException as error:
                    raised.append(error)
                    library().gm_client_interrupt(client)  # the call that this runs in has nothing to wait for
        except BaseException as error:
            raised.append(error)


def _model_at(models: ctypes.c_void_p, index: int) -> Model:
    info = sized(GmModelInfo)
    check(library().gm_models_at(models, index, ctypes.byref(info)))
    return Model(info.name.decode(), info.architecture.decode(), info.dtype.decode(), info.parameters,
                 info.device_bytes, info.context_tokens, ModelState(info.state), info.leases, info.waiting)
