"""blocks.py FOLDER DOCUMENT...: writes every complete program that the documents show in C, C++ and Python to
FOLDER, as DOCUMENT-LINE.c, .cpp or .py. Markdown names a block's language behind its fence, scdoc in a comment
before it."""

import pathlib
import sys

SUFFIXES = {"c": "c", "cpp": "cpp", "c++": "cpp", "python": "py"}


def blocks(document):
    """Line, language and text of each fenced block."""
    language, first, inside, before = "", 0, None, ""
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("```"):
            if inside is not None:
                inside.append(line + "\n")
        elif inside is None:
            language, first, inside = line[3:] or before.removeprefix("; "), number, []
        else:
            yield first, language, "".join(inside)
            inside = None
        before = line


folder = pathlib.Path(sys.argv[1])
for document in map(pathlib.Path, sys.argv[2:]):
    for line, language, text in blocks(document):
        if language == "python" or (language in SUFFIXES and "int main(" in text):
            (folder / f"{document.name}-{line}.{SUFFIXES[language]}").write_text(text, encoding="utf-8")
