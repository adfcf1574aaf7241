"""Ctrl-C, a real SIGINT, in every call that blocks. What is waited for would take minutes."""

from __future__ import annotations

import socket
import tempfile
import textwrap
import unittest
from collections.abc import Callable
from typing import Any

import gpumodel
from daemon import FORTY, Daemon, Script, eventually

_ENDLESS: dict[str, Any] = {"token_ms": 20, "context_tokens": 1 << 20, "kv_bytes_per_token": 1}


def _program(blocking: str, then: str = "") -> str:
    """A program that says so when Ctrl-C came out of `blocking` as KeyboardInterrupt."""
    return f"""
import asyncio, gpumodel
from gpumodel import aio
client = gpumodel.Client()
try:
{textwrap.indent(textwrap.dedent(blocking), "    ")}
except KeyboardInterrupt:
    print("interrupted")
{textwrap.dedent(then)}
client.close()
"""


class InterruptTest(unittest.TestCase):
    def _interrupts(self, daemon: Daemon, text: str, is_blocked: Callable[[dict[str, Any]], Any]) -> list[str]:
        script = Script(text, daemon.socket)
        eventually(lambda: is_blocked(daemon.status()), "the program is inside of the call")
        script.interrupt()
        return script.finish()

    def test_the_wait_for_a_lease(self) -> None:
        daemon = Daemon().model("held", 'idle_grace = "never"', **FORTY).model("other", **FORTY)
        with daemon, gpumodel.Client(daemon.socket) as holder, holder.lease("held"):
            said = self._interrupts(
                daemon, _program('client.lease("other")', then="""
                    with client.lease("held") as model:
                        print(model.complete("still", max_tokens=2).result.output_tokens)"""),
                lambda status: status["queue"])
            self.assertEqual(said, ["interrupted", "2"])
            self.assertEqual(daemon.status()["queue"], [])

    def test_a_load(self) -> None:
        with Daemon().model("slow", load_ms=600_000) as daemon:
            said = self._interrupts(daemon, _program('client.lease("slow")'),
                                    lambda status: status["models"][0]["state"] == "loading")
            self.assertEqual(said, ["interrupted"])
            eventually(lambda: daemon.is_idle() and daemon.model_row("slow")["waiting"] == 0, "nobody waits")

    def test_a_generation_and_the_lease_is_usable(self) -> None:
        blocking = """
            with client.lease("endless") as model:
                try:
                    model.chat("Go on.")
                finally:
                    print(model.complete("still", max_tokens=3).result.output_tokens)"""
        with Daemon().model("endless", **_ENDLESS) as daemon:
            said = self._interrupts(daemon, _program(blocking), lambda status: status["generations"])
            self.assertEqual(said, ["3", "interrupted"])
            eventually(daemon.is_idle, "the generation was cancelled and the lease released")

    def test_a_stream(self) -> None:
        blocking = """
            with client.lease("endless") as model:
                stream = model.stream("Go on.")
                try:
                    for chunk in stream:
                        pass
                finally:
                    while stream.next() is not None:
                        pass
                    print(stream.result.finish.name)"""
        with Daemon().model("endless", **_ENDLESS) as daemon:
            said = self._interrupts(daemon, _program(blocking),
                                    lambda status: status["generations"] and status["generations"][0]["output_tokens"])
            self.assertEqual(said, ["CANCELLED", "interrupted"])

    def test_a_release(self) -> None:
        with Daemon().model("sticky", unload_ms=600_000) as daemon:
            said = self._interrupts(daemon, _program('client.lease("sticky").release()'),
                                    lambda status: status["models"][0]["state"] == "unloading")
            self.assertEqual(said, ["interrupted"])
            self.assertTrue(daemon.is_idle())

    def test_the_opening_of_a_client(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as silent:
            silent.bind(folder + "/api.sock")
            silent.listen()
            script = Script("""
import gpumodel
try:
    gpumodel.Client(timeout=600)
except KeyboardInterrupt:
    print("interrupted")
""", folder + "/api.sock")
            peer, _ = silent.accept()
            with peer:
                self.assertTrue(peer.recv(1))  # its hello, which is not answered
                eventually(script.is_asleep, "it waits for the answer")
                script.interrupt()
                self.assertEqual(script.finish(), ["interrupted"])

    def test_a_wait_of_asyncio(self) -> None:
        blocking = """
            async def main():
                async with aio.Client() as client, client.lease("endless") as model:
                    await model.chat("Go on.")
            asyncio.run(main())"""
        with Daemon().model("endless", **_ENDLESS) as daemon:
            said = self._interrupts(daemon, _program(blocking), lambda status: status["generations"])
            self.assertEqual(said, ["interrupted"])
            self.assertTrue(daemon.is_idle())

    def test_a_model_manager(self) -> None:
        blocking = """
            from gpumodel import compat
            with compat.get_model_manager().use_model("endless") as model:
                model.generate_modeling("Go on.")"""
        with Daemon().model("endless", **_ENDLESS) as daemon:
            said = self._interrupts(daemon, _program(blocking), lambda status: status["generations"])
            self.assertEqual(said, ["interrupted"])
            self.assertTrue(daemon.is_idle())

    def test_nothing_that_is_raised_while_the_library_tells_events_is_lost(self) -> None:
        text = """
import collections, ctypes, signal, sys
from gpumodel import _connection, _library
lost = []
sys.unraisablehook = lost.append
news, raised, caught = collections.deque(), collections.deque(), 0
callback = _library.EventFunction(_connection._keeper(news, raised))
event = _library.sized(_library.GmEvent, type=2)
armed, alarms = False, 0
def alarm(*_):
    global armed, alarms
    if armed:
        armed, alarms = False, alarms + 1
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
while alarms < 500:
    try:
        armed = True
        while armed:
            callback(None, ctypes.byref(event), None)
    except KeyboardInterrupt:
        caught += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(len(lost), caught + len(raised) == alarms, len(raised) > 0)
"""
        with Daemon() as daemon:
            self.assertEqual(Script(text, daemon.socket).finish(), ["0 True True"])

    def test_a_handler_that_does_not_raise_ends_nothing(self) -> None:
        text = """
import gpumodel, signal
alarms = []
signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
with gpumodel.Client() as client, client.lease("steady") as model:
    for _ in range(20):
        client.status()
    text = model.complete("on", max_tokens=30)
signal.setitimer(signal.ITIMER_REAL, 0)
print(text.result.output_tokens, len(alarms) > 3)
"""
        with Daemon().model("steady", token_ms=10) as daemon:
            self.assertEqual(Script(text, daemon.socket).finish(), ["30 True"])


if __name__ == "__main__":
    unittest.main()
