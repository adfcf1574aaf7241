"""What gpumodel.compat makes of what an application says at its start."""

from __future__ import annotations

import asyncio
import json
import tempfile
import unittest
import warnings
from pathlib import Path
from typing import Any

import gpumodel
from daemon import FORTY, Daemon
from gpumodel import compat
from gpumodel.compat import ModelManager, ModelStatus, Progress

_MODEL: dict[str, Any] = {"token_ms": 1, "eos_after": 3}
_NAMES = ("concept", "relationship", "attribute")


class StartupTest(unittest.IsolatedAsyncioTestCase):
    """initialize_models_on_startup, through the manager that it initialises."""

    async def _warned(self, daemon: Daemon, **arguments: Any) -> list[str]:
        manager = ModelManager(daemon.socket)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await manager.initialize(**arguments)
            if "concept_model_path" in arguments or "concept_adapter_path" in arguments:
                with manager.use_model("concept"):
                    pass
        manager.shutdown()
        return [str(one.message) for one in caught if one.category is compat.ConfigurationWarning]

    async def test_what_agrees_is_not_warned_of(self) -> None:
        with Daemon().model("concept", parameters=14_770_000_000, **_MODEL) as daemon:
            for path in ("Qwen/Qwen2.5-14B-Instruct", Path("/models/something"), "mistralai/Mixtral-8x7B-v0.1"):
                self.assertEqual(await self._warned(daemon, concept_model_path=path, gpu_memory_utilization=0.9), [])

    async def test_another_size(self) -> None:
        with Daemon().model("concept", parameters=7_600_000_000, **_MODEL) as daemon:
            warned = await self._warned(daemon, concept_model_path="Qwen/Qwen2.5-14B-Instruct")
        self.assertEqual(len(warned), 1)
        self.assertRegex(warned[0], r"Qwen2.5-14B-Instruct' was given, and the daemon serves a model of 7.6B .*"
                                    r"\[models.concept\] path")

    async def test_another_architecture(self) -> None:
        with Daemon().model("concept", **_MODEL) as daemon, tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps({"architectures": ["Qwen2ForCausalLM"]}))
            warned = await self._warned(daemon, concept_model_path=folder)
        self.assertEqual(len(warned), 1)
        self.assertIn("a Qwen2ForCausalLM, and the daemon serves a FakeForCausalLM", warned[0])

    async def test_an_adapter_that_is_not_there(self) -> None:
        with Daemon().model("concept", **_MODEL) as daemon:
            warned = await self._warned(daemon, concept_adapter_path="/path/to/adapter")
        self.assertEqual(len(warned), 1)
        self.assertIn("without an adapter", warned[0])

    async def test_an_adapter_that_was_not_expected(self) -> None:
        with Daemon().model("concept", **_MODEL) as daemon:
            adapter = daemon.folder / "models/lora"
            adapter.mkdir()
            (adapter / "fake.json").write_text(json.dumps({"tensor_bytes": 1 << 20}))
            daemon.kill()
            daemon.table("adapted", daemon.folder / "models/concept", f'adapter = "{adapter}"').start()
            manager = ModelManager(daemon.socket)
            with self.assertWarnsRegex(compat.ConfigurationWarning, "no adapted_adapter_path was given"):
                await manager.initialize(adapted_model_path="base")
                with manager.use_model("adapted"):
                    pass
            manager.shutdown()

    async def test_more_memory_than_was_meant(self) -> None:
        with Daemon().model("concept", **_MODEL, **FORTY) as daemon:
            warned = await self._warned(daemon, concept_model_path="base", gpu_memory_utilization=0.3)
        self.assertEqual(len(warned), 1)
        self.assertRegex(warned[0], r"gpu_memory_utilization=0.3 was given, and concept needs 0.6\d of the largest")

    async def test_tensor_parallel_size_is_the_daemons(self) -> None:
        with Daemon().model("concept", **_MODEL) as daemon:
            warned = await self._warned(daemon, concept_model_path="base", tensor_parallel_size=2)
        self.assertEqual(len(warned), 1)
        self.assertIn("tensor_parallel_size=2 was given", warned[0])

    async def test_what_cannot_be_is_refused(self) -> None:
        with Daemon().model("concept", **_MODEL) as daemon:
            for wrong in ({"gpu_memory_utilization": 1.5}, {"gpu_memory_utilization": 0}, {"tensor_parallel_size": 0}):
                with self.assertRaises(ValueError):
                    await self._warned(daemon, **wrong)
            with self.assertRaisesRegex(TypeError, "concept_path"):
                await self._warned(daemon, concept_path="base")
            with self.assertRaisesRegex(gpumodel.NoModelError, r"serves no attribute \(it serves concept\)"):
                await self._warned(daemon, concept_model_path="base", attribute_model_path="base")

    async def test_without_auto_unload_models_are_loaded_at_once_and_held(self) -> None:
        daemon = Daemon('[devices.cpu]\nmemory = "192 MiB"\n')
        for name in _NAMES:
            daemon.model(name, **_MODEL, **FORTY)
        with daemon:
            manager = ModelManager(daemon.socket)
            heard: list[Progress] = []
            await manager.initialize(auto_unload=False, progress_callback=heard.append, concept_model_path="base",
                                     relationship_model_path="base", attribute_model_path="base")
            self.assertEqual([manager.get_status(name) for name in _NAMES], [ModelStatus.READY] * 3)
            await asyncio.sleep(0)
            self.assertEqual([progress.model for progress in heard if progress.status == ModelStatus.READY],
                             list(_NAMES))
            await manager.initialize(auto_unload=True)
            self.assertEqual([manager.get_status(name) for name in _NAMES], [ModelStatus.UNLOADED] * 3)
            manager.shutdown()


if __name__ == "__main__":
    unittest.main()
