"""What Python's `re` finds, for tests of patterns.

Usage: pattern_oracle.py SEED COUNT

Makes COUNT random expressions of the syntax that is supported, and texts for each. Prints a JSON object a
line: {"pattern", "texts": [{"text", "search", "fullmatch"}]}.
"""

import json
import random
import re
import sys

ALPHABET = ["a", "b", "c", "1", "_", "-", ".", " ", "\n", "\r", "é", "٣", "\u2028", "日", "\u0085", "😀"]
ATOMS = ["a", "b", "ab", "1", "é", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]", "[^ab]", "[a-c1]",
         r"[\d_]", r"[^\d]", r"[^\s]", r"[\W]", r"\.", r"\-", r"\x61", r"\u00e9", "[^a]", "(?:a|b)", "日", "😀"]


def expression(rng, depth=0):
    parts = []
    for _ in range(rng.randint(1, 3)):
        if depth < 2 and rng.random() < 0.25:
            part = rng.choice(["(", "(?:"]) + "|".join(
                expression(rng, depth + 1) for _ in range(rng.randint(1, 3))) + ")"
        else:
            part = rng.choice(ATOMS)
            if len(part) == 2 and part.isalpha():
                part = "(?:" + part + ")"
        parts.append(part + rng.choice(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{1,}", "*?", "+?"]))
    text = "".join(parts)
    if depth == 0:
        text = rng.choice(["", "", "^"]) + text + rng.choice(["", "", "$"])
    return text


def main():
    rng = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        pattern = expression(rng)
        compiled = re.compile(pattern)
        texts = ["".join(rng.choice(ALPHABET[:4] if rng.random() < 0.5 else ALPHABET)
                         for _ in range(rng.randint(0, 6))) for _ in range(40)]
        print(json.dumps({"pattern": pattern, "texts": [
            {"text": text, "search": compiled.search(text) is not None,
             "fullmatch": compiled.fullmatch(text) is not None} for text in texts]}))


main()
