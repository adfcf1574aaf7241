"""llama.cpp, through llama-cpp-python, on the same weights in bf16; commands as in peer_transformers.py."""
import json
import sys
import time

import numpy
import llama_cpp

threads = int(sys.argv[2])
llm = llama_cpp.Llama(model_path=sys.argv[1], n_ctx=2048, n_batch=512, n_threads=threads,
                      n_threads_batch=threads, logits_all=False, verbose=False)


def greedy():
    logits = llama_cpp.llama_get_logits_ith(llm.ctx, -1)
    return int(numpy.ctypeslib.as_array(logits, shape=(llm.n_vocab(),)).argmax())


def decode(prompt, count):
    llm.reset()
    start = time.perf_counter()
    llm.eval(prompt)
    token = greedy()
    first = time.perf_counter()
    for _ in range(count - 1):
        llm.eval([token])
        token = greedy()
    end = time.perf_counter()
    return {"tokens_per_s": (count - 1) / (end - first), "first_token_ms": 1000 * (first - start)}


def prefill(count):
    llm.reset()
    start = time.perf_counter()
    llm.eval(list(range(1000, 1000 + count)))
    return {"tokens_per_s": count / (time.perf_counter() - start)}


for line in sys.stdin:
    words = line.split()
    if words[0] == "decode":
        answer = decode([int(word) for word in words[1].split(",")], int(words[2]))
    else:
        answer = prefill(int(words[1]))
    print(json.dumps(answer), flush=True)
