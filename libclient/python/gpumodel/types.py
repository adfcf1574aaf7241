"""What calls take and give."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Union

if TYPE_CHECKING:
    from .lease import Lease

Message = Mapping[str, Any]
#: A text is completed as it is, token ids too; messages go through the model's chat template.
Input = Union[str, Sequence[int], Sequence[Message], Mapping[str, Any]]


class Options(TypedDict, total=False):
    """Of a generation. What is absent is the model's own default."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float]
    seed: int
    stop: str | Sequence[str]
    json_schema: str | bool | Mapping[str, Any]
    regex: str
    grammar: str
    logprobs: bool
    top_logprobs: int
    ignore_eos: bool
    deadline: float  # seconds, waiting included


class Finish(enum.Enum):
    STOP = 1
    LENGTH = 2
    CANCELLED = 3
    DEADLINE = 4
    ERROR = 5


class ModelState(enum.Enum):
    NOT_LOADED = 0
    LOADING = 1
    READY = 2
    SUSPENDED = 3
    UNLOADING = 4
    UNLOADED = 5
    FAILED = 6


class LeaseState(enum.Enum):
    PENDING = 1
    HELD = 2
    SUSPENDED = 3
    RESUMING = 4
    ENDED = 5


class Outcome(enum.Enum):
    KEPT = 1
    STILL_LEASED = 2
    KEPT_WANTED = 3
    FREED = 4
    UNVERIFIED = 5


class EventType(enum.Enum):
    QUEUED = 1
    LOADING = 2
    SUSPENDED = 3
    RESUMED = 4
    LEASE_LOST = 5
    DRAINING = 6
    DISCONNECTED = 7
    DAEMON = 8


@dataclass(frozen=True)
class Event:
    type: EventType
    lease: Lease | None = None
    position: int = 0  # 1: next
    fraction: float = 0.0  # of a load
    eta_ms: int = 0  # 0: unknown
    data: dict[str, Any] | None = None  # of EventType.DAEMON: an `event` of PROTOCOL.md


@dataclass(frozen=True)
class Model:
    name: str
    architecture: str
    dtype: str
    parameters: int
    device_bytes: int
    context_tokens: int
    state: ModelState  # advice: it may have changed
    leases: int
    waiting: int


@dataclass(frozen=True)
class ReleaseReport:
    outcome: Outcome
    remaining_leases: int
    expected_bytes: int
    freed_bytes: int
    residual_bytes: int
    unload_ms: int


@dataclass(frozen=True)
class LeaseInfo:
    id: int
    epoch: int
    state: LeaseState
    context_tokens: int
    model: str


@dataclass(frozen=True)
class Result:
    finish: Finish
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    seed: int
    queue_us: int
    first_token_us: int
    total_us: int


@dataclass(frozen=True)
class Chunk:
    text: str
    tokens: list[int]
    logprobs: list[float] | None = None
    top_logprobs: list[list[tuple[int, float]]] | None = None  # for each token, likeliest first

    def __str__(self) -> str:
        return self.text


class Text(str):
    """What was generated: a str that also has its tokens and its result."""

    tokens: list[int]
    logprobs: list[float] | None
    top_logprobs: list[list[tuple[int, float]]] | None
    result: Result

    @classmethod
    def of(cls, chunks: Sequence[Chunk], result: Result) -> Text:
        text = cls("".join(chunk.text for chunk in chunks))
        text.tokens = [token for chunk in chunks for token in chunk.tokens]
        logged = [chunk.logprobs for chunk in chunks if chunk.logprobs is not None]
        text.logprobs = [value for values in logged for value in values] if logged else None
        tops = [chunk.top_logprobs for chunk in chunks if chunk.top_logprobs is not None]
        text.top_logprobs = [row for rows in tops for row in rows] if tops else None
        text.result = result
        return text
