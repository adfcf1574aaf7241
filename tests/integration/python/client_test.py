"""gpumodel.Client, its leases and streams, on a real daemon with the fake engine."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import unittest
from typing import Any

import gpumodel
from daemon import FORTY, Daemon, Script, eventually


class ClientTest(unittest.TestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = (Daemon().model("concept", token_ms=1, eos_after=5).model("attribute", token_ms=1, eos_after=5)
                      .model("endless", token_ms=5, context_tokens=1 << 20, kv_bytes_per_token=1)
                      .model("held", 'idle_grace = "never"', **FORTY).model("other", **FORTY).start())
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def client(self, **arguments: Any) -> gpumodel.Client:
        client = gpumodel.Client(self.daemon.socket, **arguments)
        self.addCleanup(client.close)
        return client

    def test_a_text_has_its_tokens_and_its_result(self) -> None:
        with self.client().lease("concept") as model:
            text = model.chat([{"role": "user", "content": "Name three."}], logprobs=True, top_logprobs=2)
            self.assertEqual(text, model.chat("Name three."))
            self.assertEqual(len(text.tokens), 5)
            self.assertEqual(text.logprobs, [-0.5] * 5)
            assert text.top_logprobs is not None
            self.assertEqual([row[0] for row in text.top_logprobs], [(token, -0.5) for token in text.tokens])
            self.assertEqual(text.result.finish, gpumodel.Finish.STOP)
            self.assertEqual(model.complete("x", max_tokens=2).result.finish, gpumodel.Finish.LENGTH)

    def test_a_stream_has_the_same_text(self) -> None:
        with self.client().lease("concept") as model:
            whole = model.complete("a prompt")
            with model.stream("a prompt") as stream:
                with self.assertRaises(gpumodel.StateError):
                    stream.result  # noqa: B018
                self.assertEqual("".join(chunk.text for chunk in stream), whole)
                self.assertEqual(stream.result.output_tokens, 5)

    def test_the_text_tools(self) -> None:
        with self.client().lease("concept") as model:
            tokens = model.tokenize("two words")
            self.assertEqual(model.detokenize(tokens), "two words")
            self.assertEqual((model.tokenize(""), model.complete(tokens)), ([], model.complete("two words")))
            self.assertIn("Hi", model.render("Hi"))

    def test_a_release_is_measured_and_a_residual_told(self) -> None:
        client = self.client()
        report = client.lease("concept").release()
        assert report is not None
        self.assertEqual((report.outcome, report.residual_bytes), (gpumodel.Outcome.FREED, 0))
        self.assertGreaterEqual(report.freed_bytes, 1 << 20)

    def test_all_or_none(self) -> None:
        client = self.client()
        with client.leases("concept", "attribute", "concept") as models:
            self.assertEqual([model.model for model in models], ["concept", "attribute", "concept"])
            self.assertEqual(len({model.info.id for model in models}), 3)
        with self.assertRaises(gpumodel.NoModelError):
            client.leases("concept", "concpt")
        self.assertTrue(self.daemon.is_idle())

    def test_errors_carry_their_detail(self) -> None:
        client = self.client()
        with self.assertRaises(gpumodel.NoModelError) as caught:
            client.lease("concpt")
        error = caught.exception
        self.assertIsInstance(error, LookupError)
        self.assertEqual((error.code, error.name, error.detail, error.retryable),
                         (-40, "no_model", {"near": ["concept"]}, False))
        self.assertIn("concept", str(error))
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), copy.__dict__), (type(error), error.__dict__))
        with client.lease("held"), self.assertRaises(gpumodel.BusyError) as busy:
            client.lease("other", wait=0)
        self.assertTrue(busy.exception.retryable)
        with client.lease("concept") as model:
            with self.assertRaises(gpumodel.PromptTooLongError) as too_long:
                model.complete("word " * 5000)
            self.assertEqual(too_long.exception.detail["context_tokens"], 1024)

    def test_what_nobody_could_mean_is_refused_before_it_is_sent(self) -> None:
        client = self.client()
        with client.lease("concept") as model:
            for wrong in ({"max_tokens": 1 << 40}, {"logit_bias": {1 << 40: 1.0}}, {"deadline": -1}):
                with self.assertRaises(ValueError):
                    model.complete("x", **wrong)
            with self.assertRaises(TypeError):
                model.complete("x", max_token=3)  # type: ignore[call-arg]
            with self.assertRaises(ValueError):
                model.complete("x", stop="a\0b")
            with self.assertRaises(ValueError):
                model.complete([])
        with self.assertRaises(TypeError):
            client.lease("concept", waits=3)  # type: ignore[call-arg]

    def test_a_closed_client_says_so(self) -> None:
        client = self.client()
        lease = client.lease("concept")
        client.close()
        for use in (lambda: client.models(), lambda: lease.complete("x"), lambda: client.fileno()):
            with self.assertRaises(gpumodel.StateError):
                use()
        eventually(self.daemon.is_idle, "its leases ended")

    def test_a_forgotten_lease_is_given_back(self) -> None:
        client = self.client()
        lease = client.lease("endless")
        stream = lease.stream("Go on.")
        next(stream)
        del lease, stream
        gc.collect()
        eventually(self.daemon.is_idle, "the lease and its generation ended")
        self.assertEqual(client.lease("concept").complete("x", max_tokens=1).result.output_tokens, 1)

    def test_a_stream_keeps_what_it_needs(self) -> None:
        stream = gpumodel.Client(self.daemon.socket).lease("concept").stream("x")
        gc.collect()
        self.assertEqual(len(list(stream)), 5)
        del stream
        eventually(self.daemon.is_idle, "the connection ended with it")

    def test_threads_share_a_client(self) -> None:
        client = self.client()
        texts: dict[int, str] = {}

        def work(number: int) -> None:
            for _ in range(5):
                with client.lease(("concept", "attribute")[number % 2]) as model:
                    texts[number] = model.complete(f"prompt {number}")
                    client.status()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with client.leases("concept", "attribute") as models:
            self.assertEqual(texts, {number: models[number % 2].complete(f"prompt {number}") for number in range(8)})

    def test_closing_under_another_threads_call(self) -> None:
        client = self.client()
        lease = client.lease("endless")
        ended: list[BaseException] = []

        def read() -> None:
            try:
                lease.chat("Go on.")
            except gpumodel.Error as error:
                ended.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        eventually(lambda: self.daemon.status()["generations"], "it generates")
        client.close()
        thread.join()
        self.assertEqual([type(error) for error in ended], [gpumodel.StateError])

    def test_a_forked_child_cannot_use_it_and_harms_nothing(self) -> None:
        client = self.client()
        lease = client.lease("concept")
        child = os.fork()
        if child == 0:
            said = 1
            try:
                refused = 0
                for use in (lambda: client.status(), lambda: lease.complete("x")):
                    try:
                        use()
                    except gpumodel.ForkedError:
                        refused += 1
                lease.close()
                client.close()
                with gpumodel.Client(self.daemon.socket) as own, own.lease("concept") as model:
                    said = 0 if refused == 2 and model.complete("x", max_tokens=1) else 2
            finally:
                os._exit(said)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(lease.complete("x", max_tokens=1).result.output_tokens, 1)

    def test_what_a_callback_raises_hinders_nothing(self) -> None:
        text = """
