"""transformers on the same folder: one command a line on stdin, one JSON object a line on stdout.

decode TOKENS COUNT   greedy decoding in bf16 from these token ids: {"tokens_per_s", "first_token_ms"}
prefill COUNT         {"tokens_per_s"}
load                  from_pretrained with the files in the page cache: {"ms"}; the first one of a process does
                      more than later ones
"""
import json
import sys
import time

import torch
import transformers
from transformers import LlamaForCausalLM  # noqa: F401  imported on first use otherwise, within a timed load

torch.set_num_threads(int(sys.argv[2]))
torch.set_grad_enabled(False)
transformers.logging.set_verbosity_error()


def load():
    return transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16)


def timed_load():
    start = time.perf_counter()
    loaded = load()
    return loaded, {"ms": 1000 * (time.perf_counter() - start)}


model = None


def decode(prompt, count):
    cache = transformers.DynamicCache(config=model.config)
    tokens = torch.tensor([prompt])
    start = time.perf_counter()
    out = model(tokens, past_key_values=cache, logits_to_keep=1)
    token = out.logits[:, -1:].argmax(-1)
    first = time.perf_counter()
    for _ in range(count - 1):
        out = model(token, past_key_values=cache)
        token = out.logits[:, -1:].argmax(-1)
    end = time.perf_counter()
    return {"tokens_per_s": (count - 1) / (end - first), "first_token_ms": 1000 * (first - start)}


def prefill(count):
    tokens = torch.arange(1000, 1000 + count).unsqueeze(0)
    start = time.perf_counter()
    model(tokens, logits_to_keep=1, use_cache=True)
    return {"tokens_per_s": count / (time.perf_counter() - start)}


for line in sys.stdin:
    words = line.split()
    if words[0] != "load" and model is None:
        model = load()
    if words[0] == "decode":
        answer = decode([int(word) for word in words[1].split(",")], int(words[2]))
    elif words[0] == "prefill":
        answer = prefill(int(words[1]))
    else:
        model, answer = timed_load()
    print(json.dumps(answer), flush=True)
