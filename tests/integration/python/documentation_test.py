"""What the documents and the package's own docstrings show in Python is run, on a daemon with the fake engine."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

from daemon import PATIENCE_S, Daemon, from_environment

_SOURCE = Path(from_environment("GPUMODEL_SOURCE_DIR"))
_DOCUMENTS = ("README.md", "docs/python.md")
_MODULES = ("gpumodel", "gpumodel.aio", "gpumodel.compat")


def blocks_of(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def example_of(docstring: str) -> str:
    """The lines that are indented under a docstring's first words."""
    found = re.search(r"\n\n((?: {4}.*\n|\n)+)", docstring)
    return textwrap.dedent(found[1]) if found else ""


class DocumentationTest(unittest.TestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = (Daemon().model("concept", token_ms=1, eos_after=6).model("attribute", token_ms=1, eos_after=6)
                      .start())
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def _run(self, program: str) -> str:
        done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                              timeout=PATIENCE_S, env={**os.environ, "GPUMODEL_SOCKET": self.daemon.socket})
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{program}\nprinted {done.stdout}")
        self.assertGreater(len(done.stdout), 10)
        self.assertTrue(self.daemon.is_idle(), program)
        return done.stdout

    def test_every_program_of_the_documents(self) -> None:
        for document in _DOCUMENTS:
            programs = blocks_of((_SOURCE / document).read_text())
            self.assertTrue(programs, document)
            for program in programs:
                with self.subTest(document=document, program=program):
                    self._run(program)

    def test_every_example_of_a_module(self) -> None:
        for name in _MODULES:
            with self.subTest(module=name):
                example = example_of(importlib.import_module(name).__doc__ or "")
                self.assertTrue(example, "the module's docstring has no example")
                prelude = "import asyncio, gpumodel\nfrom gpumodel import aio\nprompt = 'A prompt.'\n"
                body = textwrap.indent(example, "    ")
                program = f"{prelude}async def main():\n{body}\nasyncio.run(main())\n"
                ast.parse(program)
                self._run(program if "print(" in example else f"{program}print('it ran to its end')\n")


if __name__ == "__main__":
    unittest.main()
