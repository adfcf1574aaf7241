"""The suites about how fast one model runs: decode, prefill, batch, context."""
import contextlib
import json
import os
import subprocess
import sys

import quality
from harness import Daemon, Peer, Suite, alternate, print_speeds, summary

PROMPT = [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411]
DECODE_TOKENS = 128
# Some processors make transformers very slow in bf16; fewer tokens give the same rate.
TRANSFORMERS_DECODE_TOKENS = 24
PREFILL_TOKENS = 512
BATCHES = (16, 32)
BATCH_PROMPT, BATCH_TOKENS = 128, 128
CONTEXTS = (512, 2048, 8000)
# Ours, and llama.cpp's of about the same size.
FORMATS = {"bf16": "bf16", "int8": "Q8_0", "int4": "Q4_0"}


def transformers_peer(options):
    return Peer("peer_transformers.py", options.model, os.cpu_count())


def llama_weights(options, kind):
    if kind == "bf16":
        return options.llama / "SmolLM2-135M-Instruct-bf16.gguf"
    return quality.quantized_gguf(options, kind)


def llama_peer(options, kind="bf16"):
    return Peer("peer_llama.py", llama_weights(options, kind), os.cpu_count(),
                environment=quality.llama_environment(options))


def program(options, name, *arguments):
    done = subprocess.run([options.bin / name, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {name} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def step(options, dtype, sequences, rows, context, steps):
    """The decoder alone, without the daemon."""
    return program(options, "bench_step", options.model, dtype, sequences, rows, context, steps)


def decode_speed(usage):
    return 1e6 * (usage["output_tokens"] - 1) / (usage["total_us"] - usage["first_token_us"])


# ---- decode


def bench_decode(options):
    prompt = ",".join(map(str, PROMPT))
    models = {dtype: f'auto_unload = false\ndtype = "{dtype}"' for dtype in FORMATS}
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon(options.bin, options.model, models=models))
        transformers = stack.enter_context(transformers_peer(options))
        peers = {kind: stack.enter_context(llama_peer(options, kind)) for kind in FORMATS.values()}
        contenders = {"transformers bf16": lambda: transformers.ask("decode", prompt, TRANSFORMERS_DECODE_TOKENS)["tokens_per_s"]}
        for dtype, kind in FORMATS.items():
            contenders[f"gpumodeld {dtype}"] = \
                lambda dtype=dtype: decode_speed(daemon.generate(dtype, PROMPT, DECODE_TOKENS))
            contenders[f"llama.cpp {kind}"] = \
                lambda kind=kind: peers[kind].ask("decode", prompt, DECODE_TOKENS)["tokens_per_s"]
        report = {"speeds": alternate(options.rounds, contenders)}
    report["bandwidth"] = program(options, "bench_bandwidth", os.cpu_count())
    report["weights_bytes"] = {dtype: step(options, dtype, 1, 1, 0, 1)["weights_bytes"] for dtype in FORMATS}
    return report


def print_decode(report):
    speeds = report["speeds"]
    print_speeds("decode, batch 1", speeds, "tokens/s", [
        ("gpumodeld bf16", "transformers bf16"), *((f"gpumodeld {dtype}", f"llama.cpp {kind}") for dtype, kind in FORMATS.items()),
        ("gpumodeld int8", "gpumodeld bf16")])
    bandwidth = report["bandwidth"]["bytes_per_s"]
    for dtype, size in report["weights_bytes"].items():
        read = speeds[f"gpumodeld {dtype}"]["median"] * size
        print(f"  {dtype}: {read / 1e9:.1f} GB/s of weights, {100 * read / bandwidth:.0f} % of the {bandwidth / 1e9:.1f} GB/s"
              " that all cores read")


# ---- prefill


def bench_prefill(options):
    tokens = list(range(1000, 1000 + PREFILL_TOKENS))
    with Daemon(options.bin, options.model) as daemon, transformers_peer(options) as transformers, \
            llama_peer(options) as llama:
        fresh = iter(range(1, 1 << 30))

        def ours():
            # Another first token each time: no prompt begins like one that was there before.
            usage = daemon.generate("kept", [2000 + next(fresh), *tokens[1:]], 1)
            return 1e6 * PREFILL_TOKENS / (usage["first_token_us"] - usage["queue_us"])

        return alternate(options.rounds, {
            "gpumodeld": ours,
            "transformers": lambda: transformers.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
            "llama.cpp": lambda: llama.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
        })


def print_prefill(report):
    print_speeds(f"prefill {PREFILL_TOKENS}, bf16", report, "tokens/s",
                 [("gpumodeld", "transformers"), ("gpumodeld", "llama.cpp")])


# ---- batch


def llama_batch(options, sequences):
    context = sequences * (BATCH_PROMPT + BATCH_TOKENS)
    done = subprocess.run(
        [options.llama / "build" / "bin" / "llama-batched-bench", "-m", llama_weights(options, "bf16"), "-c", str(context),
         "-b", "2048", "-ub", "512", "-npp", str(BATCH_PROMPT), "-ntg", str(BATCH_TOKENS), "-npl", str(sequences),
         "-t", str(os.cpu_count()), "-tb", str(os.cpu_count()), "--output-format", "jsonl"],
        env=quality.llama_environment(options), capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not rows:
        sys.exit(f"bench: llama-batched-bench failed: {done.stdout}{done.stderr[-2000:]}")
    return rows[-1]["speed_tg"]


def bench_batch(options):
    """Ours at the context that llama.cpp's sequences have half way."""
    context = BATCH_PROMPT + BATCH_TOKENS // 2
    return {str(sequences): alternate(options.rounds, {
        "gpumodeld": lambda sequences=sequences: step(options, "bf16", sequences, 1, context, 32)["rows_per_s"],
        "llama.cpp": lambda sequences=sequences: llama_batch(options, sequences),
    }) for sequences in BATCHES}


def print_batch(report):
    for sequences, speeds in report.items():
        print_speeds(f"decode, {sequences} sequences in one batch, bf16, the bare engines", speeds, "tokens/s",
                     [("gpumodeld", "llama.cpp")])


# ---- context


def bench_context(options):
    kv_bytes = {}
    times = {context: [] for context in CONTEXTS}
    for _ in range(options.rounds):
        for context in CONTEXTS:
            measured = step(options, "bf16", 1, 1, context, 24)
            times[context].append(measured["step_ms"]["median"])
            kv_bytes[context] = measured["kv_bytes_per_token"] * (context + 1) + measured["weights_bytes"]
    return {str(context): {**summary(times[context]), "bytes": kv_bytes[context]} for context in CONTEXTS}


def print_context(report):
    print("a decoding step by its context, bf16, the bare engine")
    first = report[str(CONTEXTS[0])]
    for context, row in report.items():
        grown = (row["median"] / first["median"]) / (row["bytes"] / first["bytes"])
        print(f"  {context:>6} tokens {row['median']:8.2f} ms   {row['bytes'] / 1e6:7.1f} MB read"
              f"   time grew {grown:.2f} x as much as the bytes")


SUITES = {
    "decode": Suite(bench_decode, print_decode),
    "prefill": Suite(bench_prefill, print_prefill),
    "batch": Suite(bench_batch, print_batch),
    "context": Suite(bench_context, print_context),
}
