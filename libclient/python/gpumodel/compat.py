"""ModelManager: the calls of an application that loaded its models itself, served by gpumodeld.

    from gpumodel.compat import get_model_manager

    with get_model_manager().use_model("concept") as model:
        result = model.generate_modeling(prompt)

Which files a model has, how much memory it may take and over how many devices it goes is the daemon's configuration;
what initialize_models_on_startup is given of these is compared with what the daemon serves, and a difference is a
ConfigurationWarning. With auto_unload (the default) the lease ends with the scope, and the memory is measured free
when the scope is left, unless others use the model; without, this process holds the lease on until unload_model() or
shutdown(), and the daemon lends the memory to others only while it is idle.
"""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ._connection import report_ignored
from ._expectations import Expected, differences, is_known, read_arguments
from ._managed import (
    STATUS_OF, Attempt, ConfigurationWarning, DeviceMemory, ManagedModel, ModelStatus, ModelUnloadedError, Progress,
    ProgressCallback, hearer,
)
from .client import Client
from .errors import ConnectionFailedError, Error, NoModelError
from .lease import Lease, Leases, begin
from .types import LeaseState, Outcome, ReleaseReport

__all__ = ["ConfigurationWarning", "DeviceMemory", "ManagedModel", "ModelManager", "ModelStatus",
           "ModelUnloadedError", "Progress", "get_model_manager", "initialize_models_on_startup"]

Answer = TypeVar("Answer")
Paths = str | os.PathLike[str] | None


class ModelManager:
    """Of one process; any thread may use it. It connects when it is first used, and again after the daemon was
    restarted, or after fork(). socket, app: as of gpumodel.Client."""

    def __init__(self, socket: str | None = None, *, app: str | None = None, auto_unload: bool = True,
                 progress_callback: ProgressCallback | None = None) -> None:
        self.auto_unload = auto_unload
        self._socket, self._app, self._progress = socket, app, progress_callback
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._kept: dict[str, tuple[Lease, weakref.WeakSet[ManagedModel]]] = {}
        self._unchecked: dict[str, Expected] = {}
        self._warned: set[str] = set()

    async def initialize(self, *, gpu_memory_utilization: float | None = None, tensor_parallel_size: int = 1,
                         auto_unload: bool = True, progress_callback: ProgressCallback | None = None,
                         **paths: Paths) -> None:
        """As initialize_models_on_startup."""
        expected = read_arguments(paths, gpu_memory_utilization, tensor_parallel_size)
        report = await asyncio.to_thread(self._ask, lambda client: client.status())
        served = [row["name"] for row in report["models"]]
        if missing := [one for one in expected if one.model not in served]:
            raise _no_model([one.model for one in missing], served)
        self.auto_unload, self._progress = auto_unload, progress_callback
        self._unchecked, self._warned = {one.model: one for one in expected}, set()
        self._compare(report)
        if auto_unload:
            await asyncio.to_thread(self._give_back_all)
        else:
            for one in expected:
                await self.get_or_load_model(one.model)

    @contextmanager
    def use_model(self, model_name: str, *,
                  progress_callback: ProgressCallback | None = None) -> Iterator[ManagedModel]:
        """The model for a scope. With auto_unload its memory is given back at the end; what gpumodel.Lease's scope
        raises, this one raises. The same model may be used by several scopes at once, nested ones too."""
        tell = progress_callback or self._progress
        if not self.auto_unload or self._kept_lease(model_name) is not None:
            with _scope(ManagedModel(model_name, self._keep(model_name, tell))) as model:
                yield model
            return
        with self._acquire(model_name, tell) as lease:
            with _scope(ManagedModel(model_name, lease)) as model:
                yield model
            self._released(model_name, lease.release(), tell)

    async def get_or_load_model(self, model_name: str, *,
                                progress_callback: ProgressCallback | None = None) -> ManagedModel:
        """The model, which this process holds until unload_model() or shutdown(). A task that is cancelled gives up
        the wait."""
        attempt, loop = Attempt(), asyncio.get_running_loop()
        tell = _on_loop(loop, progress_callback or self._progress)
        try:
            lease = await asyncio.to_thread(self._keep, model_name, tell, attempt)
        except asyncio.CancelledError:
            attempt.give_up()
            raise
        model = ManagedModel(model_name, lease)
        with self._lock:
            if (entry := self._kept.get(model_name)) is not None and entry[0] is lease:
                entry[1].add(model)
        return model

    def unload_model(self, model_name: str) -> ReleaseReport | None:
        """Gives back what this process holds of it beyond scopes; None: nothing. The report says whether others keep
        the memory."""
        with self._lock:
            if (lease := self._kept_lease(model_name)) is None:
                return None
            for model in self._kept.pop(model_name)[1]:
                model.end("by unload_model(); get it anew from get_or_load_model()")
        with lease:
            return lease.release()

    def get_status(self, model_name: str) -> ModelStatus:
        """Advice: it may have changed. NoModelError: the daemon has none of that name."""
        models = {model.name: model for model in self._ask(lambda client: client.models())}
        if model_name not in models:
            raise _no_model([model_name], list(models))
        status = STATUS_OF[models[model_name].state]
        return ModelStatus.LOADING if status != ModelStatus.READY and models[model_name].waiting else status

    def get_memory(self) -> dict[str, DeviceMemory]:
        """By device: what torch.cuda tells of this process is nothing, as the models are the daemon's."""
        return {device["name"]: DeviceMemory(device["capacity_bytes"] or 0, device["used_bytes"] or 0,
                                             device["free_bytes"] or 0, device["foreign_bytes"] or 0)
                for device in self._ask(lambda client: client.status())["devices"]}

    def shutdown(self) -> None:
        """Gives everything back and closes the connection. The manager may be used again."""
        self._give_back_all()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # ---- leases ----

    def _acquire(self, name: str, tell: ProgressCallback | None, attempt: Attempt | None = None) -> Lease:
        def acquire(client: Client) -> Lease:
            pending = begin(Lease, client._connection, [name], on_progress=hearer(name, tell) if tell else None)
            if attempt is not None:
                attempt.begun(pending[0])
            return client._settle(Leases(pending))[0]

        lease = self._ask(acquire)
        _tell(tell, Progress(name, ModelStatus.READY, 1.0))
        if name in self._unchecked:
            self._compare(self._ask(lambda client: client.status()))
        return lease

    def _keep(self, name: str, tell: ProgressCallback | None, attempt: Attempt | None = None) -> Lease:
        """The lease that this process holds on, acquired where there is none."""
        if (held := self._kept_lease(name)) is not None:
            return held
        lease = self._acquire(name, tell, attempt)
        if attempt is not None:
            attempt.succeeded()
        with self._lock:
            if (held := self._kept_lease(name)) is None:
                self._kept[name] = lease, weakref.WeakSet()
                return lease
        lease.close()  # another thread was first
        return held

    def _kept_lease(self, name: str) -> Lease | None:
        with self._lock:
            if (entry := self._kept.get(name)) is None or _is_alive(entry[0]):
                return entry[0] if entry is not None else None
            for model in self._kept.pop(name)[1]:
                model.end("by the daemon: the lease was lost, or the connection; get it anew from get_or_load_model()")
            return None

    def _give_back_all(self) -> None:
        for name in list(self._kept):
            self.unload_model(name)

    def _released(self, name: str, report: ReleaseReport | None, tell: ProgressCallback | None) -> None:
        if report is not None and report.outcome == Outcome.KEPT:
            self._warn(f"auto_unload was asked for, and the daemon keeps {name} after its last lease; [models.{name}] "
                       "auto_unload in its configuration decides")
        elif report is not None and report.outcome in (Outcome.FREED, Outcome.UNVERIFIED):
            _tell(tell, Progress(name, ModelStatus.UNLOADED))

    # ---- the daemon's configuration ----

    def _compare(self, report: Mapping[str, Any]) -> None:
        """Once for each model, as soon as the daemon has looked at its files."""
        for row in report["models"]:
            expected = self._unchecked.pop(row["name"], None) if is_known(row) else None
            if expected is not None:
                for difference in differences(expected, row, report["devices"]):
                    self._warn(difference)

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warnings.warn(text, ConfigurationWarning, stacklevel=2)

    # ---- the connection ----

    def _ask(self, ask: Callable[[Client], Answer]) -> Answer:
        """Once more on a new connection where the one that was open has ended."""
        client, fresh = self._connected()
        try:
            return ask(client)
        except ConnectionFailedError:
            if fresh:
                raise
        with self._lock:
            if self._client is client:
                self._client = None
        client.close()
        return ask(self._connected()[0])

    def _connected(self) -> tuple[Client, bool]:
        """And whether it was opened by this call."""
        with self._lock:
            if self._client is not None and not self._client.closed and not self._client._connection.handle.forked:
                return self._client, False
            self._client = Client(self._socket, app=self._app)
            return self._client, True


