"""llama.cpp's perplexity of a text: peer_llama_quality.py GGUF THREADS <CHUNKS, which are as in perplexity.cpp."""
import json
import sys

import llama_cpp
import numpy


def surprise(logits, token):
    logits = logits.astype(numpy.float64)
    best = logits.max()
    return numpy.log(numpy.exp(logits - best).sum()) + best - logits[token]


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    chunks = [[int(word) for word in line.split()] for line in sys.stdin]
    longest = max(map(len, chunks))
    llm = llama_cpp.Llama(model_path=path, n_ctx=longest, n_batch=longest, n_threads=threads, n_threads_batch=threads,
                          logits_all=True, verbose=False)
    total = count = 0
    for chunk in chunks:
        llm.reset()
        llm.eval(chunk)
        total += sum(surprise(llm.scores[i], token) for i, token in enumerate(chunk[1:]))
        count += len(chunk) - 1
    print(json.dumps({"perplexity": float(numpy.exp(total / count)), "tokens": count}))


main()
