"""Runs the test modules that are named, as ctest asks for them.

What a machine lacks is told in the words of the other tests, in which tools/check looks for it."""

from __future__ import annotations

import sys
import unittest


def main() -> int:
    tests = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    for test, reason in result.skipped:
        print(f'Test case "{test.id()}" is skipped because {reason}')
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
