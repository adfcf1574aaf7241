"""gpumodel-openai with the real openai client, on a real daemon with the fake engine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any

import httpx2
import openai

import gpumodel
from daemon import FORTY, Daemon, eventually, from_environment

QUESTION: Any = [{"role": "user", "content": "Name three."}]
WEATHER: Any = [{"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object"}}}]


class Bridge:
    """gpumodel-openai as a process."""

    def __init__(self, daemon: Daemon, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [Path(from_environment("GPUMODEL_BIN_DIR")) / "gpumodel-openai", "--daemon", daemon.socket, *arguments],
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.says = self.process.stdout.readline()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


class OpenAiTest(unittest.TestCase):
    daemon: Daemon
    path: str
    bridge: Bridge

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = (Daemon().model("concept", token_ms=1, eos_after=5)
                      .model("endless", token_ms=5, context_tokens=1 << 20, kv_bytes_per_token=1).start())
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        cls.path = str(cls.daemon.folder / "http.sock")
        cls.bridge = Bridge(cls.daemon, "--socket", cls.path, "--wait", "0.2")
        cls.addClassCleanup(cls.bridge.__exit__)

    def client(self) -> openai.OpenAI:
        transport = httpx2.HTTPTransport(uds=self.path)
        client = openai.OpenAI(base_url="http://localhost/v1", api_key="none", max_retries=0,
                               http_client=openai.DefaultHttpxClient(transport=transport))
        self.addCleanup(client.close)
        return client

    def post(self, path: str, body: str | bytes, at: str | None = None) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(at or self.path)
        self.addCleanup(connection.close)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())

    def running(self) -> int:
        generations = self.daemon.status()["generations"]
        return generations if isinstance(generations, int) else len(generations)

    def test_the_socket_is_its_owner_s(self) -> None:
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_models(self) -> None:
        self.assertEqual({model.id for model in self.client().models.list()}, {"concept", "endless"})
        self.assertEqual(self.client().models.retrieve("concept").id, "concept")
        with self.assertRaises(openai.NotFoundError):
            self.client().models.retrieve("nothing")

    def test_an_answer_and_the_same_as_a_stream(self) -> None:
        whole = self.client().chat.completions.create(model="concept", messages=QUESTION)
        choice = whole.choices[0]
        assert whole.usage is not None and choice.message.content is not None
        self.assertEqual((choice.finish_reason, choice.message.role), ("stop", "assistant"))
        self.assertEqual(whole.usage.completion_tokens, 5)
        self.assertEqual(whole.usage.total_tokens, 5 + whole.usage.prompt_tokens)
        text, usage, reasons = "", None, []
        for chunk in self.client().chat.completions.create(model="concept", messages=QUESTION, stream=True,
                                                           stream_options={"include_usage": True}):
            usage = chunk.usage
            for one in chunk.choices:
                text += one.delta.content or ""
                reasons += [one.finish_reason] if one.finish_reason else []
        assert usage is not None
        self.assertEqual((text, reasons, usage.completion_tokens), (choice.message.content, ["stop"], 5))

    def test_lengths_and_choices(self) -> None:
        short = self.client().chat.completions.create(model="concept", messages=QUESTION, max_completion_tokens=2, n=3)
        self.assertEqual([choice.finish_reason for choice in short.choices], ["length"] * 3)
        assert short.usage is not None
        self.assertEqual(short.usage.completion_tokens, 6)
        older = self.client().completions.create(model="concept", prompt=["one", "two"], max_tokens=3, logprobs=1)
        self.assertEqual([choice.index for choice in older.choices], [0, 1])
        assert older.choices[0].logprobs is not None
        self.assertEqual(older.choices[0].logprobs.token_logprobs, [-0.5] * 3)

    def test_logprobs_of_a_chat(self) -> None:
        answer = self.client().chat.completions.create(model="concept", messages=QUESTION, logprobs=True, top_logprobs=2)
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None and logprobs.content is not None
        self.assertEqual([token.logprob for token in logprobs.content], [-0.5] * 5)
        self.assertEqual([len(token.top_logprobs) for token in logprobs.content], [2] * 5)

    def test_asyncio(self) -> None:
        async def ask() -> set[str | None]:
            transport = httpx2.AsyncHTTPTransport(uds=self.path)
            async with openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="none",
                                          http_client=openai.DefaultAsyncHttpxClient(transport=transport)) as client:
                answers = await asyncio.gather(*(client.chat.completions.create(model="concept", messages=QUESTION)
                                                 for _ in range(8)))
            return {answer.choices[0].message.content for answer in answers}
        self.assertEqual(len(asyncio.run(ask())), 1)

    def test_tools_are_passed_through(self) -> None:
        messages: Any = [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
        answer = self.client().chat.completions.create(model="concept", messages=messages, tools=WEATHER)
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_errors_name_what_is_wrong(self) -> None:
        def refused(kind: type[openai.APIStatusError], param: str | None, **arguments: Any) -> None:
            with self.assertRaises(kind) as caught:
                self.client().chat.completions.create(**{"model": "concept", "messages": QUESTION, **arguments})
            self.assertEqual(caught.exception.body["param"], param)  # type: ignore[index]
        refused(openai.NotFoundError, "model", model="nothing")
        refused(openai.BadRequestError, "temperature", temperature=-1)
        refused(openai.BadRequestError, "messages", messages=[])
        refused(openai.BadRequestError, "messages[0].content",
                messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])
        refused(openai.BadRequestError, "tool_choice", tools=WEATHER, tool_choice="required")
        refused(openai.BadRequestError, "response_format", response_format={"type": "grammar"})
        refused(openai.BadRequestError, "frobnicate", extra_body={"frobnicate": 1})
        self.client().chat.completions.create(model="concept", messages=QUESTION, user="me", metadata={"a": "b"}, store=False)

    def test_hostile_bodies(self) -> None:
        for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"model": 3}', b'{"model": "concept"}', b'{"model":"concept","n":1e400}',
                     b'{"model":"concept","messages":' + b"[" * 100_000,
                     b'{"model":"concept","messages":[{"role":"user","content":"x"}],"tools":[{"type":3}]}',
                     b'{"model":"concept","messages":[{"role":"user","content":"x"}],"tools":'
                     + b"[" * 200_000 + b"]" * 200_000 + b"}"):
            status, _, answer = self.post("/v1/chat/completions", body)
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"), body[:40])
        self.assertEqual(self.post("/v1/chat/completions", b" " * (9 << 20))[0], 413)
        self.assertEqual(self.post("/v1/embeddings", b"{}")[0], 404)

    def test_a_client_that_goes_away_cancels(self) -> None:
        for stream in (True, False):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.path)
            body = json.dumps({"model": "endless", "prompt": "x", "max_tokens": 100_000, "stream": stream})
            connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            eventually(lambda: self.running() == 1, "it runs")
            connection.close()
            eventually(lambda: self.running() == 0, f"stream={stream}: it was cancelled")

    def test_a_busy_device_is_told_with_a_time_to_come_back(self) -> None:
        with Daemon().model("one", **FORTY).model("other", **FORTY) as daemon:
            path = str(daemon.folder / "http.sock")
            with Bridge(daemon, "--socket", path, "--wait", "0.3"), gpumodel.Client(daemon.socket) as holder, \
                    holder.lease("one") as model, model.stream("x", max_tokens=1) as stream:
                list(stream)
                begun = time.monotonic()
                with concurrent.futures.ThreadPoolExecutor(4) as pool:
                    answers = list(pool.map(lambda _: self.post("/v1/completions", b'{"model":"other","prompt":"x"}', path),
                                            range(4)))
                for status, headers, answer in answers:
                    self.assertEqual((status, answer["error"]["type"]), (429, "rate_limit_error"))
                    self.assertGreater(int(headers["Retry-After"]), 0)
                self.assertLess(time.monotonic() - begun, 10)  # not one wait after the other

    def test_a_daemon_that_was_restarted_is_asked_again(self) -> None:
        with Daemon().model("concept", token_ms=1, eos_after=5) as daemon:
            path = str(daemon.folder / "http.sock")
            with Bridge(daemon, "--socket", path):
                body = b'{"model":"concept","prompt":"x"}'
                self.assertEqual(self.post("/v1/completions", body, path)[0], 200)
                daemon.kill()
                self.assertEqual(self.post("/v1/completions", body, path)[0], 503)
                daemon.start()
                self.assertEqual(self.post("/v1/completions", body, path)[0], 200)

    def test_a_bad_request_costs_nobody_the_lease(self) -> None:
        self.post("/v1/completions", b'{"model":"concept","prompt":"x"}')
        lease = [row["id"] for row in self.daemon.status()["leases"]]
        self.assertEqual(self.post("/v1/completions", b'{"model":"concept","prompt":"x","stop":""}')[0], 400)
        self.assertEqual([row["id"] for row in self.daemon.status()["leases"]], lease)

    def test_loopback_wants_its_key(self) -> None:
        key_file = self.daemon.folder / "key"
        with Bridge(self.daemon, "--listen", "127.0.0.1:0", "--key-file", str(key_file)) as bridge:
            url = re.search(r"http://\S+?/v1", bridge.says)
            assert url is not None
            self.assertEqual(stat.S_IMODE(key_file.stat().st_mode), 0o600)
            for key, is_right in (("wrong", False), (key_file.read_text().strip(), True)):
                with openai.OpenAI(base_url=url[0], api_key=key, max_retries=0) as client:
                    if is_right:
                        self.assertEqual(len(client.models.list().data), 2)
                    else:
                        self.assertRaises(openai.AuthenticationError, client.models.list)

    def test_only_loopback_and_a_private_key(self) -> None:
        program = Path(from_environment("GPUMODEL_BIN_DIR")) / "gpumodel-openai"
        open_key = self.daemon.folder / "open-key"
        open_key.write_text("a key that everybody reads\n")
        open_key.chmod(0o644)
        for arguments, words in ((["--listen", "0.0.0.0:0", "--key-file", str(self.daemon.folder / "key2")], "only 127.0.0.1"),
                                 (["--listen", "127.0.0.1:0", "--key-file", str(open_key)], "others can read it"),
                                 (["--socket", self.path], "somebody serves there"),
                                 (["--socket", str(open_key)], "no socket")):
            done = subprocess.run([program, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
        self.assertTrue(open_key.exists())

    def test_a_stop_lets_requests_end(self) -> None:
        path = str(self.daemon.folder / "stop.sock")
        with Bridge(self.daemon, "--socket", path) as bridge:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(path)
            connection.request("POST", "/v1/completions", json.dumps({"model": "endless", "prompt": "x", "max_tokens": 60}))
            eventually(lambda: self.running() == 1, "it runs")
            bridge.process.send_signal(signal.SIGTERM)
            self.assertEqual(json.loads(connection.getresponse().read())["choices"][0]["finish_reason"], "length")
            connection.close()
            self.assertEqual(bridge.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
