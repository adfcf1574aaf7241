"""Generations: from Python's arguments to a gm_request, and from the library's structs to Python's values."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ._handle import Handle, check, milliseconds
from ._library import GmChunk, GmLogitBias, GmRequest, GmResult, c_text, library, sized
from .types import Chunk, Finish, Input, Message, Result

_NUMBERS = {"max_tokens": int, "temperature": float, "top_p": float, "top_k": int, "min_p": float,
            "repetition_penalty": float, "presence_penalty": float, "frequency_penalty": float, "seed": int,
            "top_logprobs": int}
_FLAGS = {"logprobs", "ignore_eos"}
_TEXTS = {"regex", "grammar"}


class Request:
    """A gm_request and all that it points to."""

    def __init__(self, given: Input, options: Mapping[str, Any]) -> None:
        self.struct = GmRequest()
        library().gm_request_init(ctypes.byref(self.struct), ctypes.sizeof(GmRequest))
        self._kept: list[Any] = []
        self._set_input(given)
        for name, value in options.items():
            self._set_option(name, value)

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _set_input(self, given: Input) -> None:
        request = self.struct
        if isinstance(given, str):
            text = self._keep(given.encode())
            request.prompt, request.prompt_len = text, len(text)
        elif isinstance(given, Mapping):
            request.messages_json = self._keep(json.dumps(given).encode())
        elif given and all(isinstance(item, Mapping) for item in given):
            request.messages_json = self._keep(json.dumps(list(given)).encode())
        elif given:
            request.tokens = self._keep(token_array(given))
            request.token_count = len(given)
        else:
            raise ValueError("there is nothing to generate from: give a text, token ids or messages")

    def _set_option(self, name: str, value: Any) -> None:
        request = self.struct
        if name in _NUMBERS:
            setattr(request, name, in_range(name, _NUMBERS[name](value)))
        elif name in _FLAGS:
            setattr(request, name, 1 if value else 0)
        elif name in _TEXTS:
            setattr(request, name, self._keep(c_text(value, name)))
        elif name == "json_schema":
            text = value if isinstance(value, str) else json.dumps(value)
            request.json_schema = self._keep(c_text(text, name))
        elif name == "logit_bias":
            pairs = [GmLogitBias(in_range(name, int(token)), bias) for token, bias in value.items()]
            request.logit_bias = self._keep((GmLogitBias * len(pairs))(*pairs))
            request.logit_bias_count = len(pairs)
        elif name == "stop":
            texts = [c_text(text, name) for text in ([value] if isinstance(value, str) else value)]
            request.stop = self._keep((ctypes.c_char_p * len(texts))(*texts))
            request.stop_count = len(texts)
        elif name == "deadline":
            request.deadline_ms = max(1, milliseconds(float(value), name))
        else:
            raise TypeError(f"generations have no option {name!r}")

    def send(self, lease: Handle) -> Handle:
        """The handle of the stream."""
        lib, out = library(), ctypes.c_void_p()
        with lease as pointer:
            check(lib.gm_generate(pointer, ctypes.byref(self.struct), ctypes.byref(out)))
        return Handle(out, lib.gm_stream_free, "stream", lease)


Number = TypeVar("Number", int, float)


def in_range(name: str, value: Number) -> Number:
    """ctypes cuts what does not fit; the library should never see what nobody gave."""
    bits = 63 if name == "seed" else 31
    if isinstance(value, int) and not -(2**bits) <= value < 2**bits:
        raise ValueError(f"{name} is {value}; it has at most {bits} bits")
    return value


def token_array(tokens: Sequence[Any]) -> Any:
    return (ctypes.c_int32 * len(tokens))(*[in_range("token", int(token)) for token in tokens])


def messages_json(messages: str | Sequence[Message], tools: Sequence[Any] | None,
                  template: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object form of messages_json. A text is what the user says."""
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    return {**(template or {}), "messages": listed, **({"tools": list(tools)} if tools is not None else {})}


def read_chunk(chunk: GmChunk, top: int) -> Chunk:
    count = chunk.token_count
    text = ctypes.string_at(chunk.text, chunk.text_len).decode() if chunk.text_len else ""
    logprobs = list(chunk.logprobs[:count]) if chunk.logprobs else None
    rows = None
    if chunk.top_tokens and top:
        rows = [[(chunk.top_tokens[at], chunk.top_logprobs[at]) for at in range(row * top, (row + 1) * top)]
                for row in range(count)]
    return Chunk(text, list(chunk.tokens[:count]) if count else [], logprobs, rows)


def read_result(stream: Handle) -> Result:
    result = sized(GmResult)
    with stream as pointer:
        check(library().gm_stream_result(pointer, ctypes.byref(result)))
    return Result(Finish(result.finish), result.prompt_tokens, result.cached_tokens, result.output_tokens, result.seed,
                  result.queue_us, result.first_token_us, result.total_us)
