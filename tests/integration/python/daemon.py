"""A gpumodeld for tests of the Python package: with the fake engine, or with the real one and the demo model."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import gpumodel

PATIENCE_S = 30.0
#: A device that holds one model of FORTY.
DEVICE = '[devices.cpu]\nmemory = "64 MiB"\n'
FORTY: dict[str, Any] = {"tensor_bytes": 40 << 20}
_PR_SET_PDEATHSIG = 1


def from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise RuntimeError(f"{name} is not set; run the test through ctest")
    return value


def eventually(is_so: Callable[[], Any], what: str) -> None:
    """Asks until it is so; AssertionError when that takes more than any machine needs."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not in {PATIENCE_S:.0f} s: {what}")
        time.sleep(0.01)


def demo_model() -> Path | None:
    """The folder of the demo model, where this build has the real engine."""
    folder = Path(os.environ.get("GPUMODEL_DEMO_MODEL") or "/nonexistent")
    engine = Path(from_environment("GPUMODEL_BIN_DIR")) / "gpumodel-engine"
    return folder if (folder / "config.json").exists() and engine.exists() else None


class Daemon:
    """In a folder of its own. Models first, then `with daemon:`."""

    def __init__(self, devices: str = DEVICE, daemon_keys: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gpumodeld-python-"))
        self.socket = str(self.folder / "api.sock")
        self._devices, self._daemon_keys, self._models = devices, daemon_keys, ""
        self._process: subprocess.Popen[bytes] | None = None

    def model(self, name: str, keys: str = "", **fake: Any) -> Daemon:
        """One of the fake engine (tests/support/fake/fake_model.hpp says what it takes); keys: of its table."""
        folder = self.folder / "models" / name
        folder.mkdir(parents=True)
        (folder / "fake.json").write_text(json.dumps(fake))
        return self.table(name, folder, keys)

    def table(self, name: str, folder: Path, keys: str = "") -> Daemon:
        self._models += f'[models.{name}]\npath = "{folder}"\n{keys}\n'
        return self

    def start(self, engine: str = "fake") -> Daemon:
        """engine: "fake", or "real" for the demo model."""
        binaries = Path(from_environment("GPUMODEL_BIN_DIR"))
        program = binaries / "gpumodeld"
        if engine == "fake":  # the daemon looks for its engine beside itself
            (self.folder / "bin").mkdir(exist_ok=True)
            program = _placed(program, self.folder / "bin/gpumodeld")
            _placed(Path(from_environment("GPUMODEL_TEST_BIN_DIR")) / "fake_engine",
                    self.folder / "bin/gpumodel-engine")
        config = self.folder / "gpumodeld.toml"
        config.write_text(f'[daemon]\nsocket = "{self.socket}"\n{self._daemon_keys}\n{self._devices}\n{self._models}')
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen([program, "--config", config], stdout=log, stderr=log,
                                             preexec_fn=_die_with_parent)
        eventually(self._answers, f"gpumodeld serves; its log: {self.log()}")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"gpumodeld ended: {self.log()}")
        try:
            with gpumodel.Client(self.socket):
                return True
        except gpumodel.NoDaemonError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        with gpumodel.Client(self.socket, app="observer") as client:
            return client.status()

    def model_row(self, name: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.status()["models"]
        return next(row for row in rows if row["name"] == name)

    def is_idle(self) -> bool:
        """Nobody holds, waits for or generates anything."""
        status = self.status()
        return not (status["leases"] or status["queue"] or status["generations"])

    def __enter__(self) -> Daemon:
        return self if self._process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _placed(source: Path, target: Path) -> Path:
    if not target.exists():
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
    return target


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Script:
    """A Python program of its own that uses a daemon. Its stdout is told line by line."""

    def __init__(self, text: str, socket: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-X", "dev", "-c", text], stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent,
                                         env={**os.environ, "GPUMODEL_SOCKET": socket})

    def is_asleep(self) -> bool:
        """In a system call, having nothing else to do."""
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def finish(self) -> list[str]:
        """Its lines; AssertionError where it does not end by itself, and well."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            raise AssertionError(f"the program did not end; it said: {out}{err}") from None
        if self._process.returncode != 0:
            raise AssertionError(f"the program exited with {self._process.returncode}: {out}{err}")
        return out.splitlines()
