"""Handles that are freed once and never under another thread's call; statuses that become exceptions; time."""

from __future__ import annotations

import ctypes
import json
import os
import threading
from collections.abc import Callable
from typing import Any

from ._library import GmError, library, sized, take_text
from .errors import BY_CODE, Error, ForkedError, StateError

# A signal that comes between the interpreter's last look and the C call's sleep is seen this much later.
SLICE_MS = 200
LONGEST_MS = 2**31 - 1


class Handle:
    """A C handle. `with handle as pointer:` around each call on it."""

    def __init__(self, pointer: ctypes.c_void_p, free: Callable[[ctypes.c_void_p], object], what: str,
                 owner: Handle | None = None) -> None:
        self._pointer, self._free, self._what = pointer, free, what
        self._owner = owner  # whatever the pointer's callbacks need lives as long as this
        self._lock = threading.RLock()  # a signal's handler may close what its thread is counting
        self._users, self._closed, self._pid = 0, False, os.getpid()

    @property
    def address(self) -> int:
        return self._pointer.value or 0

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def forked(self) -> bool:
        return self._pid != os.getpid()

    def __enter__(self) -> ctypes.c_void_p:
        if self.forked:  # the lock may be another thread's of the parent for ever
            raise ForkedError(f"the {self._what} was opened before fork(); open a client in this process",
                              code=-7, name="forked")
        with self._lock:
            if self._closed:
                raise StateError(f"the {self._what} is closed", code=-6, name="state")
            self._users += 1
        return self._pointer

    def __exit__(self, *_: object) -> None:
        if self.forked:
            return
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._free(self._pointer)

    def close(self) -> None:
        """Frees it, now or when the last call on it returns. Again: nothing."""
        if self.forked:
            if not self._closed:
                self._closed = True
                self._free(self._pointer)
            return
        with self._lock:
            last = not self._closed and self._users == 0
            self._closed = True
        if last:
            self._free(self._pointer)


def last_error(status: int) -> Error:
    """The exception for a status below zero that a call of this thread just gave."""
    lib = library()
    brief, text = sized(GmError), ctypes.c_void_p()
    lib.gm_last_error(ctypes.byref(brief))
    if brief.status != status or lib.gm_last_error_json(ctypes.byref(text)) != 0:
        message = lib.gm_status_text(status).decode()
        return BY_CODE.get(status, Error)(message, code=status, name=lib.gm_status_name(status).decode())
    facts: dict[str, Any] = json.loads(take_text(text))
    return BY_CODE.get(status, Error)(
        facts.get("message") or "", code=status, name=facts.get("name") or "", detail=facts.get("detail"),
        retryable=bool(facts.get("retryable")), retry_after_ms=facts.get("retry_after_ms"),
        sys_errno=brief.sys_errno)


def check(status: int) -> int:
    if status < 0:
        raise last_error(status)
    return status


def milliseconds(seconds: float | None, what: str) -> int:
    """For the library: None waits for ever."""
    if seconds is None:
        return -1
    if not seconds >= 0:
        raise ValueError(f"{what} is {seconds}; give seconds, 0 or more, or None")
    return min(int(seconds * 1000 + 0.5), LONGEST_MS)
