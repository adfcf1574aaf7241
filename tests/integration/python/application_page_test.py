"""Every Python example of the page of the application that gpumodel.compat serves, run as it stands but for the import,
on a real daemon with the real engine. The page is read where it lies."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import os
import re
import textwrap
import typing
import unittest
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gpumodel
from daemon import Daemon, demo_model, eventually, from_environment
from gpumodel import compat
from gpumodel.compat import ModelStatus

_PAGE = Path(os.environ.get("GPUMODEL_TESTDATA") or from_environment("GPUMODEL_TESTDATA_DEFAULT")) / \
    "application/context_manager_usage.md"
_NAMES = ("concept", "relationship", "attribute")
_IMPORT = ("from app.services.model_manager import", "from gpumodel.compat import")
# Enough for an answer, and little enough for a test of some seconds.
_CONTEXT_TOKENS = 96


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def completed(block: str) -> str:
    """With a body where the page has but a comment in its place."""
    try:
        ast.parse(_as_function(block))
    except IndentationError:
        indents = [len(line) - len(line.lstrip()) for line in block.splitlines() if line.strip()]
        return block.rstrip() + "\n" + " " * indents[-1] + "pass\n"
    return block


def _as_function(block: str) -> str:
    """Examples await and return where they stand. What they define is theirs to give out."""
    return f"async def example():\n{textwrap.indent(block, '    ')}\n    return locals()\n"


class Service:
    """What `self` is to the page's methods."""

    model_manager = compat.get_model_manager()

    def _build_concept_prompt(self, table_names: list[str], existing_concepts: Any) -> list[dict[str, str]]:
        return [{"role": "user", "content": f"Name the concepts of {', '.join(table_names)}."}]

    def _parse_ai_response(self, ai_response: str, cluster_id: int) -> list[str]:
        return ai_response.split()


def around() -> dict[str, Any]:
    """The names that the examples take for granted."""
    prompts = {name: "The entities of a shop are" for name in (
        "prompt", "prompt1", "prompt2", "concept_prompt", "rel_prompt", "attr_prompt")}
    return {**prompts, "List": typing.List, "Optional": typing.Optional, "Concept": str,
            "get_model_manager": compat.get_model_manager, "model_mgr": compat.get_model_manager(),
            "initialize_models_on_startup": compat.initialize_models_on_startup, "parse_result": str.split}


