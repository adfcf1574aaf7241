"""The suite quality: the perplexity of one text for the demo model's weights as they are and quantised, by gpumodeld's
engine and by llama.cpp."""
import json
import os
import pathlib
import pydoc_data.topics
import subprocess
import sys

from harness import HERE, MIB, Suite, say

CHUNKS, CHUNK_TOKENS = 16, 512


def sample_chunks(model):
    """Chunks of Python's own documentation, which every Python of one version carries, spread over all of it."""
    from tokenizers import Tokenizer
    topics = pydoc_data.topics.topics
    text = "\n\n".join(topics[name] for name in sorted(topics))
    ids = Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    starts = [len(ids) * chunk // CHUNKS for chunk in range(CHUNKS)]
    return "\n".join(" ".join(map(str, ids[start:start + CHUNK_TOKENS])) for start in starts)


def answer(command, chunks, environment=None):
    done = subprocess.run([str(word) for word in command], input=chunks, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {command[0]} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def quantized_gguf(options, kind):
    """llama.cpp's own quantisation of the bf16 weights, made once."""
    source = options.llama / "SmolLM2-135M-Instruct-bf16.gguf"
    target = options.llama / f"SmolLM2-135M-Instruct-{kind}.gguf"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        script = ("import ctypes, sys, llama_cpp\n"
                  "params = llama_cpp.llama_model_quantize_default_params()\n"
                  f"params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_{kind}\n"
                  "sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), "
                  "ctypes.byref(params)))")
        part = target.with_suffix(".part")
        done = subprocess.run([sys.executable, "-c", script, source, part], env=llama_environment(options),
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: llama.cpp did not quantise {source} as {kind}: {done.stderr[-2000:]}")
        part.rename(target)
    return target


def llama_environment(options):
    return {**os.environ, "PYTHONPATH": str(options.llama / "python"),
            "LLAMA_CPP_LIB_PATH": str(options.llama / "build" / "bin")}


def bench_quality(options):
    chunks = sample_chunks(options.model)
    report = {}
    for dtype in ("bf16", "int8", "int4"):
        say(f"quality: gpumodeld {dtype}")
        report[f"gpumodeld {dtype}"] = answer([options.bin / "bench_perplexity", options.model, dtype], chunks)
    for kind in ("bf16", "Q8_0", "Q4_0"):
        say(f"quality: llama.cpp {kind}")
        weights = (options.llama / "SmolLM2-135M-Instruct-bf16.gguf") if kind == "bf16" else quantized_gguf(options, kind)
        report[f"llama.cpp {kind}"] = {
            **answer([sys.executable, HERE / "peer_llama_quality.py", weights, os.cpu_count()], chunks,
                     llama_environment(options)), "weights_bytes": weights.stat().st_size}
    return report


def print_quality(report):
    base = report["gpumodeld bf16"]["perplexity"]
    print(f"quality, {report['gpumodeld bf16']['tokens']} tokens of Python's documentation")
    for name, row in report.items():
        print(f"  {name:<16}perplexity {row['perplexity']:8.4f}   {100 * (row['perplexity'] / base - 1):+6.2f} %"
              f"   weights {row['weights_bytes'] / MIB:6.1f} MiB")


SUITES = {"quality": Suite(bench_quality, print_quality)}
