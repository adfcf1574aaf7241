"""What calls raise: one class for each code of gpumodel.h, in families."""

from __future__ import annotations

import builtins
from typing import Any


class Error(Exception):
    """A call that failed. Codes that this package does not know come as this class itself."""

    def __init__(self, message: str, *, code: int | None = None, name: str = "", detail: Any = None,
                 retryable: bool = False, retry_after_ms: int | None = None, sys_errno: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code  #: as in gpumodel.h; None where the library was not asked
        self.name = name  #: "busy", ...
        self.detail = detail  #: the daemon's structured detail, by code (PROTOCOL.md), or None
        self.retryable = retryable  #: the same call may succeed later
        self.retry_after_ms = retry_after_ms
        self.sys_errno = sys_errno  #: the failed system call's, 0: none

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.message, self.__dict__.copy())


def _restore(kind: type[Error], message: str, state: dict[str, Any]) -> Error:
    error = kind(message)
    error.__dict__.update(state)
    return error


class LibraryNotFoundError(Error, ImportError):  # type: ignore[misc]  # ImportError.name may be None, ours is ""
    """libgpumodel.so.1 cannot be loaded."""


class InvalidError(Error, ValueError):
    """An argument is out of range."""


class NoMemoryError(Error, MemoryError):
    """This process is out of memory; nothing changed."""


class SystemCallError(Error):
    """A system call failed; see sys_errno."""


class TimeoutError(Error, builtins.TimeoutError):
    """The call's time limit passed."""


class InterruptedCallError(Error):
    """A signal came during a call that is not safe to repeat; it may or may not have been done."""


class StateError(Error):
    """The object is not in a state that allows this: it was released, closed, or has not ended."""


class ForkedError(Error):
    """It was opened before fork(), in another process."""


class ConnectionFailedError(Error, ConnectionError):
    """There is no connection (any more)."""


class NoDaemonError(ConnectionFailedError):
    """Nothing listens on the socket."""


class DisconnectedError(ConnectionFailedError):
    """The connection ended; open another client."""


class ProtocolError(ConnectionFailedError):
    """The daemon sent what no daemon may send."""


class VersionError(ConnectionFailedError):
    """No protocol version in common."""


class RefusedError(Error):
    """The daemon does not do this, now or for this user."""


class DeniedError(RefusedError, PermissionError):
    """This user may not do that, or not open the socket."""


class QuotaError(RefusedError):
    """This user holds as much as it may."""


class DrainingError(RefusedError):
    """The daemon takes no new work."""


class UnsupportedError(RefusedError):
    """The library or the daemon does not serve this."""


class ModelError(Error):
    """The model cannot be had."""


class NoModelError(ModelError, LookupError):
    """No such name; detail["near"] lists near ones."""


class ModelBadError(ModelError):
    """Its files cannot be used; the message says why."""


class NeverFitsError(ModelError):
    """It needs more than the device has when empty."""


class LeaseError(Error):
    """The lease cannot be had, or has ended."""


class BusyError(LeaseError):
    """Not within the time that it may wait."""


class DeadlockError(LeaseError):
    """Holders would wait for each other."""


class LeaseLostError(LeaseError):
    """It was revoked, or its model could not be brought back."""


class ForeignMemoryError(LeaseError):
    """Memory that other programs hold is in the way; detail["holders"] names them."""


class DeviceError(LeaseError):
    """No usable device."""


class ResidualError(LeaseError):
    """Released, but memory did not come back; detail is the report."""


class GenerationError(Error):
    """The generation cannot be done, or ended."""


class PromptTooLongError(GenerationError):
    """More than the context takes."""


class BadRequestError(GenerationError):
    """It cannot be served as it is."""


class OverrunError(GenerationError):
    """This reader was too slow for its output limit."""


class EngineLostError(GenerationError):
    """The engine died under it; retryable says whether it is safe to ask again."""


class InternalError(Error):
    """A defect; please report it."""


BY_CODE: dict[int, type[Error]] = {
    -1: InvalidError, -2: NoMemoryError, -3: SystemCallError, -4: TimeoutError, -5: InterruptedCallError,
    -6: StateError, -7: ForkedError, -20: NoDaemonError, -21: DisconnectedError, -22: ProtocolError,
    -23: VersionError, -24: DeniedError, -25: QuotaError, -26: DrainingError, -27: UnsupportedError,
    -40: NoModelError, -41: ModelBadError, -42: NeverFitsError, -43: BusyError, -44: DeadlockError,
    -45: LeaseLostError, -46: ForeignMemoryError, -47: DeviceError, -48: ResidualError, -60: PromptTooLongError,
    -61: BadRequestError, -63: OverrunError, -64: EngineLostError, -99: InternalError,
}
