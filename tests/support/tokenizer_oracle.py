"""Token ids and decoded texts by Hugging Face's tokenizers, for tests that compare with them.

Usage: tokenizer_oracle.py random SEED COUNT TOKENIZER_JSON...
       tokenizer_oracle.py every TOKENIZER_JSON...

`random` makes COUNT texts of all kinds of Unicode, `every` texts that hold every character in turn.
Prints a JSON object a line for every file and text: {"text", "ids", "special", "decoded",
"skipped"}: the ids without and with what the post-processor adds, and the texts that the latter
decode to, with and without special tokens. Special tokens spelt out in a text are not looked for,
as if a user had written it.
"""

import json
import random
import sys

from tokenizers import Tokenizer

NEAR_SPECIAL = ["<|im_start|", "|im_start|>", "<|im_start |>", "<|endoftext", "<|", "|>", "<s", "</s",
                "<unk", "<tool_call", "<think", "<|im_end| >", "<0x0A", "<|fim_"]
WORDS = ["the", " quick", "Hello", " wörld", "don't", "WE'LL", "it'S", "naïve", "e\u0301", " 1", "2024",
         "x=1;", "\tint", "  return", "{}", "www.example.org", "日本語", "テスト", "한국어", "中文", "привет",
         "مرحبا", "हिन्दी", "ไทย", "👍🏽", "👨‍👩‍👧", "🇩🇪", "ﬁ", "ſ", "İ", "ß", "Å", "①", "½", "\u200d",
         "\ufeff", "\u00a0", "\u3000", "\u180e", "\u2028"]
SPACES = [" ", "  ", "\n", "\r\n", "\t", "\n\n", " \n ", "\u00a0", "\u2003", "\u3000", "\x0b", "\x85"]
RANGES = [(0x20, 0x7E), (0, 0x1F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF),
          (0x700, 0xDFF), (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1AB0, 0x1DFF), (0x1E00, 0x20FF),
          (0x2100, 0x2BFF), (0x2C00, 0x303F), (0x3040, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xABFF),
          (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFFFF), (0x10000, 0x13FFF),
          (0x16000, 0x1CFFF), (0x1D000, 0x1EFFF), (0x1F000, 0x1FFFF), (0x20000, 0x323AF),
          (0xE0000, 0xE01FF), (0xF0000, 0x10FFFF)]


def character(rng, low, high):
    while True:
        code = rng.randint(low, high)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def piece(rng):
    kind = rng.randrange(9)
    if kind == 0:
        low, high = rng.choice(RANGES)
        return "".join(character(rng, low, high) for _ in range(rng.randint(1, 12)))
    if kind == 1:
        return character(rng, 0, 0x10FFFF)
    if kind == 2:
        return "".join(rng.choice("0123456789٠١²") for _ in range(rng.randint(1, 12)))
    if kind == 3:
        return rng.choice(SPACES) * rng.randint(1, 6)
    if kind == 4:
        return rng.choice(NEAR_SPECIAL)
    if kind == 5:
        return rng.choice("aeoucn한각ㄱ") + "".join(
            character(rng, 0x300, 0x36F) for _ in range(rng.randint(1, 5)))
    if kind == 6:
        return "".join(rng.choice("!?.,:;-_/\\|<>()[]{}'\"`~@#$%^&*+=") for _ in range(rng.randint(1, 8)))
    if kind == 7:
        return rng.choice("abcdefghijkl ") * rng.randint(1, 80)
    return rng.choice(WORDS)


def random_texts(seed, count):
    rng = random.Random(seed)
    yield ""
    for _ in range(count - 1):
        yield "".join(piece(rng) for _ in range(rng.randint(1, 20)))


def texts_of_every_character():
    blocks = list(range(0, 0x32400, 256)) + list(range(0xE0000, 0xE0200, 256)) + [0x10FF00]
    for start in blocks:
        text = "".join(chr(c) for c in range(start, start + 256) if not 0xD800 <= c < 0xE000)
        if text:
            yield text


def main():
    if sys.argv[1] == "random":
        texts = list(random_texts(int(sys.argv[2]), int(sys.argv[3])))
        files = sys.argv[4:]
    else:
        texts = list(texts_of_every_character())
        files = sys.argv[2:]
    for file in files:
        tokenizer = Tokenizer.from_file(file)
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for text in texts:
            special = tokenizer.encode(text).ids
            print(json.dumps({
                "text": text,
                "ids": tokenizer.encode(text, add_special_tokens=False).ids,
                "special": special,
                "decoded": tokenizer.decode(special, skip_special_tokens=False),
                "skipped": tokenizer.decode(special, skip_special_tokens=True),
            }))


main()