def _is_alive(lease: Lease) -> bool:
    try:
        return lease.state != LeaseState.ENDED
    except Error:  # of a connection that ended, or before fork()
        return False


@contextmanager
def _scope(model: ManagedModel) -> Iterator[ManagedModel]:
    try:
        yield model
    finally:
        model.end("when its scope ended; use it inside of its `with` block, or hold it by get_or_load_model()")


def _tell(tell: ProgressCallback | None, progress: Progress) -> None:
    """As the library's events are told: what a callback raises is reported, and hinders nothing."""
    if tell is not None:
        try:
            tell(progress)
        except Exception as error:
            report_ignored(error, tell)


def _on_loop(loop: asyncio.AbstractEventLoop, tell: ProgressCallback | None) -> ProgressCallback | None:
    return None if tell is None else lambda progress: loop.call_soon_threadsafe(_tell, tell, progress)


def _no_model(missing: Iterable[str], served: Iterable[str]) -> NoModelError:
    names = ", ".join(missing)
    return NoModelError(f"the daemon serves no {names} (it serves {', '.join(served) or 'nothing'}); its administrator "
                        "adds models to its configuration, [models.NAME] with path, and reloads it",
                        code=-40, name="no_model", detail={"near": list(served)})


_manager: ModelManager | None = None
_manager_lock = threading.Lock()


def get_model_manager() -> ModelManager:
    """The one of this process."""
    global _manager
    with _manager_lock:
        if _manager is None:
            _manager = ModelManager()
        return _manager


async def initialize_models_on_startup(*, gpu_memory_utilization: float | None = None, tensor_parallel_size: int = 1,
                                       auto_unload: bool = True, progress_callback: ProgressCallback | None = None,
                                       **paths: Paths) -> ModelManager:
    """Connects, and says what the application expects: NAME_model_path and NAME_adapter_path for each model that it
    uses, a folder or a name on a hub. NoModelError: the daemon serves no NAME. What differs from the daemon's
    configuration, which decides, is a ConfigurationWarning: another architecture or size, an adapter that is missing
    or not expected, a model that needs more than gpu_memory_utilization of a device, tensor_parallel_size.
    auto_unload=False loads the named models, and holds them. progress_callback hears of every load that follows.
    Again: the new arguments hold."""
    manager = get_model_manager()
    await manager.initialize(gpu_memory_utilization=gpu_memory_utilization, tensor_parallel_size=tensor_parallel_size,
                             auto_unload=auto_unload, progress_callback=progress_callback, **paths)
    return manager
