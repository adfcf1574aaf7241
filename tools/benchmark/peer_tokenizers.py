"""Hugging Face's tokenizers on one thread: peer_tokenizers.py TOKENIZER_JSON TEXT_FILE; each line on stdin encodes the
text once: {"seconds", "tokens"}."""
import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402  reads the environment

tokenizer = Tokenizer.from_file(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    text = file.read()
for _ in sys.stdin:
    start = time.perf_counter()
    encoded = tokenizer.encode(text, add_special_tokens=False)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "tokens": len(encoded.ids)}), flush=True)
