"""gpumodel.aio on a real daemon with the fake engine."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import unittest
import warnings
from collections.abc import Callable
from typing import Any
from unittest import mock

import gpumodel
from daemon import FORTY, PATIENCE_S, Daemon
from gpumodel import aio

_ENDLESS: dict[str, Any] = {"token_ms": 5, "context_tokens": 1 << 20, "kv_bytes_per_token": 1}


async def eventually(is_so: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.01)


class AioTest(unittest.IsolatedAsyncioTestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = (Daemon()
                      .model("concept", token_ms=1, eos_after=5).model("attribute", token_ms=1, eos_after=5)
                      .model("endless", **_ENDLESS).model("slow", load_ms=600_000)
                      .model("held", 'idle_grace = "never"', **FORTY).model("other", **FORTY).start())
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def client(self, **arguments: Any) -> aio.Client:
        return aio.Client(self.daemon.socket, **arguments)

    async def asyncTearDown(self) -> None:
        await eventually(self.daemon.is_idle, "everything is given back")

    async def test_chat_and_stream(self) -> None:
        with gpumodel.Client(self.daemon.socket) as client, client.lease("concept") as model:
            expected = model.chat("Name three.")
        async with self.client() as async_client, async_client.lease("concept") as async_model:
            text = await async_model.chat("Name three.")
            self.assertEqual((text, text.tokens, text.result.finish), (expected, expected.tokens, gpumodel.Finish.STOP))
            stream = async_model.stream([{"role": "user", "content": "Name three."}])
            chunks = [chunk async for chunk in stream]
            self.assertEqual("".join(map(str, chunks)), expected)
            self.assertEqual(stream.result.output_tokens, 5)
            once, again = [await async_model.complete("x", max_tokens=1) for _ in range(2)]
            self.assertEqual(once, again)

    async def test_the_release_reports_what_was_measured(self) -> None:
        async with self.client() as client:
            lease = await client.lease("concept")
            report = await lease.release()
            assert report is not None
            self.assertEqual((report.outcome, report.residual_bytes), (gpumodel.Outcome.FREED, 0))
            self.assertEqual(await lease.release(), report)

    async def test_many_streams_of_one_client(self) -> None:
        async with self.client() as client, client.leases("concept", "attribute") as models:
            async def one(number: int) -> tuple[str, gpumodel.Text]:
                prompt = f"prompt {number}"
                return prompt, await models[number % 2].complete(prompt, max_tokens=4)

            texts = await asyncio.gather(*map(one, range(16)))
            for prompt, text in texts:
                self.assertEqual(text.result.output_tokens, 4, prompt)
            self.assertEqual({lease["app"] for lease in (await client.status())["leases"]}, {"run.py"})

    async def test_no_thread_waits_for_leases_and_generations(self) -> None:
        async with self.client() as client:
            with mock.patch.object(threading.Thread, "start", side_effect=AssertionError("a thread was started")):
                async with client.lease("concept") as model:
                    await model.chat("Name three.")
                    async for _ in model.stream("x"):
                        pass

    async def test_other_tasks_run_meanwhile(self) -> None:
        async with self.client() as client, client.lease("endless") as model:
            generation = asyncio.create_task(model.chat("Go on.", max_tokens=40))
            turns = 0
            while not generation.done():
                await asyncio.sleep(0.001)
                turns += 1
            self.assertEqual((await generation).result.output_tokens, 40)
            self.assertGreater(turns, 1)

    async def test_cancelling_ends_the_generation(self) -> None:
        async with self.client() as client, client.lease("endless") as model:
            stream = model.stream("Go on.")
            reading = asyncio.create_task(stream.read())
            await eventually(lambda: self.daemon.status()["generations"], "it generates")
            reading.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await reading
            while await stream.next() is not None:
                pass
            self.assertEqual(stream.result.finish, gpumodel.Finish.CANCELLED)
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await model.chat("Go on.")
            self.assertEqual((await model.chat("still", max_tokens=2)).result.output_tokens, 2)

    async def test_leaving_the_loop_over_a_stream_ends_it(self) -> None:
        async with self.client() as client, client.lease("endless") as model:
            async with model.stream("Go on.") as stream:
                async for _ in stream:
                    break
            await eventually(lambda: not self.daemon.status()["generations"], "it was cancelled")

    async def test_a_chunk_may_be_late(self) -> None:
        async with self.client() as client, client.lease("endless") as model:
            async with model.stream("hang") as stream:
                with self.assertRaises(gpumodel.TimeoutError) as caught:
                    await stream.next(timeout=0.02)
                self.assertEqual(caught.exception.name, "timeout")
                self.assertEqual(len(self.daemon.status()["generations"]), 1)

    async def test_cancelling_gives_up_the_wait_for_a_lease(self) -> None:
        for name, is_waited_for in (("other", lambda: self.daemon.status()["queue"]),
                                    ("slow", lambda: self.daemon.model_row("slow")["state"] == "loading")):
            async with self.client() as client, client.lease("held"):
                waiting = asyncio.ensure_future(_acquire(client, name))
                await eventually(is_waited_for, f"{name} is waited for")
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting
                await eventually(lambda: not self.daemon.model_row(name)["waiting"], "the wait is given up")

    async def test_progress_and_the_daemons_events(self) -> None:
        heard: list[gpumodel.Event] = []
        told: list[gpumodel.Event] = []
        threads: set[int] = set()

        def tell(event: gpumodel.Event) -> None:
            told.append(event)
            threads.add(threading.get_ident())

        async with self.client(on_event=tell) as client:
            await client.subscribe()
            holder = await client.lease("held")
            waiting = asyncio.ensure_future(_acquire(client, "other", on_progress=heard.append))
            await eventually(lambda: heard, "progress was told")
            self.assertEqual((heard[0].type, heard[0].position), (gpumodel.EventType.QUEUED, 1))
            await holder.release()
            async with await waiting:
                pass
            await eventually(lambda: {"granted", "loaded"} <= {event.data["type"] for event in told if event.data},
                             f"the daemon's events come: {told}")
            await client.subscribe(False)
            self.assertEqual(threads, {threading.get_ident()})

    async def test_reports_and_text_tools_while_a_stream_runs(self) -> None:
        async with self.client() as client, client.lease("endless") as model:
            generation = asyncio.create_task(model.chat("Go on.", max_tokens=50))
            tokens = await model.tokenize("two words")
            self.assertEqual(await model.detokenize(tokens), "two words")
            self.assertIn("Hi", await model.render("Hi"))
            self.assertIn("concept", [listed.name for listed in await client.models()])
            with self.assertRaises(gpumodel.NoModelError):
                await client.call("why", {"model": "concpt"})
            self.assertEqual((await generation).result.output_tokens, 50)

    async def test_errors_carry_their_detail(self) -> None:
        async with self.client() as client, client.lease("concept") as model:
            with self.assertRaises(gpumodel.NoModelError) as caught:
                await client.lease("concpt")
            self.assertEqual(caught.exception.detail["near"], ["concept"])
            with self.assertRaises(gpumodel.PromptTooLongError) as too_long:
                await model.complete("word " * 5000)
            self.assertEqual(too_long.exception.detail["context_tokens"], 1024)
            with self.assertRaises(gpumodel.BusyError):
                async with client.lease("held"):
                    await client.lease("other", wait=0)

    async def test_no_error_hides_the_blocks_own(self) -> None:
        with self.assertRaisesRegex(ValueError, "its own"):
            async with self.client() as client, client.lease("concept"):
                raise ValueError("its own")

    async def test_what_is_closed_says_so(self) -> None:
        client = self.client()
        with self.assertRaises(gpumodel.StateError):
            await client.lease("concept")
        await client.open()
        lease = await client.lease("endless")
        waiting = asyncio.create_task(lease.chat("Go on."))
        await asyncio.sleep(0.05)
        client.close()
        with self.assertRaises(gpumodel.StateError):
            await waiting
        with self.assertRaises(gpumodel.StateError):
            await lease.chat("again")
        with self.assertRaises(gpumodel.StateError):
            await client.status()
        self.assertTrue(client.closed)

    async def test_what_was_forgotten_is_closed_with_a_warning(self) -> None:
        client: aio.Client | None = await self.client().open()
        assert client is not None
        lease: aio.Lease | None = await client.lease("concept")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client, lease
            await asyncio.sleep(0)  # the step that got the lease holds it still
            gc.collect()
        self.assertEqual([warning.category for warning in caught], [ResourceWarning])

    async def test_another_loop_is_refused(self) -> None:
        async with self.client() as client, client.lease("concept") as model:
            def elsewhere() -> None:
                with contextlib.closing(asyncio.new_event_loop()) as loop:
                    loop.run_until_complete(model.chat("x"))

            with self.assertRaisesRegex(gpumodel.StateError, "another event loop"):
                await asyncio.to_thread(elsewhere)

    async def test_the_end_of_the_daemon_reaches_everyone(self) -> None:
        with Daemon().model("endless", **_ENDLESS) as daemon:
            heard: list[gpumodel.Event] = []
            async with aio.Client(daemon.socket, on_event=heard.append) as client, client.lease("endless") as model:
                generations = [asyncio.create_task(model.chat("Go on.")) for _ in range(3)]
                await eventually(lambda: len(daemon.status()["generations"]) == 3, "they generate")
                daemon.kill()
                for generation in generations:
                    with self.assertRaises(gpumodel.DisconnectedError):
                        await generation
            self.assertIn(gpumodel.EventType.DISCONNECTED, [event.type for event in heard])


async def _acquire(client: aio.Client, name: str, **wishes: Any) -> aio.Lease:
    return await client.lease(name, **wishes)


if __name__ == "__main__":
    unittest.main()
