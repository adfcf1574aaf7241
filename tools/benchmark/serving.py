"""The suites about the daemon as a server: serve, overhead, stranger."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import quality
from harness import Daemon, Suite, alternate, print_speeds, summary
from sharing import wait_until
from speed import DECODE_TOKENS, PROMPT, decode_speed, llama_peer, llama_weights, step

CLIENTS, REQUESTS, PROMPT_TOKENS, OUTPUT_TOKENS = 16, 2, 128, 64
SMALL_PROMPT = 16

# ---- serve


@contextlib.contextmanager
def llama_server(options, slots):
    """llama.cpp's server with so many slots; yields the function that has it answer one prompt of tokens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [options.llama / "build" / "bin" / "llama-server", "-m", llama_weights(options, "bf16"), "--host", "127.0.0.1",
             "--port", str(port), "--threads", str(os.cpu_count()), "--parallel", str(slots),
             "--ctx-size", str(slots * 512), "--no-webui"], stdout=log, stderr=log)

        def healthy():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            except OSError:
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit("bench: llama-server ended:\n" + log.read()[-4000:].decode(errors="replace"))
                return False

        def complete(tokens, count):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            body = json.dumps({"prompt": tokens, "n_predict": count, "temperature": 0, "cache_prompt": False,
                               "ignore_eos": True})
            connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            if answer["tokens_predicted"] != count:
                sys.exit(f"bench: llama-server wrote {answer['tokens_predicted']} tokens of {count}")

        try:
            wait_until(healthy, "llama-server")
            yield complete
        finally:
            process.terminate()
            process.wait()


def llama_serves(complete):
    def client(index):
        for number in range(REQUESTS):
            # As bench_serve's prompts are made.
            complete([1000 + index, *(2000 + (number * 31 + index * 7 + i * 13) % 20000 for i in range(1, PROMPT_TOKENS))],
                     OUTPUT_TOKENS)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        start = time.perf_counter()
        list(pool.map(client, range(CLIENTS)))
        return CLIENTS * REQUESTS * OUTPUT_TOKENS / (time.perf_counter() - start)


def bench_serve(options):
    with Daemon(options.bin, options.model) as daemon, llama_server(options, CLIENTS) as complete:
        return alternate(options.rounds, {
            "gpumodeld": lambda: daemon.run("bench_serve", "kept", CLIENTS, REQUESTS, PROMPT_TOKENS,
                                            OUTPUT_TOKENS)["output_tokens_per_s"],
            "llama-server": lambda: llama_serves(complete),
        })


def print_serve(report):
    print_speeds(f"{CLIENTS} clients, {PROMPT_TOKENS} tokens in, {OUTPUT_TOKENS} out, bf16", report, "tokens/s",
                 [("gpumodeld", "llama-server")])


# ---- overhead


def bench_overhead(options):
    bare, through = [], []
    with Daemon(options.bin, options.model) as daemon:
        for _ in range(options.rounds):
            through.append(statistics.median(daemon.run("bench_serve", "kept", 1, 50, SMALL_PROMPT, 1)["request_ms"]))
            bare.append(step(options, "bf16", 1, SMALL_PROMPT, 0, 50)["step_ms"]["median"])
    return {"through the daemon": summary(through), "bare engine": summary(bare)}


def print_overhead(report):
    print_speeds(f"one token behind a prompt of {SMALL_PROMPT}", report, "ms", [])
    above = report["through the daemon"]["median"] - report["bare engine"]["median"]
    print(f"  daemon and library above the bare engine: {above:.2f} ms a request")


# ---- stranger


@contextlib.contextmanager
def busy_core():
    process = subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def bench_stranger(options):
    prompt = ",".join(map(str, PROMPT))
    with Daemon(options.bin, options.model) as daemon, llama_peer(options) as llama:
        contenders = {
            "gpumodeld": lambda: decode_speed(daemon.generate("kept", PROMPT, DECODE_TOKENS)),
            "llama.cpp": lambda: llama.ask("decode", prompt, DECODE_TOKENS)["tokens_per_s"],
        }

        def disturbed(measure):
            with busy_core():
                return measure()

        return alternate(options.rounds, {
            **contenders, **{f"{name}, disturbed": lambda measure=measure: disturbed(measure)
                             for name, measure in contenders.items()}})


def print_stranger(report):
    print_speeds("decode, batch 1, bf16, with one core taken by a stranger", report, "tokens/s",
                 [("gpumodeld, disturbed", "gpumodeld"), ("llama.cpp, disturbed", "llama.cpp")])


SUITES = {
    "serve": Suite(bench_serve, print_serve),
    "overhead": Suite(bench_overhead, print_overhead),
    "stranger": Suite(bench_stranger, print_stranger),
}
