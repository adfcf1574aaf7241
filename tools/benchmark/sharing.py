"""The suites about many models and many programs: switch, clients, and what an idle client costs."""
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

from harness import Daemon, Suite, resident_bytes, summary

CLIENTS = 50
IDLE_CLIENTS = 1000
SECONDS = 5
PROMPT_TOKENS = 16
# One of the two fits, with its context and workspace; both do not.
ROOM_FOR_ONE = '[devices.cpu]\nmemory = "400 MiB"\n[host_cache]\nmemory = "1 GiB"\n'
MANY_CLIENTS = '[devices.cpu]\nmemory = "2 GiB"\n[limits]\nleases = 4096\nconnections = 4096\n'


def wait_until(holds, what, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            sys.exit(f"bench: {what} did not start")
        time.sleep(0.05)


def end(process):
    process.terminate()
    process.wait()


# ---- switch


@contextlib.contextmanager
def llama_router(options):
    """llama.cpp's server in router mode with one model at a time; yields the function that asks it."""
    with tempfile.TemporaryDirectory(prefix="gpumodel-bench.") as folder, socket.socket() as probe:
        for name in ("first", "second"):
            os.symlink(options.llama / "SmolLM2-135M-Instruct-bf16.gguf", pathlib.Path(folder) / f"{name}.gguf")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        log = open(pathlib.Path(folder) / "log", "w+")
        process = subprocess.Popen(
            [options.llama / "build" / "bin" / "llama-server", "--models-dir", folder, "--models-max", "1", "--host", "127.0.0.1",
             "--port", str(port), "--threads", str(os.cpu_count()), "--ctx-size", "2048", "--parallel", "1"],
            stdout=log, stderr=log)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

        def get(path):
            try:
                connection.request("GET", path)
                return connection.getresponse().read() is not None
            except OSError:
                connection.close()
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit("bench: llama-server ended:\n" + log.read()[-4000:])
                return False

        def first_token(model, tokens):
            body = json.dumps({"model": model, "prompt": tokens, "n_predict": 1, "temperature": 0,
                               "cache_prompt": False})
            start = time.perf_counter()
            connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            taken = 1000 * (time.perf_counter() - start)
            if response.status != 200:
                sys.exit(f"bench: llama-server answered {response.status}: {text.decode()}")
            return taken

        try:
            wait_until(lambda: get("/health"), "llama-server")
            yield first_token
        finally:
            end(process)
            log.close()


def llama_switches(options):
    with llama_router(options) as first_token:
        taken = [first_token(("first", "second")[turn % 2],
                             list(range(1000 + turn * PROMPT_TOKENS, 1000 + (turn + 1) * PROMPT_TOKENS)))
                 for turn in range(options.rounds + 2)]
    return taken[2:]


def floor(daemon, size_bytes, rounds):
    return daemon.run("bench_switch", "--floor", size_bytes, rounds)


def bench_switch(options):
    two = {"first": "auto_unload = false", "second": "auto_unload = false"}
    with Daemon(options.bin, options.model, ROOM_FOR_ONE, two) as daemon:
        ours = daemon.run("bench_switch", "first", "second", options.rounds)
        weights = daemon.ctl("status", "--json")["weights"]
        tensor_bytes = max(row["tensor_bytes"] for row in weights)
        bare = floor(daemon, tensor_bytes, options.rounds)
    with Daemon(options.bin, options.model) as daemon:
        releases = [daemon.exchange("--once", "freed")["release_ms"] for _ in range(options.rounds + 1)][1:]
        freed_bytes = daemon.model_row("freed")["unload"]["freed_bytes"]
        unmap = floor(daemon, freed_bytes, options.rounds)["unmap_ms"]
    llama = llama_switches(options)
    first_token = statistics.median(ours["first_token_ms"])
    return {"gpumodeld": summary(ours["switch_ms"]), "llama-server": summary(llama),
            "copy and first token": summary([copy + first_token for copy in bare["copy_ms"]]),
            "release": summary(releases), "unmap": summary(unmap),
            "tensor_bytes": tensor_bytes, "freed_bytes": freed_bytes}


def print_switch(results):
    ours = results["gpumodeld"]["median"]
    print("switch, acquire to first token of 16")
    print(f"  {'gpumodeld':<22}{ours:8.1f} ms")
    for name in ("llama-server", "copy and first token"):
        median = results[name]["median"]
        print(f"  {name:<22}{median:8.1f} ms   ours / this: {ours / median:.2f}")
    release, unmap = results["release"]["median"], results["unmap"]["median"]
    print(f"  {'release, measured free':<22}{release:8.1f} ms   "
          f"allowed, 1.5 x unmapping + 10 ms: {1.5 * unmap + 10:.1f}")


# ---- clients


@contextlib.contextmanager
def redis(options):
    with tempfile.TemporaryDirectory(prefix="gpumodel-bench.") as folder:
        path = f"{folder}/redis.sock"
        process = subprocess.Popen([options.redis_server, "--port", "0", "--unixsocket", path, "--save", "",
                                    "--appendonly", "no", "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: os.path.exists(path), "redis-server")
            yield path
        finally:
            end(process)


def bench_clients(options):
    def load(*words):
        done = subprocess.run([options.bin / "bench_load", *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: bench_load {words[0]} failed: {done.stderr}")
        return json.loads(done.stdout)["requests_per_s"]

    rates = {"gpumodeld": [], "redis-server": []}
    with Daemon(options.bin, options.model, MANY_CLIENTS) as daemon, redis(options) as path:
        daemon.exchange("--once", "kept")  # loads it
        for _ in range(options.rounds):
            rates["gpumodeld"].append(load("gpumodeld", daemon.socket, CLIENTS, SECONDS, "kept"))
            rates["redis-server"].append(load("redis", path, CLIENTS, SECONDS))
    return {name: summary(values) for name, values in rates.items()}


def print_clients(results):
    print(f"{CLIENTS} clients, acquire and release of a resident model; PING")
    for name, values in results.items():
        print(f"  {name:<14}{values['median']:10.0f} requests/s   [{values['least']:.0f} .. {values['most']:.0f}]")
    print(f"  ours / redis: {results['gpumodeld']['median'] / results['redis-server']['median']:.2f}")


# ---- memory


def idle_clients(options):
    """What a connected client that does nothing costs the broker."""
    with Daemon(options.bin, options.model, MANY_CLIENTS) as daemon:
        daemon.ctl("status", "--json")
        before = resident_bytes(daemon.process.pid)
        with subprocess.Popen([options.bin / "bench_load", "idle", daemon.socket, str(IDLE_CLIENTS)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
            if not clients.stdout.readline():
                sys.exit("bench: the idle clients could not connect")
            after = resident_bytes(daemon.process.pid)
            clients.stdin.close()
    return {"clients": IDLE_CLIENTS, "bytes_per_client": (after - before) / IDLE_CLIENTS}


SUITES = {
    "switch": Suite(bench_switch, print_switch),
    "clients": Suite(bench_clients, print_clients),
}
