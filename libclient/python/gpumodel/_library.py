"""libgpumodel.so.1 as ctypes sees it: the structs and prototypes of gpumodel.h, and the finding of the library."""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64,
    c_void_p,
)
from typing import Any

from .errors import LibraryNotFoundError

WAIT_FOREVER = -1
OK, AGAIN, END = 0, 1, 2
INTERRUPTED = -5
RETURN_ON_SIGNAL = 1
ONLY_IF_READY, WAIT_FOREIGN = 1, 2

TokensPointer = POINTER(c_int32)
FloatsPointer = POINTER(c_float)


class GmError(Structure):
    _fields_ = [("struct_size", c_size_t), ("status", c_int32), ("sys_errno", c_int32), ("retryable", c_uint32),
                ("retry_after_ms", c_uint32), ("message", c_char * 512)]


class GmEvent(Structure):
    _fields_ = [("struct_size", c_size_t), ("type", c_uint32), ("lease", c_void_p), ("position", c_uint32),
                ("fraction", c_float), ("eta_ms", c_uint32), ("json", c_char_p)]


EventFunction = CFUNCTYPE(None, c_void_p, POINTER(GmEvent), c_void_p)


class GmClientOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("socket_path", c_char_p), ("app_name", c_char_p), ("timeout_ms", c_int32),
                ("flags", c_uint32), ("on_event", EventFunction), ("user", c_void_p)]


class GmModelInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("architecture", c_char_p), ("dtype", c_char_p),
                ("parameters", c_uint64), ("device_bytes", c_uint64), ("context_tokens", c_uint32),
                ("state", c_uint32), ("leases", c_uint32), ("waiting", c_uint32)]


class GmLeaseOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("wait_ms", c_int32), ("context_tokens", c_uint32), ("flags", c_uint32)]


class GmLeaseInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("id", c_uint64), ("epoch", c_uint64), ("state", c_uint32),
                ("context_tokens", c_uint32), ("model", c_char_p)]


class GmReleaseReport(Structure):
    _fields_ = [("struct_size", c_size_t), ("outcome", c_uint32), ("remaining_leases", c_uint32),
                ("expected_bytes", c_uint64), ("freed_bytes", c_uint64), ("residual_bytes", c_uint64),
                ("unload_ms", c_uint32)]


