"""Runs the test modules that are named, as ctest asks for them.

What a machine lacks is told in the words of the other tests, in which tools/check looks for it."""

from __future__ import annotations

import sys
import unittest


class Result(unittest.TextTestResult):
    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.stream.writeln(f'Test case "{test.id()}" is skipped because {reason}')


def main() -> int:
    tests = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result)
    result = runner.run(tests)
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
