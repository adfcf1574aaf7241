"""Lease language models from gpumodeld and generate with them.

    with gpumodel.Client() as client, client.lease("concept") as model:
        print(model.chat("Name three entities of a shop."))

gpumodel.aio has the same for asyncio, gpumodel.compat a model manager for applications that had one of their own.
"""

from .client import Client
from .errors import (
    BadRequestError, BusyError, ConnectionFailedError, DeadlockError, DeniedError, DeviceError, DisconnectedError,
    DrainingError, EngineLostError, Error, ForeignMemoryError, ForkedError, GenerationError, InternalError,
    InterruptedCallError, InvalidError, LeaseError, LeaseLostError, LibraryNotFoundError, ModelBadError, ModelError,
    NeverFitsError, NoDaemonError, NoMemoryError, NoModelError, OverrunError, PromptTooLongError, ProtocolError,
    QuotaError, RefusedError, ResidualError, StateError, SystemCallError, TimeoutError, UnsupportedError,
    VersionError,
)
from .lease import Lease, Leases
from .stream import Stream
from .types import (
    Chunk, Event, EventType, Finish, LeaseInfo, LeaseState, Model, ModelState, Options, Outcome, ReleaseReport,
    Result, Text,
)

__version__ = "1.0.0"
__all__ = [
    "BadRequestError", "BusyError", "Chunk", "Client",
    "ConnectionFailedError", "DeadlockError", "DeniedError", "DeviceError", "DisconnectedError", "DrainingError",
    "EngineLostError", "Error", "Event", "EventType", "Finish", "ForeignMemoryError", "ForkedError",
    "GenerationError", "InternalError", "InterruptedCallError", "InvalidError", "Lease", "LeaseError", "LeaseInfo",
    "LeaseLostError", "LeaseState", "Leases", "LibraryNotFoundError", "Model", "ModelBadError", "ModelError",
    "ModelState", "NeverFitsError", "NoDaemonError", "NoMemoryError", "NoModelError", "Options", "Outcome",
    "OverrunError", "PromptTooLongError", "ProtocolError", "QuotaError", "RefusedError", "ReleaseReport",
    "ResidualError", "Result", "StateError", "Stream", "SystemCallError", "Text", "TimeoutError", "UnsupportedError",
    "VersionError",
]
