"""What a ModelManager gives out."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import StateError
from .lease import Lease
from .types import Event, Message, ModelState, Text

if TYPE_CHECKING:
    from typing import Unpack

    from .types import Options


class ConfigurationWarning(UserWarning):
    """The application and the daemon's configuration say different things."""


class ModelUnloadedError(StateError):
    """The model was given back: its scope has ended, or it was unloaded."""


class ModelStatus(enum.Enum):
    """Of a model on the daemon, whoever uses it."""

    NOT_LOADED = "not_loaded"  # since the daemon's start, or it cannot be loaded
    LOADING = "loading"  # or waited for
    READY = "ready"
    UNLOADED = "unloaded"


STATUS_OF = {
    ModelState.NOT_LOADED: ModelStatus.NOT_LOADED, ModelState.LOADING: ModelStatus.LOADING,
    ModelState.READY: ModelStatus.READY, ModelState.SUSPENDED: ModelStatus.UNLOADED,
    ModelState.UNLOADING: ModelStatus.UNLOADED, ModelState.UNLOADED: ModelStatus.UNLOADED,
    ModelState.FAILED: ModelStatus.NOT_LOADED,
}


@dataclass(frozen=True)
class Progress:
    """What a progress callback is told, on the thread that waits, or on the loop where a coroutine does."""

    model: str
    status: ModelStatus
    fraction: float = 0.0  # of the load
    position: int = 0  # in the queue, 1: next; 0: not queued
    eta_seconds: float | None = None


ProgressCallback = Callable[[Progress], object]


@dataclass(frozen=True)
class DeviceMemory:
    """Of one device, in bytes."""

    total: int  # what the daemon may use
    used: int
    free: int
    foreign: int  # held by programs that are not the daemon's


class ManagedModel:
    """A model while it may be used."""

    def __init__(self, name: str, lease: Lease) -> None:
        self.name, self._lease, self._over = name, lease, ""

    @property
    def lease(self) -> Lease:
        """For what else a lease can do. ModelUnloadedError when it is over."""
        if self._over:
            raise ModelUnloadedError(f"the model {self.name!r} was given back {self._over}", code=-6, name="state")
        return self._lease

    def generate_modeling(self, prompt: str | Sequence[Message], **options: Unpack[Options]) -> Text:
        """The answer to chat messages, which go through the model's template, or the continuation of a text, which
        is given to the model as it is. The result is a str."""
        lease = self.lease
        return lease.complete(prompt, **options) if isinstance(prompt, str) else lease.chat(prompt, **options)

    def end(self, how: str) -> None:
        self._over = how


class Attempt:
    """A lease that is waited for on another thread, and may be given up from here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._given_up = False

    def begun(self, lease: Lease) -> None:
        with self._lock:
            self._lease = lease
            if self._given_up:
                lease.close()

    def succeeded(self) -> None:
        """From here on others may use the lease, and to give up comes too late."""
        with self._lock:
            self._lease = None

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._lease is not None:
                self._lease.close()


def hearer(model: str, tell: ProgressCallback) -> Callable[[Event], None]:
    """For Wishes.on_progress."""

    def hear(event: Event) -> None:
        tell(Progress(model, ModelStatus.LOADING, event.fraction, event.position, event.eta_ms / 1000 or None))

    return hear
