"""tools/bench: gpumodeld beside its peers, in alternating rounds. See tools/bench --help."""
import argparse
import contextlib
import json
import os
import pathlib
import time

import quality
import sharing
import tokenizing
from harness import MIB, Daemon, Peer, alternate, one_after_another, resident_bytes, say

SUITES = ["decode", "prefill", "load", "tokenize", "quality", "lease", "memory", "switch", "clients"]
# Each starts what it needs.
ALONE = {"tokenize", "quality", "memory", "switch", "clients"}
PROMPT = [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411]
DECODE_TOKENS = 128
# Some processors make transformers very slow in bf16; fewer tokens give the same rate.
TRANSFORMERS_DECODE_TOKENS = 24
PREFILL_TOKENS = 512


def transformers_peer(options):
    return Peer("peer_transformers.py", options.model, os.cpu_count())


def llama_peer(options):
    return Peer("peer_llama.py", options.llama / "SmolLM2-135M-Instruct-bf16.gguf", os.cpu_count(),
                environment=quality.llama_environment(options))


def decode_speed(usage):
    return 1e6 * (usage["output_tokens"] - 1) / (usage["total_us"] - usage["first_token_us"])


def bench_decode(daemon, options, transformers, llama):
    prompt = ",".join(map(str, PROMPT))
    return alternate(options.rounds, {
        "gpumodeld": lambda: decode_speed(daemon.generate("kept", PROMPT, DECODE_TOKENS)),
        "transformers": lambda: transformers.ask("decode", prompt, TRANSFORMERS_DECODE_TOKENS)["tokens_per_s"],
        "llama.cpp": lambda: llama.ask("decode", prompt, DECODE_TOKENS)["tokens_per_s"],
    })


def bench_prefill(daemon, options, transformers, llama):
    tokens = list(range(1000, 1000 + PREFILL_TOKENS))

    def ours():
        usage = daemon.generate("kept", tokens, 1)
        return 1e6 * PREFILL_TOKENS / (usage["first_token_us"] - usage["queue_us"])

    return alternate(options.rounds, {
        "gpumodeld": ours,
        "transformers": lambda: transformers.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
        "llama.cpp": lambda: llama.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
    })


def first_load_of_a_process(options):
    with transformers_peer(options) as peer:
        return peer.ask("load")["ms"]


def bench_load(daemon, options, transformers, _llama):
    start = time.perf_counter()
    daemon.exchange("--once", "freed")
    first = 1000 * (time.perf_counter() - start)
    results = one_after_another(options.rounds, {
        "gpumodeld": lambda: daemon.exchange("--once", "freed")["acquire_ms"],
        # What a program pays that loads its model itself; importing torch and transformers is not counted.
        "transformers": lambda: first_load_of_a_process(options),
        "the same again": lambda: transformers.ask("load")["ms"],
    })
    results["gpumodeld"]["first_with_engine_start_ms"] = first
    return results


def bench_lease(daemon, options, _transformers, _llama):
    return daemon.exchange("kept", options.rounds)


def bench_memory(options):
    with Daemon(options.bin, options.model) as daemon:
        broker_idle = resident_bytes(daemon.process.pid)
        # The engine's memory before its first load is what its first load event could not have touched yet:
        # a first model warms it up, and the second load and release are measured.
        daemon.generate("freed", PROMPT, 16)
        before = resident_bytes(daemon.engine()["pid"])
        daemon.generate("freed", PROMPT, 16)
        after = resident_bytes(daemon.engine()["pid"])
        unload = daemon.model_row("freed")["unload"]
    return {"broker_idle_bytes": broker_idle, "engine_before_bytes": before, "engine_after_bytes": after,
            "unload": unload, "idle_clients": sharing.idle_clients(options)}


def print_table(report):
    if "decode" in report:
        print_speeds("decode, batch 1", report["decode"], "tokens/s")
    if "prefill" in report:
        print_speeds(f"prefill {PREFILL_TOKENS}", report["prefill"], "tokens/s")
    if "load" in report:
        print_speeds("load, acquire to grant", report["load"], "ms")
        print_first_load(report["load"])
    if "tokenize" in report:
        print_speeds("tokenize, Qwen2.5, one thread", report["tokenize"], "MiB/s")
    if "quality" in report:
        quality.print_quality(report["quality"])
    if "lease" in report:
        lease = report["lease"]
        print("lease of a resident model")
        for name in ("acquire", "release"):
            print(f"  {name:<14}{lease[name + '_us']:8.1f} us   {lease[name + '_us'] / lease['ping_pong_us']:6.2f} x ping-pong")
        print(f"  {'ping-pong':<14}{lease['ping_pong_us']:8.1f} us")
    if "memory" in report:
        memory = report["memory"]
        kept = memory["engine_after_bytes"] - memory["engine_before_bytes"]
        print("memory")
        print(f"  broker idle   {memory['broker_idle_bytes'] / MIB:8.1f} MiB")
        print(f"  engine kept   {kept / MIB:8.1f} MiB after its last release")
        idle = memory["idle_clients"]
        print(f"  idle client   {idle['bytes_per_client'] / 1024:8.1f} KiB of the broker each, {idle['clients']} connected")
    if "switch" in report:
        sharing.print_switch(report["switch"])
    if "clients" in report:
        sharing.print_clients(report["clients"])


def print_first_load(results):
    print(f"  {'engine start and first load':<28}{results['gpumodeld']['first_with_engine_start_ms']:8.1f} ms")


def print_speeds(title, results, unit):
    print(title)
    for name, values in results.items():
        text = f"  {name:<14}{values['median']:8.1f} {unit:<9}[{values['least']:.1f} .. {values['most']:.1f}]"
        if name != "gpumodeld":
            text += f"   ours / this: {results['gpumodeld']['median'] / values['median']:.2f}"
        print(text)


def machine():
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    import torch
    import transformers
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch.__version__,
            "transformers": transformers.__version__, "llama_cpp_python": "0.3.36"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--llama", type=pathlib.Path, required=True)
    parser.add_argument("--redis-server", default="redis-server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    # argparse of Python 3.11 holds an absent list against the choices, too.
    parser.add_argument("suites", nargs="*", metavar="SUITE", choices=["all", *SUITES], default="all")
    options = parser.parse_args()
    suites = SUITES if "all" in options.suites else options.suites

    report = {"machine": machine()}
    with contextlib.ExitStack() as stack:
        daemon = transformers = llama = None
        if set(suites) - ALONE:
            daemon = stack.enter_context(Daemon(options.bin, options.model))
        if set(suites) & {"decode", "prefill", "load"}:
            transformers = stack.enter_context(transformers_peer(options))
            llama = stack.enter_context(llama_peer(options))
        for suite in (suite for suite in suites if suite not in ALONE):
            say(suite)
            report[suite] = globals()["bench_" + suite](daemon, options, transformers, llama)
    if "tokenize" in suites and (reason := tokenizing.skipped()):
        say(f"tokenize skipped: {reason}")
        suites = [suite for suite in suites if suite != "tokenize"]
    for suite, measure in (("tokenize", tokenizing.bench_tokenize), ("quality", quality.bench_quality), ("memory", bench_memory),
                           ("switch", sharing.bench_switch), ("clients", sharing.bench_clients)):
        if suite in suites:
            say(suite)
            report[suite] = measure(options)
    if options.json:
        print(json.dumps(report))
    else:
        print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
        print_table(report)


if __name__ == "__main__":
    main()