import gpumodel, sys
sys.unraisablehook = lambda unraisable: print(unraisable.exc_value)
def hear(event): raise ValueError(event.type.name)
with gpumodel.Client() as client, client.lease("attribute", on_progress=hear) as model:
    print(model.complete("x", max_tokens=1).result.output_tokens)
"""
        said = Script(text, self.daemon.socket).finish()
        self.assertEqual((set(said[:-1]) <= {"LOADING", "QUEUED"}, said[-1]), (True, "1"))

    def test_events_tell_of_loads_and_losses(self) -> None:
        told: list[gpumodel.Event] = []
        ended: list[gpumodel.Event] = []
        client = self.client(on_event=told.append)
        client.subscribe()
        lease = client.lease("concept", on_ended=ended.append)
        self.client().call("revoke", {"lease": lease.info.id})
        eventually(lambda: client.dispatch(0.01) and ended, "the loss is told")
        self.assertIs(ended[0].lease, lease)
        with self.assertRaises(gpumodel.LeaseLostError):
            lease.complete("x")
        self.assertIn("loaded", [event.data["type"] for event in told if event.data])

    def test_programs_are_known_by_their_scripts(self) -> None:
        with self.client().lease("concept"), self.client(app="by another name").lease("concept"):
            self.assertEqual({lease["app"] for lease in self.daemon.status()["leases"]}, {"run.py", "by another name"})


class LossTest(unittest.TestCase):
    def test_the_end_of_the_daemon_is_told_with_its_error(self) -> None:
        with Daemon().model("concept") as daemon:
            heard: list[gpumodel.EventType] = []
            client = gpumodel.Client(daemon.socket, on_event=lambda event: heard.append(event.type))
            lease = client.lease("concept")
            daemon.kill()
            with self.assertRaises(gpumodel.DisconnectedError):
                lease.complete("x")
            self.assertEqual(heard[-1], gpumodel.EventType.DISCONNECTED)
            with self.assertRaises(gpumodel.DisconnectedError):
                client.status()
            self.assertEqual(heard.count(gpumodel.EventType.DISCONNECTED), 1)
            client.close()


class ResidualTest(unittest.TestCase):
    def test_memory_that_does_not_come_back_is_an_error_with_its_report(self) -> None:
        daemon = Daemon(daemon_keys='residual_threshold = "1 MiB"').model("leaky", tensor_bytes=8 << 20,
                                                                           residual_bytes=4 << 20)
        with daemon, gpumodel.Client(daemon.socket) as client:
            with self.assertRaises(gpumodel.ResidualError) as caught:
                with client.lease("leaky"):
                    pass
            self.assertGreaterEqual(caught.exception.detail["residual_bytes"], 4 << 20)


if __name__ == "__main__":
    unittest.main()