class GmLogitBias(Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


class GmRequest(Structure):
    _fields_ = [("struct_size", c_size_t), ("prompt", c_char_p), ("prompt_len", c_size_t), ("messages", c_void_p),
                ("message_count", c_size_t), ("messages_json", c_char_p), ("tokens", TokensPointer),
                ("token_count", c_size_t), ("max_tokens", c_int32), ("temperature", c_float), ("top_p", c_float),
                ("top_k", c_int32), ("min_p", c_float), ("repetition_penalty", c_float),
                ("presence_penalty", c_float), ("frequency_penalty", c_float), ("logit_bias", POINTER(GmLogitBias)),
                ("logit_bias_count", c_size_t), ("seed", c_int64), ("stop", POINTER(c_char_p)),
                ("stop_count", c_size_t), ("json_schema", c_char_p), ("regex", c_char_p), ("grammar", c_char_p),
                ("logprobs", c_uint32), ("top_logprobs", c_uint32), ("ignore_eos", c_uint32),
                ("deadline_ms", c_uint32)]


class GmResult(Structure):
    _fields_ = [("struct_size", c_size_t), ("finish", c_uint32), ("prompt_tokens", c_uint32),
                ("cached_tokens", c_uint32), ("output_tokens", c_uint32), ("text_len", c_size_t), ("seed", c_int64),
                ("queue_us", c_uint64), ("first_token_us", c_uint64), ("total_us", c_uint64)]


class GmChunk(Structure):
    _fields_ = [("struct_size", c_size_t), ("text", c_void_p), ("text_len", c_size_t), ("tokens", TokensPointer),
                ("logprobs", FloatsPointer), ("token_count", c_size_t), ("top_tokens", TokensPointer),
                ("top_logprobs", FloatsPointer)]


_STATUS = c_int32
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "gm_version": (c_uint32, []),
    "gm_status_name": (c_char_p, [c_int32]),
    "gm_status_text": (c_char_p, [c_int32]),
    "gm_last_error": (_STATUS, [POINTER(GmError)]),
    "gm_last_error_json": (_STATUS, [POINTER(c_void_p)]),
    "gm_free": (None, [c_void_p]),
    "gm_client_open": (_STATUS, [POINTER(GmClientOptions), POINTER(c_void_p)]),
    "gm_client_close": (None, [c_void_p]),
    "gm_client_interrupt": (None, [c_void_p]),
    "gm_client_fd": (c_int, [c_void_p]),
    "gm_client_poll_timeout": (c_int, [c_void_p]),
    "gm_client_dispatch": (_STATUS, [c_void_p, c_int32]),
    "gm_models_get": (_STATUS, [c_void_p, c_int32, POINTER(c_void_p)]),
    "gm_models_count": (c_size_t, [c_void_p]),
    "gm_models_at": (_STATUS, [c_void_p, c_size_t, POINTER(GmModelInfo)]),
    "gm_models_free": (None, [c_void_p]),
    "gm_call_json": (_STATUS, [c_void_p, c_char_p, c_char_p, c_int32, POINTER(c_void_p)]),
    "gm_subscribe": (_STATUS, [c_void_p, c_uint32, c_int32]),
    "gm_lease_begin": (_STATUS, [c_void_p, POINTER(c_char_p), c_size_t, POINTER(GmLeaseOptions), POINTER(c_void_p)]),
    "gm_lease_poll": (_STATUS, [c_void_p]),
    "gm_lease_get_info": (_STATUS, [c_void_p, POINTER(GmLeaseInfo)]),
    "gm_lease_release": (_STATUS, [c_void_p, c_int32, POINTER(GmReleaseReport)]),
    "gm_lease_free": (None, [c_void_p]),
    "gm_request_init": (None, [POINTER(GmRequest), c_size_t]),
    "gm_generate": (_STATUS, [c_void_p, POINTER(GmRequest), POINTER(c_void_p)]),
    "gm_stream_next": (_STATUS, [c_void_p, POINTER(GmChunk), c_int32]),
    "gm_stream_cancel": (_STATUS, [c_void_p]),
    "gm_stream_result": (_STATUS, [c_void_p, POINTER(GmResult)]),
    "gm_stream_free": (None, [c_void_p]),
    "gm_render": (_STATUS, [c_void_p, c_char_p, c_int32, POINTER(c_void_p)]),
    "gm_tokenize": (_STATUS, [c_void_p, c_char_p, c_size_t, c_int32, POINTER(TokensPointer), POINTER(c_size_t)]),
    "gm_detokenize": (_STATUS, [c_void_p, TokensPointer, c_size_t, c_int32, POINTER(c_void_p), POINTER(c_size_t)]),
}

_library: ctypes.CDLL | None = None


def library() -> ctypes.CDLL:
    """The library, loaded by the first call. LibraryNotFoundError says where it was looked for."""
    global _library
    if _library is None:
        _library = _load(os.environ.get("GPUMODEL_LIBRARY") or "libgpumodel.so.1")
    return _library


def _load(name: str) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(name)
        for function, (result, arguments) in _PROTOTYPES.items():
            entry = getattr(loaded, function)
            entry.restype, entry.argtypes = result, arguments
    except OSError as error:
        raise LibraryNotFoundError(
            f"cannot load {name} ({error}); install the package libgpumodel1, or name the library's file in "
            "GPUMODEL_LIBRARY") from error
    except AttributeError as error:
        raise LibraryNotFoundError(f"{name} is no libgpumodel of version 1.0 or later ({error})") from error
    return loaded


def sized(kind: type[Structure], **fields: Any) -> Any:
    """A struct with its size set, and everything else zero or as given."""
    return kind(struct_size=ctypes.sizeof(kind), **fields)


def take_text(pointer: c_void_p, size: int = -1) -> str:
    """The text of a char * that the library handed out, which is freed."""
    try:
        return ctypes.string_at(pointer, size).decode() if pointer.value else ""
    finally:
        library().gm_free(pointer)


def c_text(value: str, what: str) -> bytes:
    """UTF-8 for a parameter that ends at its first NUL."""
    encoded = value.encode()
    if b"\0" in encoded:
        raise ValueError(f"{what} holds a NUL character")
    return encoded
