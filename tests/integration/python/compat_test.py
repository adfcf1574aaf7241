"""gpumodel.compat on a real daemon with the fake engine."""

from __future__ import annotations

import asyncio
import os
import threading
import unittest
import warnings
from typing import Any

import gpumodel
from daemon import FORTY, Daemon, eventually
from gpumodel import compat
from gpumodel.compat import ModelManager, ModelStatus, Progress

_MODEL: dict[str, Any] = {"token_ms": 1, "eos_after": 3}
_NAMES = ("concept", "relationship", "attribute")


def three() -> Daemon:
    """Of which the device holds one."""
    daemon = Daemon()
    for name in _NAMES:
        daemon.model(name, **_MODEL, **FORTY)
    return daemon


class ManagerTest(unittest.IsolatedAsyncioTestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = (three().model("kept", "auto_unload = false", **_MODEL)
                      .model("slow", load_ms=600_000).start())
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def manager(self, **arguments: Any) -> ModelManager:
        manager = ModelManager(self.daemon.socket, **arguments)
        self.addCleanup(eventually, self.daemon.is_idle, "everything is given back")
        self.addCleanup(manager.shutdown)
        return manager

    def test_a_scope_loads_and_gives_the_memory_back(self) -> None:
        manager = self.manager()
        for name in _NAMES:  # each would not fit beside another
            before = manager.get_status(name)
            with manager.use_model(name) as model:
                self.assertEqual(manager.get_status(name), ModelStatus.READY)
                self.assertGreater(manager.get_memory()["cpu"].used, 40 << 20)
                self.assertIsInstance(model.generate_modeling("A prompt."), str)
            self.assertIn(before, (ModelStatus.NOT_LOADED, ModelStatus.UNLOADED))
            self.assertEqual(manager.get_status(name), ModelStatus.UNLOADED)
            memory = manager.get_memory()["cpu"]
            self.assertEqual((memory.used, memory.total), (0, 64 << 20))

    def test_prompts_are_texts_or_chat_messages(self) -> None:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name three."}]
        manager = self.manager()
        with manager.use_model("concept") as model:
            self.assertEqual(model.generate_modeling("Name three."), model.lease.complete("Name three."))
            self.assertEqual(model.generate_modeling(messages), model.lease.chat(messages))
            self.assertNotEqual(model.generate_modeling(messages), model.generate_modeling("Name three."))
            self.assertEqual(model.generate_modeling("x", max_tokens=1).result.output_tokens, 1)

    def test_a_model_kept_after_its_scope_fails_clearly(self) -> None:
        for manager in (self.manager(), self.manager(auto_unload=False)):
            with manager.use_model("concept") as model:
                pass
            with self.assertRaisesRegex(compat.ModelUnloadedError, "'concept' was given back when its scope ended"):
                model.generate_modeling("x")
            manager.shutdown()

    def test_the_same_model_nested(self) -> None:
        for manager in (self.manager(), self.manager(auto_unload=False)):
            with manager.use_model("concept") as outer:
                with manager.use_model("concept") as inner:
                    self.assertEqual(inner.generate_modeling("x"), outer.generate_modeling("x"))
                self.assertEqual(manager.get_status("concept"), ModelStatus.READY)
                self.assertEqual(outer.generate_modeling("still").result.output_tokens, 3)
            manager.shutdown()
            self.assertEqual(manager.get_status("concept"), ModelStatus.UNLOADED)

    def test_without_auto_unload_it_stays_until_it_is_unloaded(self) -> None:
        manager = self.manager(auto_unload=False)
        with manager.use_model("concept") as model:
            model.generate_modeling("x")
        self.assertEqual(manager.get_status("concept"), ModelStatus.READY)
        self.assertEqual(self.daemon.model_row("concept")["leases"], 1)
        with manager.use_model("concept"):
            self.assertEqual(self.daemon.model_row("concept")["leases"], 1)
        report = manager.unload_model("concept")
        assert report is not None
        self.assertEqual(report.outcome, gpumodel.Outcome.FREED)
        self.assertIsNone(manager.unload_model("concept"))
        self.assertEqual(manager.get_status("concept"), ModelStatus.UNLOADED)

    async def test_get_or_load_model_holds_it(self) -> None:
        manager = self.manager()
        model = await manager.get_or_load_model("concept")
        again = await manager.get_or_load_model("concept")
        with manager.use_model("concept") as scoped:
            self.assertEqual(len({one.generate_modeling("x") for one in (model, again, scoped)}), 1)
        self.assertEqual(self.daemon.model_row("concept")["leases"], 1)
        self.assertEqual(model.generate_modeling("x").result.output_tokens, 3)
        manager.unload_model("concept")
        for one in (model, again):
            with self.assertRaisesRegex(compat.ModelUnloadedError, "unload_model"):
                one.generate_modeling("x")

    async def test_an_idle_model_that_is_held_lends_its_memory(self) -> None:
        manager = self.manager(auto_unload=False)
        concept = await manager.get_or_load_model("concept")
        attribute = await manager.get_or_load_model("attribute")
        self.assertEqual(manager.get_status("concept"), ModelStatus.UNLOADED)
        self.assertEqual(concept.generate_modeling("x").result.output_tokens, 3)
        self.assertEqual(attribute.generate_modeling("x").result.output_tokens, 3)

    async def test_cancelling_gives_up_the_wait(self) -> None:
        manager = self.manager()
        loading = asyncio.create_task(manager.get_or_load_model("slow"))
        while await asyncio.to_thread(manager.get_status, "slow") != ModelStatus.LOADING:
            await asyncio.sleep(0.01)
        loading.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await loading
        await asyncio.to_thread(eventually, lambda: not self.daemon.model_row("slow")["waiting"], "nobody waits")

    async def test_several_tasks_get_one_lease(self) -> None:
        manager = self.manager()
        models = await asyncio.gather(*(manager.get_or_load_model("concept") for _ in range(8)))
        eventually(lambda: self.daemon.model_row("concept")["leases"] == 1, "one is held")
        self.assertEqual(len({model.generate_modeling("x") for model in models}), 1)

    async def test_progress_is_told(self) -> None:
        heard: list[tuple[Progress, int]] = []
        manager = self.manager(progress_callback=lambda progress: heard.append((progress, threading.get_ident())))
        with manager.use_model("concept"):
            pass
        statuses = [progress.status for progress, _ in heard]
        self.assertEqual(statuses[-2:], [ModelStatus.READY, ModelStatus.UNLOADED])
        self.assertEqual(set(statuses[:-2]) | {ModelStatus.LOADING}, {ModelStatus.LOADING})
        heard.clear()
        await manager.get_or_load_model("concept")
        await asyncio.sleep(0)
        self.assertEqual({thread for _, thread in heard}, {threading.get_ident()})
        self.assertEqual(heard[-1][0], Progress("concept", ModelStatus.READY, 1.0))
        own: list[Progress] = []
        with manager.use_model("concept", progress_callback=own.append):  # held already: there is nothing to tell
            pass
        self.assertEqual(own, [])

    def test_no_error_hides_the_applications_own(self) -> None:
        with self.assertRaisesRegex(ValueError, "its own"):
            with self.manager().use_model("concept"):
                raise ValueError("its own")

    def test_an_unknown_model(self) -> None:
        manager = self.manager()
        with self.assertRaises(gpumodel.NoModelError):
            manager.get_status("concpt")
        with self.assertRaises(gpumodel.NoModelError):
            with manager.use_model("concpt"):
                pass

    def test_what_the_daemon_keeps_is_told_once(self) -> None:
        manager = self.manager()
        with self.assertWarnsRegex(compat.ConfigurationWarning, r"keeps kept .* \[models.kept\] auto_unload"):
            with manager.use_model("kept"):
                pass
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with manager.use_model("kept"):
                pass

    def test_threads_share_a_manager(self) -> None:
        manager = self.manager()
        failed: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for _ in range(3):
                    with manager.use_model(name) as model:
                        model.generate_modeling("x")
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in _NAMES * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_a_forked_child_connects_anew(self) -> None:
        manager = self.manager(auto_unload=False)
        with manager.use_model("concept"):
            pass
        child = os.fork()
        if child == 0:
            said = 1
            try:
                with manager.use_model("concept") as model:
                    said = 0 if model.generate_modeling("x") else 2
                manager.shutdown()
            except BaseException:
                said = 3
            finally:
                os._exit(said)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


class RestartTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_daemon_that_was_restarted_is_found_again(self) -> None:
        with three() as daemon:
            manager = ModelManager(daemon.socket)
            held = await manager.get_or_load_model("concept")
            with manager.use_model("attribute") as model:
                model.generate_modeling("x")
            daemon.kill()
            with self.assertRaises(gpumodel.ConnectionFailedError):
                held.generate_modeling("x")
            with self.assertRaises(gpumodel.NoDaemonError):
                manager.get_status("concept")
            self.assertIsNone(manager.unload_model("concept"))
            with self.assertRaisesRegex(compat.ModelUnloadedError, "lost"):
                held.generate_modeling("x")
            daemon.start()
            with manager.use_model("attribute") as model:
                self.assertEqual(model.generate_modeling("x").result.output_tokens, 3)
            with manager.use_model("concept") as model:
                self.assertEqual(model.generate_modeling("x").result.output_tokens, 3)
            manager.shutdown()


if __name__ == "__main__":
    unittest.main()
