"""The package itself: its types, its wheel, and the libraries that it finds or does not."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
from daemon import Daemon, from_environment

_SOURCE = Path(from_environment("GPUMODEL_SOURCE_DIR")) / "libclient/python"


def python(text: str, **environment: str) -> str:
    """What a program prints."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True,
                          env={**os.environ, **environment}, timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


_OPEN = """
import gpumodel
try:
    gpumodel.Client()
except gpumodel.Error as error:
    print(type(error).__name__, error)
"""


class LibraryTest(unittest.TestCase):
    def test_no_library(self) -> None:
        said = python(_OPEN, GPUMODEL_LIBRARY="/nonexistent/libgpumodel.so.1")
        self.assertRegex(said, "^LibraryNotFoundError cannot load /nonexistent/libgpumodel.so.1 .*GPUMODEL_LIBRARY")
        self.assertIn("libgpumodel1", said)

    def test_another_library(self) -> None:
        said = python(_OPEN, GPUMODEL_LIBRARY="libc.so.6")
        self.assertRegex(said, "^LibraryNotFoundError libc.so.6 is no libgpumodel of version 1.0 or later")

    def test_no_daemon(self) -> None:
        said = python(_OPEN, GPUMODEL_SOCKET="/nonexistent/api.sock")
        self.assertRegex(said, "^NoDaemonError .*/nonexistent/api.sock")

    def test_a_daemon_of_another_protocol(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(folder + "/api.sock")
            listener.listen()

            def serve() -> None:
                peer, _ = listener.accept()
                with peer:
                    unpacker = msgpack.Unpacker()
                    while True:
                        unpacker.feed(peer.recv(4096))
                        for message in unpacker:
                            peer.sendall(msgpack.packb([1, message[1], None, {
                                "protocol": 2, "daemon": "9.0", "limits": {"message_bytes": 1 << 20}, "features": []}]))
                            return

            server = threading.Thread(target=serve)
            server.start()
            said = python(_OPEN, GPUMODEL_SOCKET=folder + "/api.sock")
            server.join()
            self.assertRegex(said, "^VersionError .*protocol 2")

    def test_importing_loads_nothing(self) -> None:
        said = python("import gpumodel, gpumodel.aio, gpumodel.compat; print(open('/proc/self/maps').read())")
        self.assertNotIn("libgpumodel", said)


class PackageTest(unittest.TestCase):
    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed; tools/setup does that")
    def test_the_types_hold(self) -> None:
        with tempfile.TemporaryDirectory() as cache:
            for folder, what in ((_SOURCE, "gpumodel"), (Path(__file__).parent, ".")):
                command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, what]
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                                      env={**os.environ, "MYPYPATH": str(_SOURCE)})
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_wheel_has_every_module_and_works(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            subprocess.run(["cp", "-r", _SOURCE, source], check=True)  # a build leaves things beside the sources
            subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                            "--disable-pip-version-check", "--wheel-dir", folder, source], check=True)
            wheel, = Path(folder).glob("gpumodel-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                packed = {name for name in archive.namelist() if name.startswith("gpumodel/")}
                archive.extractall(Path(folder) / "installed")
            self.assertEqual(packed, {f"gpumodel/{path.name}" for path in (_SOURCE / "gpumodel").iterdir()
                                      if path.suffix == ".py" or path.name == "py.typed"})
            with Daemon().model("concept", eos_after=2) as daemon:
                said = python("import gpumodel.aio, gpumodel.compat as compat; print(gpumodel.__file__)\n"
                              "with compat.get_model_manager().use_model('concept') as model:\n"
                              "    print(model.generate_modeling('x').result.output_tokens)",
                              PYTHONPATH=str(Path(folder) / "installed"), GPUMODEL_SOCKET=daemon.socket)
            self.assertEqual(said.splitlines(), [str(Path(folder) / "installed/gpumodel/__init__.py"), "2"])


if __name__ == "__main__":
    unittest.main()