@unittest.skipUnless(_PAGE.exists(), f"the application's page is not there ({_PAGE.name})")
@unittest.skipUnless(demo_model(), "the engine was not built, or there is no demo model; tools/setup makes one")
@unittest.skipUnless(importlib.util.find_spec("torch"), "an example imports torch, which is not installed")
class ApplicationPageTest(unittest.IsolatedAsyncioTestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        folder = demo_model()
        assert folder is not None
        cls.daemon = Daemon('[devices.cpu]\nmemory = "512 MiB"\n')  # one model at a time
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        for name in _NAMES:
            own = cls.daemon.folder / name
            own.mkdir()
            for file in folder.iterdir():
                os.link(file, own / file.name) if os.stat(file).st_dev == os.stat(own).st_dev else \
                    (own / file.name).write_bytes(file.read_bytes())
            cls.daemon.table(name, own, f'context_tokens = {_CONTEXT_TOKENS}\ndtype = "int8"')
        cls.daemon.start(engine="real")
        eventually(lambda: all(cls.daemon.model_row(name)["parameters"] for name in _NAMES), "the files were read")
        os.environ["GPUMODEL_SOCKET"] = cls.daemon.socket
        cls.addClassCleanup(os.environ.pop, "GPUMODEL_SOCKET")
        cls.addClassCleanup(compat.get_model_manager().shutdown)

    async def test_every_example(self) -> None:
        blocks = examples(_PAGE.read_text(encoding="utf-8", errors="replace"))
        self.assertGreaterEqual(len(blocks), 15)
        ran: set[str] = set()
        for number, block in enumerate(blocks, 1):
            with self.subTest(example=number, text=block):
                ran.add(await self._run(block))
        self.assertEqual(ran, {"startup", "use", "method", "service", "pipeline", "status", "memory", "kept", "nested"})

    async def _run(self, block: str) -> str:
        manager = compat.get_model_manager()
        manager.auto_unload = True
        changed = completed(block).replace(*_IMPORT)
        self.assertNotIn("app.services", changed)
        namespace = around()
        exec(compile(_as_function(changed), "example", "exec"), namespace)
        example: Callable[[], Awaitable[Any]] = namespace["example"]
        printed = io.StringIO()
        kind, check = self._kind(block)
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", compat.ConfigurationWarning)
            await check(example, printed)
        await self._startup_was_told(block, [str(one.message) for one in caught])
        manager.shutdown()
        self.assertEqual([manager.get_status(name) == ModelStatus.READY for name in _NAMES], [False] * 3)
        self.assertTrue(self.daemon.is_idle())
        return kind

    def _kind(self, block: str) -> tuple[str, Callable[..., Awaitable[None]]]:
        """What an example shows, and what must come of it."""
        for sign, kind, check in (
                ("initialize_models_on_startup(", "startup", self._check_startup),
                ("stored_model", "kept", self._check_kept), ("model2", "nested", self._check_nothing),
                ("get_status", "status", self._check_status), ("torch", "memory", self._check_memory),
                ("class ", "service", self._check_service), ("self.", "method", self._check_method),
                ("async def process", "pipeline", self._check_pipeline), ("generate_modeling", "use", self._check_use)):
            if sign in block:
                return kind, check
        raise AssertionError("nobody knows what this example shows")

    async def _check_nothing(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        await example()

    async def _check_startup(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        await example()

    async def _startup_was_told(self, block: str, warned: list[str]) -> None:
        """Of the page's paths and sizes none is that of the demo model, which has 135 million parameters."""
        manager = compat.get_model_manager()
        if "initialize_models_on_startup(" not in block:
            return
        auto_unload = "auto_unload=False" not in block
        self.assertEqual(manager.auto_unload, auto_unload)
        named = re.findall(r"(\w+)_model_path=\"Qwen/", block)
        for name in named:
            self.assertTrue(any(f"{name}_model_path='Qwen/" in one and "135M" in one for one in warned), warned)
        self.assertEqual("adapter_path=" in block, any("without an adapter" in one for one in warned))
        self.assertEqual("tensor_parallel_size=" in block, any("tensor_parallel_size=2" in one for one in warned))
        if not auto_unload:
            self.assertEqual(self.daemon.model_row(named[-1])["state"], "ready")

    async def _check_use(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        made = await example()
        results = [made] if isinstance(made, list) else [made.get(name) for name in ("result", "concepts")]
        self.assertTrue(any(results), made)

    async def _check_kept(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        with self.assertRaisesRegex(gpumodel.StateError, "scope ended"):
            await example()

    async def _check_status(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        await example()
        before, during, after = printed.getvalue().split()
        self.assertIn(before, ("ModelStatus.NOT_LOADED", "ModelStatus.UNLOADED"))
        self.assertEqual((during, after), ("ModelStatus.READY", "ModelStatus.UNLOADED"))

    async def _check_memory(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        await example()
        self.assertIn("During use:", printed.getvalue())
        self.assertNotRegex(printed.getvalue(), r"GPU \d+: (?!0\.00 GB allocated)")

    async def _check_service(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        service, = (made for name, made in (await example()).items() if name.endswith("Service"))
        method, = (one for name, one in inspect.getmembers(service(), inspect.ismethod) if name.startswith("extract"))
        self.assertGreater(len(await method("customer")), 0)

    async def _check_method(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        method = (await example())["_generate_concepts"]
        self.assertGreater(len(await method(Service(), 1, ["customer", "orders"], "shop", None)), 0)

    async def _check_pipeline(self, example: Callable[[], Awaitable[Any]], printed: io.StringIO) -> None:
        made = await (await example())["process_database_sequentially"]()
        self.assertEqual(set(made), {"concepts", "relationships", "attributes"})
        self.assertTrue(all(made.values()))


if __name__ == "__main__":
    unittest.main()
